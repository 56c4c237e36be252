"""OpenAI's chat completions and embeddings, as OpenAI speaks them and as a vLLM server does."""

import base64
import json
import struct
from collections.abc import Iterator

import check
from check import Refused, insist
from exchange import Answer, Request, Silence, Stream, Whole, delay, event
from scenario import CACHED, FAILURE, INPUT, OUTPUT, WRITTEN
from scenario import Asked, Call, Result, Said, Text, Thought, embedding, picture, play

CREATED = 1_790_000_000

PARAMETERS = """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens metadata modalities
    moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream
    stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options
"""
MESSAGES = {
    "system": "content name",
    "developer": "content name",
    "user": "content name",
    # `parsed`, like `index` and `parsed_arguments` of a call, comes back from OpenAI's own SDK.
    "assistant": "content refusal name audio tool_calls function_call annotations parsed",
    "tool": "content tool_call_id",
}
PARTS = {
    "system": "text",
    "developer": "text",
    "user": "text image_url input_audio file",
    "assistant": "text refusal",
    "tool": "text",
}
FINISH = {"stop": "stop", "calls": "tool_calls", "length": "length", "refusal": "content_filter"}


class OpenAI:
    """The service itself."""

    parameters = PARAMETERS
    assistant = ""  # more members of an assistant's message
    limit = "max_completion_tokens"  # its reasoning models refuse the older name
    written = WRITTEN  # of the prompt, to the cache

    def answer(self, request: Request) -> Answer:
        self.authorize(request)
        operation = request.path.removeprefix("/v1/")
        return self.perform(request.method, operation, request.json if request.body else {})

    def perform(self, method: str, operation: str, body: dict) -> Answer:
        match method, operation:
            case "GET", "models":
                models = [{"id": "m-text", "object": "model", "created": CREATED, "owned_by": "system"}]
                return Whole({"object": "list", "data": models})
            case "POST", "chat/completions":
                return self.chat(self.read(body))
            case "POST", "embeddings":
                return Whole(embeddings(body))
        raise Refused(f"unknown request URL: {method} {operation}", status=404)

    def authorize(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        check.key(key if scheme == "Bearer" else None, {"x-api-key", "api-key"} & request.headers.keys())

    def chat(self, asked: Asked) -> Answer:
        said = play(asked)
        if not asked.stream:
            return Silence() if said.held else Whole(self.completion(said))
        return Stream("text/event-stream", self.events(said, asked), said.held)

    def refusal(self, refused: Refused) -> Whole:
        kinds = {
            401: ("invalid_request_error", "invalid_api_key"),
            404: ("invalid_request_error", "model_not_found"),
            429: ("requests", "rate_limit_exceeded"),
            500: ("server_error", None),
        }
        kind, code = kinds.get(refused.status, ("invalid_request_error", None))
        error = {"message": refused.message, "type": kind, "param": refused.param, "code": code}
        return Whole({"error": error}, refused.status, delay(refused))

    # Requests.

    def read(self, body: dict) -> Asked:
        known = check.members(body, "body", "model messages", f"{self.parameters} {self.limit}", null=True)
        asked = Asked(check.text(known["model"], "model"), bool(known.get("stream", False)))
        self.read_messages(asked, known["messages"])
        read_tools(asked, known)
        read_format(asked, known)
        read_parameters(asked, known, self.limit)
        if "stream_options" in known:
            insist(asked.stream, "only allowed when `stream` is true", "stream_options")
            check.members(known["stream_options"], "stream_options", "", "include_usage include_obfuscation")
        asked.wants_usage = bool(known.get("stream_options", {}).get("include_usage"))
        return asked

    def read_messages(self, asked: Asked, messages: object) -> None:
        calls: dict[str, tuple[str, dict]] = {}
        owed: list[str] = []
        for number, message in enumerate(check.items(messages, "messages")):
            where = f"messages[{number}]"
            role = check.word(message.get("role"), f"{where}.role", " ".join(MESSAGES))
            more = self.assistant if role == "assistant" else ""
            message = check.members(message, where, "role", f"{MESSAGES[role]} {more}", null=True)
            said = self.read_content(asked, message, role, where)
            if role == "tool":
                call = check.text(message.get("tool_call_id"), f"{where}.tool_call_id")
                insist(call in owed, "answers no call of the message before", f"{where}.tool_call_id")
                owed.remove(call)
                asked.results.append(Result(*calls[call], said))
                continue
            insist(not owed, f"the calls {owed} are not answered", where)
            if role in ("system", "developer"):
                asked.system += said
            elif role == "user":
                asked.results.clear()
                asked.texts += [said] if said else []
            elif "tool_calls" in message:
                asked.results.clear()
                calls = read_calls(message["tool_calls"], where)
                owed = list(calls)
        insist(not owed, f"the calls {owed} are not answered", "messages")

    def read_content(self, asked: Asked, message: dict, role: str, where: str) -> str:
        """The texts of a message; its images are kept."""
        content = message.get("content")
        if content is None:
            called = "tool_calls" in message or "refusal" in message
            insist(role == "assistant" and called, "no content", where)
            return ""
        if isinstance(content, str):
            return content
        texts = []
        for number, part in enumerate(check.items(content, f"{where}.content")):
            place = f"{where}.content[{number}]"
            kind = check.word(part.get("type"), f"{place}.type", PARTS[role])
            part = check.members(part, place, f"type {kind}", "prompt_cache_breakpoint")
            if kind == "text":
                texts.append(check.text(part["text"], f"{place}.text"))
            elif kind == "image_url":
                asked.images.append(read_image(part["image_url"], f"{place}.image_url"))
        return "".join(texts)

    # Answers.

    def completion(self, said: Said) -> dict:
        message: dict = {"role": "assistant", "content": said.text or None, "refusal": None, "annotations": []}
        message |= self.thought(said.thought)
        if said.calls:
            message["tool_calls"] = [call_of(call) for call in said.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[said.finish]}
        return self.head("chat.completion") | {"choices": [choice], "usage": self.tokens(said)}

    def events(self, said: Said, asked: Asked) -> Iterator[bytes]:
        yield from self.preface()
        yield self.delta({"role": "assistant", "content": "" if said.text else None, "refusal": None})
        for part in said.parts:
            yield from (self.delta(change) for change in self.changes(part))
        if said.ending == "failed":
            yield event(self.refusal(Refused(FAILURE, status=500)).body)
        if said.ending != "whole":
            return
        yield self.delta({}, FINISH[said.finish])
        if asked.wants_usage:
            yield event(self.head("chat.completion.chunk") | {"choices": [], "usage": self.tokens(said)})
        yield event("[DONE]")

    def changes(self, part: object) -> Iterator[dict]:
        match part:
            case Text(pieces):
                yield from ({"content": piece} for piece in pieces)
            case Thought(pieces):
                yield from filter(None, map(self.thought, pieces))
            case Call() as call:
                whole = call_of(call)
                written, whole["function"]["arguments"] = whole["function"]["arguments"], ""
                yield {"tool_calls": [{"index": call.index} | whole]}
                for piece in (written[:9], written[9:]):
                    yield {"tool_calls": [{"index": call.index, "function": {"arguments": piece}}]}

    def thought(self, text: str) -> dict:
        """OpenAI keeps what its models think to itself."""
        return {}

    def preface(self) -> Iterator[bytes]:
        yield from ()

    def delta(self, change: dict, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": change, "logprobs": None, "finish_reason": finish}
        return event(self.head("chat.completion.chunk") | {"choices": [choice], "usage": None})

    def head(self, kind: str) -> dict:
        return {
            "id": "chatcmpl-upstream",
            "object": kind,
            "created": CREATED,
            "model": "m-2026-11-01",
            "service_tier": "default",
            "system_fingerprint": "fp_44709d6fcb",
        }

    def tokens(self, said: Said) -> dict:
        prompt = INPUT + CACHED + self.written
        completion = OUTPUT + said.reasoning
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {
                "cached_tokens": CACHED,
                "cache_write_tokens": self.written,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": said.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


class Vllm(OpenAI):
    """A vLLM server: more parameters, thoughts in the open, errors of its own."""

    parameters = f"""
        {PARAMETERS} max_completion_tokens top_k min_p repetition_penalty length_penalty stop_token_ids ignore_eos
        min_tokens skip_special_tokens chat_template chat_template_kwargs structured_outputs include_reasoning
        priority echo add_generation_prompt
    """
    assistant = "reasoning reasoning_content reasoning_details"  # the last of which it ignores
    limit = "max_tokens"
    written = 0

    def thought(self, text: str) -> dict:
        return {"reasoning_content": text} if text else {}

    def head(self, kind: str) -> dict:
        return {"id": "chatcmpl-upstream", "object": kind, "created": CREATED, "model": "m"}

    def refusal(self, refused: Refused) -> Whole:
        kinds = {400: "BadRequestError", 401: "Unauthorized", 404: "NotFoundError", 500: "InternalServerError"}
        kind = kinds.get(refused.status, "Error")
        error = {"message": refused.message, "type": kind, "param": refused.param, "code": refused.status}
        return Whole({"error": error}, refused.status, delay(refused))


def read_calls(calls: object, where: str) -> dict[str, tuple[str, dict]]:
    read = {}
    for number, call in enumerate(check.items(calls, f"{where}.tool_calls")):
        place = f"{where}.tool_calls[{number}]"
        call = check.members(call, place, "id type function", "index")
        check.word(call["type"], f"{place}.type", "function")
        function = check.members(call["function"], f"{place}.function", "name arguments", "parsed_arguments", null=True)
        name = check.name(function["name"], f"{place}.function.name")
        arguments = check.object_text(function["arguments"], f"{place}.function.arguments")
        insist(call["id"] not in read, "the same id twice", f"{place}.id")
        read[check.text(call["id"], f"{place}.id")] = (name, arguments)
    return read


def read_image(value: object, where: str) -> str:
    image = check.members(value, where, "url", "detail")
    check.word(image.get("detail", "auto"), f"{where}.detail", "auto low high original")
    url = check.text(image["url"], f"{where}.url")
    if not url.startswith("data:"):
        return check.address(url, f"{where}.url")
    head, _, data = url.removeprefix("data:").partition(",")
    media, _, encoding = head.partition(";")
    check.word(media, f"{where}.url", "image/png image/jpeg image/gif image/webp")
    insist(encoding == "base64", "not in base64", f"{where}.url")
    return picture(media, check.data(data, f"{where}.url"))


def read_tools(asked: Asked, body: dict) -> None:
    for number, tool in enumerate(check.items(body["tools"], "tools")) if "tools" in body else ():
        where = f"tools[{number}]"
        check.word(check.members(tool, where, "type function")["type"], f"{where}.type", "function")
        function = check.members(
            tool["function"], f"{where}.function", "name", "description parameters strict", null=True
        )
        if "parameters" in function:
            of = check.closed if function.get("strict") else check.schema
            of(function["parameters"], f"{where}.function.parameters")
        asked.tools.append(check.name(function["name"], f"{where}.function.name"))
    for member in ("tool_choice", "parallel_tool_calls"):
        insist(asked.tools or member not in body, "only allowed when `tools` are specified", member)
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        check.word(check.members(choice, "tool_choice", "type function")["type"], "tool_choice.type", "function")
        named = check.members(choice["function"], "tool_choice.function", "name")["name"]
        asked.forced = check.word(named, "tool_choice.function.name", " ".join(asked.tools))
    elif check.word(choice, "tool_choice", "none auto required") == "required":
        asked.forced = "any"
    asked.parallel = check.flag(body.get("parallel_tool_calls", True), "parallel_tool_calls")


def read_format(asked: Asked, body: dict) -> None:
    if "response_format" not in body:
        return
    where = "response_format"
    kind = check.word(body[where].get("type"), f"{where}.type", "text json_object json_schema")
    if kind == "json_schema":
        format = check.members(body[where], where, "type json_schema")["json_schema"]
        format = check.members(format, f"{where}.json_schema", "name schema", "description strict", null=True)
        check.name(format["name"], f"{where}.json_schema.name")
        of = check.closed if format.get("strict") else check.schema
        asked.json = of(format["schema"], f"{where}.json_schema.schema")
    else:
        check.members(body[where], where, "type")
        asked.json = kind == "json_object"
        told = "json" in json.dumps(body["messages"]).lower()
        insist(told or kind == "text", "the messages must contain the word 'json' in some form", where)


def read_parameters(asked: Asked, body: dict, limit: str) -> None:
    limit = limit if limit in body else "max_completion_tokens"
    if limit in body:
        asked.parameters["max_tokens"] = check.integer(body[limit], limit, least=1)
    for name, least, most in (("temperature", 0, 2), ("top_p", 0, 1)):
        if name in body:
            asked.parameters[name] = check.number(body[name], name, least, most)
    if "stop" in body:
        stop = [body["stop"]] if isinstance(body["stop"], str) else body["stop"]
        asked.parameters["stop"] = check.texts(stop, "stop")
        insist(len(stop) <= 4, "more than 4", "stop")
    for name in ("user", "safety_identifier"):
        if name in body:
            asked.parameters["user"] = check.text(body[name], name)
    if "seed" in body:
        asked.parameters["seed"] = check.integer(body["seed"], "seed", least=-(2**63))
    if "reasoning_effort" in body:
        words = "none minimal low medium high xhigh max"
        asked.thinks = check.word(body["reasoning_effort"], "reasoning_effort", words) != "none"


def call_of(call: Call) -> dict:
    arguments = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
    return {"id": call.id("call_"), "type": "function", "function": {"name": call.name, "arguments": arguments}}


def embeddings(body: dict) -> dict:
    known = check.members(body, "body", "model input", "dimensions encoding_format user")
    inputs = [known["input"]] if isinstance(known["input"], str) else check.texts(known["input"], "input")
    vectors: list = [embedding(text, index) for index, text in enumerate(inputs)]
    if check.word(known.get("encoding_format", "float"), "encoding_format", "float base64") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    tokens = sum(map(len, inputs))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": known["model"], "usage": usage}
