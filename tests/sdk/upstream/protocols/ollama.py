"""Ollama's own chat API."""

import json
from collections.abc import Iterator

import check
from check import Refused, insist
from exchange import Answer, Request, Silence, Stream, Whole, delay
from scenario import CACHED, FAILURE, INPUT, OUTPUT
from scenario import Asked, Call, Result, Said, Text, Thought, embedding, picture, play

KNOWN = "tools format options stream keep_alive think logprobs top_logprobs truncate shift"
OPTIONS = """
    frequency_penalty main_gpu min_p num_batch num_ctx num_gpu num_keep num_predict num_thread presence_penalty
    repeat_last_n repeat_penalty seed stop temperature top_k top_p typical_p use_mmap
"""
MESSAGES = {
    "system": "",
    "user": "images",
    "assistant": "thinking tool_calls images",
    "tool": "tool_name tool_call_id images",
}
SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
STAMP = "2026-11-01T08:00:00.123456789Z"


class Ollama:
    def answer(self, request: Request) -> Answer:
        keys = {"authorization", "x-api-key", "api-key"} & request.headers.keys()
        insist(not keys, f"a key in {keys}, where there is none")
        match request.method, request.path:
            case "GET", "/api/tags":
                return Whole({"models": [{"name": "m-text", "model": "m-text", "modified_at": STAMP, "size": 1}]})
            case "POST", "/api/chat":
                return chat(read(request.json))
            case "POST", "/api/embed":
                return Whole(embeddings(request.json))
        raise Refused("404 page not found", status=404)

    def refusal(self, refused: Refused) -> Whole:
        return Whole({"error": refused.message}, refused.status, delay(refused))


def chat(asked: Asked) -> Answer:
    said = play(asked)
    if asked.stream:
        return Stream("application/x-ndjson", lines(asked, said), said.held)
    return Silence() if said.held else Whole(chunk(asked, whole(said), said))


# Requests.


def read(body: dict) -> Asked:
    known = check.members(body, "body", "model messages", KNOWN)
    # A request that does not say is one for a stream.
    asked = Asked(check.text(known["model"], "model"), check.flag(known.get("stream", True), "stream"))
    for number, tool in enumerate(known.get("tools", [])):
        where = f"tools[{number}]"
        check.word(check.members(tool, where, "type function")["type"], f"{where}.type", "function")
        function = check.members(tool["function"], f"{where}.function", "name", "description parameters")
        if "parameters" in function:
            check.schema(function["parameters"], f"{where}.function.parameters")
        asked.tools.append(check.text(function["name"], f"{where}.function.name"))
    read_messages(asked, known["messages"])
    if "format" in known:
        asked.json = known["format"] == "json" or check.schema(known["format"], "format")
    if "think" in known:
        insist(
            isinstance(known["think"], bool) or known["think"] in ("low", "medium", "high", "max"),
            "not a level",
            "think",
        )
        asked.thinks = bool(known["think"])
    read_options(asked, known.get("options", {}))
    return asked


def read_messages(asked: Asked, messages: object) -> None:
    owed: list[dict] = []
    for number, message in enumerate(check.items(messages, "messages")):
        where = f"messages[{number}]"
        role = check.word(message.get("role"), f"{where}.role", " ".join(MESSAGES))
        message = check.members(message, where, "role", f"content {MESSAGES[role]}")
        said = check.text(message.get("content", ""), f"{where}.content", empty=True)
        if role == "tool":
            call = owed.pop(called(message, owed, where))["function"]
            asked.results.append(Result(call["name"], call["arguments"], said))
            continue
        insist(not owed, "a call without a result", where)
        asked.results.clear()
        if role == "system":
            asked.system += said
        elif role == "user":
            asked.texts += [said] if said else []
            asked.images += [read_image(image, f"{where}.images") for image in message.get("images", [])]
        else:
            owed = [read_call(call, f"{where}.tool_calls[{i}]") for i, call in enumerate(message.get("tool_calls", []))]
    insist(not owed, "a call without a result", "messages")


