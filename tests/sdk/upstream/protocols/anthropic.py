"""Anthropic's messages."""

import json
from collections.abc import Iterator

import check
from check import Refused, insist
from exchange import Answer, Request, Silence, Stream, Whole, delay, event
from scenario import CACHED, COUNTED, FAILURE, INPUT, OUTPUT, WRITTEN
from scenario import Asked, Call, HiddenThought, Result, Said, Text, Thought, merged, picture, play, seal

COUNTABLE = "messages model cache_control output_config speed system thinking tool_choice tools"
KNOWN = f"""
    {COUNTABLE} container diagnostics inference_geo max_tokens metadata service_tier stop_sequences stream
    user_profile_id
"""
SAMPLING = "temperature top_k top_p"  # which the version 2026-10-21 has no more
BLOCKS = {  # their needed and their optional members
    "text": ("text", "cache_control citations"),
    "image": ("source", "cache_control transformations"),
    "document": ("source", "cache_control citations context title"),
    "tool_use": ("id name input", "cache_control caller toolset_name"),
    "tool_result": ("tool_use_id", "content is_error cache_control toolset_name"),
    "thinking": ("thinking signature", ""),
    "redacted_thinking": ("data", ""),
}
SPEAKS = {"user": "text image document tool_result", "assistant": "text thinking redacted_thinking tool_use"}
# Generation by schema knows no bounds.
UNSUPPORTED = {
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
}
FINISH = {"stop": "end_turn", "calls": "tool_use", "length": "max_tokens", "refusal": "refusal"}
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
}


class Anthropic:
    def answer(self, request: Request) -> Answer:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        check.key(request.headers.get("x-api-key", bearer))
        insist(not {"authorization", "x-api-key"} <= request.headers.keys(), "two keys")
        version = check.word(request.headers.get("anthropic-version"), "anthropic-version", "2023-06-01 2026-10-21")
        match request.method, request.path:
            case "GET", "/v1/models":
                model = {"type": "model", "id": "m-text", "display_name": "M", "created_at": "2026-02-19T00:00:00Z"}
                page = {"data": [model], "first_id": "m-text", "last_id": "m-text", "has_more": False}
                return Whole(page, headers=REQUEST)
            case "POST", "/v1/messages":
                return self.message(read(request.json, version))
            case "POST", "/v1/messages/count_tokens":
                counted = check.members(request.json, "body", "messages model", COUNTABLE)
                read(counted | {"max_tokens": 8192}, version)
                return Whole({"input_tokens": COUNTED}, headers=REQUEST)
        raise Refused("Not found", status=404)

    def message(self, asked: Asked) -> Answer:
        said = play(asked)
        if not asked.stream:
            return Silence() if said.held else Whole(message(said), headers=REQUEST)
        return Stream("text/event-stream; charset=utf-8", events(said), said.held, REQUEST)

    def refusal(self, refused: Refused) -> Whole:
        error = {"type": ERRORS.get(refused.status, "invalid_request_error"), "message": refused.message}
        body = {"type": "error", "error": error, "request_id": REQUEST["request-id"]}
        return Whole(body, refused.status, REQUEST | delay(refused))


REQUEST = {"request-id": "req_011CVUpstream"}


# Requests.


def read(body: dict, version: str) -> Asked:
    sampling = SAMPLING if version == "2023-06-01" else ""
    known = check.members(body, "body", "model messages max_tokens", f"{KNOWN} {sampling}")
    asked = Asked(check.text(known["model"], "model"), check.flag(known.get("stream", False), "stream"))
    asked.system = read_system(known.get("system", ""))
    asked.thinks = read_thinking(known)
    read_tools(asked, known)
    read_messages(asked, known["messages"])
    read_output(asked, known.get("output_config", {}))
    read_parameters(asked, known)
    return asked


def read_system(value: object) -> str:
    if isinstance(value, str):
        return value
    blocks = [read_block(block, f"system[{i}]", "text") for i, block in enumerate(check.items(value, "system"))]
    return "".join(block["text"] for block in blocks)


def read_thinking(body: dict) -> bool:
    if "thinking" not in body:
        return False
    kind = check.word(body["thinking"].get("type"), "thinking.type", "enabled adaptive between_tools disabled")
    if kind == "enabled":
        thinking = check.members(body["thinking"], "thinking", "type budget_tokens", "display")
        budget = check.integer(thinking["budget_tokens"], "thinking.budget_tokens", least=1024)
        insist(budget < body["max_tokens"], "not less than `max_tokens`", "thinking.budget_tokens")
    else:
        check.members(body["thinking"], "thinking", "type", "display" if kind == "adaptive" else "")
    thinks = kind in ("enabled", "adaptive")
    if thinks:
        insist(body.get("temperature", 1) == 1, "may only be 1 when thinking is enabled", "temperature")
        forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
        insist(not forced, "thinking may not be enabled when it forces tool use", "tool_choice")
    return thinks