def called(message: dict, owed: list[dict], where: str) -> int:
    """Which of the calls a result is for: the one of its id, else the first of its name."""
    insist(message.keys() & {"tool_name", "tool_call_id"}, "a result of nothing", where)
    for index, call in enumerate(owed):
        by_id = "id" in call and "tool_call_id" in message
        same = call["id"] == message["tool_call_id"] if by_id else call["function"]["name"] == message.get("tool_name")
        if same:
            return index
    raise Refused(f"{where}: a result of no call", param=where)


def read_call(value: object, where: str) -> dict:
    call = check.members(value, where, "function", "id type")
    function = check.members(call["function"], f"{where}.function", "name arguments", "index description")
    insist(isinstance(function["arguments"], dict), "not an object", f"{where}.function.arguments")
    return call


def read_image(value: object, where: str) -> str:
    """Raw base64; what it is a picture of only its bytes tell."""
    data = check.data(value, where)
    media = next((media for start, media in SIGNATURES.items() if data.startswith(start)), None)
    insist(media, "no picture", where)
    return picture(str(media), data)


def read_options(asked: Asked, value: object) -> None:
    options = check.members(value, "options", "", OPTIONS)
    names = {"num_predict": "max_tokens"}
    for name in ("num_predict", "temperature", "top_p", "top_k", "seed", "stop"):
        if name in options:
            asked.parameters[names.get(name, name)] = options[name]
    if "stop" in options:
        check.texts(options["stop"], "options.stop")


def embeddings(body: dict) -> dict:
    known = check.members(body, "body", "model input", "truncate options keep_alive dimensions")
    inputs = [known["input"]] if isinstance(known["input"], str) else check.texts(known["input"], "input")
    vectors = [embedding(text, index) for index, text in enumerate(inputs)]
    times = {"total_duration": 14143917, "load_duration": 1019500}
    return {"model": known["model"], "embeddings": vectors, "prompt_eval_count": sum(map(len, inputs))} | times


# Answers.


def whole(said: Said) -> dict:
    message: dict = {"content": said.text}
    if said.thought:
        message["thinking"] = said.thought
    if said.calls:
        message["tool_calls"] = [call_of(said, call) for call in said.calls]
    return message


def lines(asked: Asked, said: Said) -> Iterator[bytes]:
    """A value per line; a call comes whole, and the last line has no content."""
    for part in said.parts:
        for message in pieces(said, part):
            yield line(chunk(asked, message))
    if said.ending == "failed":
        yield line({"error": FAILURE})
    if said.ending == "whole":
        yield line(chunk(asked, {"content": ""}, said))


def pieces(said: Said, part: object) -> Iterator[dict]:
    match part:
        case Text(texts):
            yield from ({"content": text} for text in texts)
        case Thought(texts):
            yield from ({"content": "", "thinking": text} for text in texts)
        case Call() as call:
            yield {"content": "", "tool_calls": [call_of(said, call)]}


def call_of(said: Said, call: Call) -> dict:
    """Older servers give calls no ids; parallel calls are of such a one here."""
    id = {"id": call.id("call_")} if len(said.calls) == 1 else {}
    return id | {"function": {"index": call.index, "name": call.name, "arguments": call.arguments}}


def chunk(asked: Asked, message: dict, ended: Said | None = None) -> dict:
    whole = {"model": asked.model, "created_at": STAMP, "message": {"role": "assistant"} | message, "done": bool(ended)}
    if not ended:
        return whole
    return whole | {
        "done_reason": "length" if ended.finish == "length" else "stop",
        "total_duration": 5191566416,
        "load_duration": 2154458,
        "prompt_eval_count": INPUT + CACHED,
        "prompt_eval_duration": 383809000,
        "eval_count": OUTPUT + ended.reasoning,
        "eval_duration": 4799921000,
    }


def line(value: dict) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