def read_messages(asked: Asked, messages: object) -> None:
    turns = []
    for number, message in enumerate(check.items(messages, "messages")):
        where = f"messages[{number}]"
        message = check.members(message, where, "role content")
        role = check.word(message["role"], f"{where}.role", "user assistant")
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        blocks = enumerate(check.items(content, f"{where}.content"))
        turns.append((role, [read_block(block, f"{where}.content[{i}]", SPEAKS[role]) for i, block in blocks]))
    turns = merged(turns)
    insist(turns[0][0] == "user", "the first message must use the `user` role", "messages")
    calls: dict[str, tuple[str, dict]] = {}
    for role, blocks in turns:
        if role == "assistant":
            calls = {block["id"]: (block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"}
            read_thoughts(asked, blocks)
        else:
            read_user(asked, blocks, calls)
            calls = {}
    insist(not calls, "`tool_use` without `tool_result` blocks after it", "messages")


def read_user(asked: Asked, blocks: list[dict], calls: dict[str, tuple[str, dict]]) -> None:
    results = [block for block in blocks if block["type"] == "tool_result"]
    insist(blocks[: len(results)] == results, "`tool_result` blocks must come first", "messages")
    given = sorted(block["tool_use_id"] for block in results)
    insist(given == sorted(calls), f"results for {given} where {sorted(calls)} were called", "messages")
    asked.results = [Result(*calls[block["tool_use_id"]], read_result(asked, block)) for block in results]
    for block in blocks:
        if block["type"] == "text":
            asked.texts.append(block["text"])
        elif block["type"] == "image":
            asked.images.append(read_image(block["source"]))


def read_thoughts(asked: Asked, blocks: list[dict]) -> None:
    """Thoughts are as they were, and begin the turn that they led to."""
    kinds = [block["type"] for block in blocks]
    for block in blocks:
        if block["type"] == "thinking":
            insist(block["signature"] == seal(block["thinking"]), "invalid `signature` in `thinking` block", "messages")
    if "tool_use" in kinds:
        asked.sealed = kinds[:2] == ["thinking", "redacted_thinking"]
        started = kinds[0] in ("thinking", "redacted_thinking")
        insist(started or not asked.thinks, "expected `thinking`, but found something else", "messages")


def read_result(asked: Asked, block: dict) -> str:
    content = block.get("content", "")
    if isinstance(content, str):
        return content
    text = ""
    for number, part in enumerate(check.items(content, "tool_result.content")):
        part = read_block(part, f"tool_result.content[{number}]", "text image document")
        if part["type"] == "image":
            asked.images.append(read_image(part["source"]))
        text += part.get("text", "")
    return text


def read_block(block: object, where: str, kinds: str) -> dict:
    insist(isinstance(block, dict), "not an object", where)
    assert isinstance(block, dict)
    kind = check.word(block.get("type"), f"{where}.type", kinds)
    needed, optional = BLOCKS[kind]
    # What the API itself said with null members may come back with them.
    block = check.members(block, where, f"type {needed}", optional, null=kind in ("text", "tool_use"))
    if kind == "text":
        insist(block["text"].strip(), "text content blocks must contain non-whitespace text", where)
    elif kind == "tool_use":
        check.name(block["id"], f"{where}.id", r"[a-zA-Z0-9_-]+")
        check.name(block["name"], f"{where}.name", r"[a-zA-Z0-9_-]{1,128}")
        insist(isinstance(block["input"], dict), "not an object", f"{where}.input")
    return block


def read_image(source: dict) -> str:
    kind = check.word(source.get("type"), "source.type", "base64 url")
    if kind == "url":
        return check.address(check.members(source, "source", "type url")["url"], "source.url")
    source = check.members(source, "source", "type media_type data")
    media = check.word(source["media_type"], "source.media_type", "image/jpeg image/png image/gif image/webp")
    return picture(media, check.data(source["data"], "source.data"))


def read_tools(asked: Asked, body: dict) -> None:
    optional = (
        "description type cache_control strict allowed_callers defer_loading eager_input_streaming input_examples"
    )
    for number, tool in enumerate(check.items(body["tools"], "tools")) if "tools" in body else ():
        where = f"tools[{number}]"
        tool = check.members(tool, where, "name input_schema", optional)
        check.word(tool.get("type", "custom"), f"{where}.type", "custom")
        of = check.closed if tool.get("strict") else check.schema
        of(tool["input_schema"], f"{where}.input_schema")
        asked.tools.append(check.name(tool["name"], f"{where}.name", r"[a-zA-Z0-9_-]{1,128}"))
    if "tool_choice" not in body:
        return
    choice = body["tool_choice"]
    insist(asked.tools, "only allowed with `tools`", "tool_choice")
    kind = check.word(choice.get("type"), "tool_choice.type", "auto any tool none")
    needed = {"tool": "type name"}.get(kind, "type")
    choice = check.members(choice, "tool_choice", needed, "" if kind == "none" else "disable_parallel_tool_use")
    asked.forced = {"any": "any", "tool": choice.get("name")}.get(kind)
    asked.parallel = not choice.get("disable_parallel_tool_use", False)


def read_output(asked: Asked, value: object) -> None:
    output = check.members(value, "output_config", "", "effort format")
    if "effort" in output:
        check.word(output["effort"], "output_config.effort", "low medium high xhigh max")
    if "format" in output:
        where = "output_config.format"
        format = check.members(output["format"], where, "type schema")
        check.word(format["type"], f"{where}.type", "json_schema")
        asked.json = check.closed(format["schema"], f"{where}.schema")
        unsupported = UNSUPPORTED & set(keywords(asked.json))
        insist(not unsupported, f"{sorted(unsupported)} are not supported", f"{where}.schema")


def keywords(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            yield name
            parts = value.values() if name in ("properties", "$defs") else [value]
            for part in parts:
                yield from keywords(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from keywords(part)


def read_parameters(asked: Asked, body: dict) -> None:
    asked.parameters["max_tokens"] = check.integer(body["max_tokens"], "max_tokens", least=1)
    for name in ("temperature", "top_p"):
        if name in body:
            asked.parameters[name] = check.number(body[name], name, 0, 1)
    if "top_k" in body:
        asked.parameters["top_k"] = check.integer(body["top_k"], "top_k")
    if "stop_sequences" in body:
        asked.parameters["stop"] = check.texts(body["stop_sequences"], "stop_sequences")
    if "metadata" in body:
        user = check.members(body["metadata"], "metadata", "", "user_id").get("user_id")
        asked.parameters |= {"user": user} if user else {}


# Answers.


def message(said: Said) -> dict:
    blocks = [filled(part) for part in said.parts]
    return opening() | {"content": blocks, "usage": tokens(said)} | ending(said)


def events(said: Said) -> Iterator[bytes]:
    first = opening() | {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": tokens(said) | {"output_tokens": 1},
    }
    yield named("message_start", message=first)
    for index, part in enumerate(said.parts):
        yield named("content_block_start", index=index, content_block=empty(part))
        if index == 0:
            yield named("ping")
        for delta in deltas(part):
            yield named("content_block_delta", index=index, delta=delta)
        if said.ending == "failed":
            yield named("error", error={"type": "overloaded_error", "message": FAILURE})
        if said.ending != "whole":
            return
        yield named("content_block_stop", index=index)
    yield named("message_delta", delta=ending(said), usage=tokens(said))
    yield named("message_stop")


def named(kind: str, **members: object) -> bytes:
    return event({"type": kind} | members, kind)


def opening() -> dict:
    return {"id": "msg_01Upstream", "type": "message", "role": "assistant", "model": "m-2026-11-01"}


def ending(said: Said) -> dict:
    details = {"type": "refusal", "category": None, "explanation": None} if said.finish == "refusal" else None
    return {"stop_reason": FINISH[said.finish], "stop_sequence": None, "stop_details": details}


def filled(part: Text | Thought | HiddenThought | Call) -> dict:
    match part:
        case Text(pieces):
            return {"type": "text", "text": "".join(pieces), "citations": None}
        case Thought(pieces):
            thought = "".join(pieces)
            return {"type": "thinking", "thinking": thought, "signature": seal(thought)}
        case HiddenThought(data):
            return {"type": "redacted_thinking", "data": data}
        case Call(name, arguments):
            caller = {"type": "direct"}
            return {"type": "tool_use", "id": part.id("toolu_"), "name": name, "input": arguments, "caller": caller}


def empty(part: Text | Thought | HiddenThought | Call) -> dict:
    """The block as its first event shows it."""
    blank = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: blank.get(name, value) if name != "type" else value for name, value in filled(part).items()}


def deltas(part: Text | Thought | HiddenThought | Call) -> Iterator[dict]:
    match part:
        case Text(pieces):
            yield from ({"type": "text_delta", "text": piece} for piece in pieces)
        case Thought(pieces):
            yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces)
            yield {"type": "signature_delta", "signature": seal("".join(pieces))}
        case Call() as call:
            written = json.dumps(call.arguments, ensure_ascii=False)
            yield from ({"type": "input_json_delta", "partial_json": piece} for piece in ("", written[:9], written[9:]))


def tokens(said: Said) -> dict:
    return {
        "input_tokens": INPUT,
        "cache_creation_input_tokens": WRITTEN,
        "cache_read_input_tokens": CACHED,
        "cache_creation": {"ephemeral_5m_input_tokens": WRITTEN, "ephemeral_1h_input_tokens": 0},
        "output_tokens": OUTPUT + said.reasoning,
        "output_tokens_details": {"thinking_tokens": said.reasoning},
        "service_tier": "standard",
    }
