"""Gemini's `generateContent`, as the Gemini API speaks it in JSON."""

import json
import re
from collections.abc import Iterator

import check
from check import Refused, insist
from exchange import Answer, Request, Silence, Stream, Whole, event
from scenario import CACHED, COUNTED, FAILURE, INPUT, LIMITED_FOR, OUTPUT
from scenario import Asked, Call, HiddenThought, Result, Said, Text, Thought, embedding, picture, play

KNOWN = "tools toolConfig systemInstruction generationConfig safetySettings cachedContent serviceTier store"
GENERATION = """
    candidateCount enableEnhancedCivicAnswers frequencyPenalty imageConfig logprobs maxOutputTokens mediaResolution
    presencePenalty responseJsonSchema responseLogprobs responseMimeType responseModalities responseSchema seed
    speechConfig stopSequences temperature thinkingConfig topK topP
"""
SCHEMA = """
    type format title description nullable enum items prefixItems maxItems minItems properties required
    minProperties maxProperties minLength maxLength pattern example anyOf propertyOrdering default minimum maximum
"""
PARTS = "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult"
SEAL = "RW5jcnlwdGVkIHRob3VnaHQgb2YgdGhlIG1vZGVs"  # of every thought
UNSEALED = "skip_thought_signature_validator"  # of a call that another model made
FINISH = {"stop": "STOP", "calls": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


class Gemini:
    def answer(self, request: Request) -> Answer:
        unwanted = {"authorization", "x-api-key"} & request.headers.keys() | {"key"} & request.query.keys()
        check.key(request.headers.get("x-goog-api-key"), unwanted)
        version, _, path = request.path.removeprefix("/").partition("/")
        insist(version in ("v1", "v1beta") and path.startswith("models"), f"nothing is at {request.path}")
        if (request.method, path) == ("GET", "models"):
            methods = ["generateContent", "countTokens", "embedContent"]
            model = {"name": "models/m-text", "displayName": "M", "supportedGenerationMethods": methods}
            return Whole({"models": [model]})
        name, _, method = path.removeprefix("models/").partition(":")
        match method:
            case "generateContent":
                said = play(read(request.json, name))
                return Silence() if said.held else Whole(answer(said))
            case "streamGenerateContent":
                insist(request.query.get("alt") == "sse", "an array, where events are awaited", "alt")
                said = play(read(request.json, name))
                return Stream("text/event-stream", events(said), said.held)
            case "countTokens":
                return Whole(count(request.json, name))
            case "batchEmbedContents":
                return Whole(embeddings(request.json, name))
        raise Refused(f"nothing is at {request.path}", status=404)

    def refusal(self, refused: Refused) -> Whole:
        """A wrong key is a wrong argument here, and the delay of a limited caller stands in the body."""
        status = 400 if refused.status == 401 else refused.status
        error = {"code": status, "message": refused.message, "status": STATUS.get(refused.status, "INVALID_ARGUMENT")}
        detail = {
            401: {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            },
            429: {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{LIMITED_FOR}s"},
        }.get(refused.status)
        return Whole({"error": error | ({"details": [detail]} if detail else {})}, status)


# Requests.


def read(body: dict, model: str) -> Asked:
    known = members(body, "body", "contents", KNOWN)
    asked = Asked(model, stream=False)
    read_contents(asked, known["contents"])
    if "systemInstruction" in known:
        instruction = members(known["systemInstruction"], "systemInstruction", "parts", "role")
        asked.system = "".join(check.text(part.get("text"), "systemInstruction.parts") for part in instruction["parts"])
    read_tools(asked, known)
    read_generation(asked, known.get("generationConfig", {}))
    return asked


def read_contents(asked: Asked, contents: object) -> None:
    """Reads the turns; every model's turn with calls is followed by one with as many answers."""
    calls: list[dict] = []
    roles: list[str] = []
    responded = False  # a turn of responses may be followed by one of the user's own
    for number, content in enumerate(check.items(contents, "contents")):
        where = f"contents[{number}]"
        content = members(content, where, "parts", "role")
        roles.append(check.word(content.get("role", "user"), f"{where}.role", "user model"))
        insist(number > 0 or roles[0] == "user", "the first turn is not the user's", where)
        insist(responded or roles[-2:] != [roles[-1]] * 2, "two turns of the same role", where)
        parts = enumerate(check.items(content["parts"], f"{where}.parts"))
        parts = [read_part(part, f"{where}.parts[{i}]") for i, part in parts]
        responded = any("functionResponse" in part for part in parts)
        if roles[-1] == "model":
            calls = read_model(asked, parts, where)
        else:
            read_user(asked, parts, calls, where)
            calls = []
    insist(not calls, "function calls without responses", "contents")


def read_model(asked: Asked, parts: list[dict], where: str) -> list[dict]:
    insist(not any("functionResponse" in part for part in parts), "a response of the model's", where)
    calls = [part for part in parts if "functionCall" in part]
    if calls:
        # The first call of a turn carries the seal of the thought that led to it.
        asked.sealed = calls[0].get("thoughtSignature") == SEAL
    for part in parts:
        insist(part.get("thoughtSignature") in (None, SEAL, UNSEALED), "thought signature is not valid", where)
    return [call["functionCall"] for call in calls]


def read_user(asked: Asked, parts: list[dict], calls: list[dict], where: str) -> None:
    responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
    insist(len(responses) == len(calls), f"{len(responses)} responses to {len(calls)} calls", where)
    asked.results = []
    for response, call in zip(responses, calls, strict=True):
        call = next((other for other in calls if "id" in other and other["id"] == response.get("id")), call)
        insist(call["name"] == response["name"], f"a response of {response['name']} to {call['name']}", where)
        result = response["response"]
        text = next((result[name] for name in ("output", "result", "error") if isinstance(result.get(name), str)), None)
        asked.results.append(Result(call["name"], call.get("args", {}), text or json.dumps(result, ensure_ascii=False)))
    for part in parts:
        if "text" in part:
            asked.texts.append(part["text"])
        elif "inlineData" in part:
            blob = members(part["inlineData"], f"{where}.inlineData", "mimeType data")
            media = check.word(
                blob["mimeType"], f"{where}.mimeType", "image/png image/jpeg image/webp image/heic image/heif"
            )
            asked.images.append(picture(media, read_bytes(blob["data"], f"{where}.data")))
        elif "fileData" in part:
            file = members(part["fileData"], f"{where}.fileData", "fileUri", "mimeType")
            asked.images.append(check.address(file["fileUri"], f"{where}.fileUri"))


def read_part(part: object, where: str) -> dict:
    known = members(part, where, "", f"{PARTS} thought thoughtSignature mediaResolution videoMetadata partMetadata")
    kinds = known.keys() & set(PARTS.split())
    insist(len(kinds) == 1, f"not one kind of content: {sorted(kinds)}", where)
    if "functionCall" in known:
        check.name(members(known["functionCall"], where, "name", "id args")["name"], where, r"[a-zA-Z_][\w.:-]{0,127}")
    elif "functionResponse" in known:
        response = members(known["functionResponse"], where, "name response", "id parts willContinue scheduling")
        insist(isinstance(response["response"], dict), "not an object", f"{where}.response")
    elif "text" in known:
        check.text(known["text"], f"{where}.text", empty="thoughtSignature" in known)
    return known


def read_tools(asked: Asked, body: dict) -> None:
    for number, tool in enumerate(check.items(body["tools"], "tools")) if "tools" in body else ():
        where = f"tools[{number}].functionDeclarations"
        tool = members(tool, f"tools[{number}]", "functionDeclarations")
        for declaration in check.items(tool["functionDeclarations"], where):
            known = "description parameters parametersJsonSchema response responseJsonSchema behavior"
            declaration = members(declaration, where, "name", known)
            insist(not {"parameters", "parametersJsonSchema"} <= declaration.keys(), "two schemas", where)
            if "parameters" in declaration:
                own_schema(declaration["parameters"], f"{where}.parameters")
            if "parametersJsonSchema" in declaration:
                check.schema(declaration["parametersJsonSchema"], f"{where}.parametersJsonSchema")
            asked.tools.append(check.name(declaration["name"], f"{where}.name", r"[a-zA-Z_][\w.:-]{0,127}"))
    if "toolConfig" not in body:
        return
    config = members(body["toolConfig"], "toolConfig", "functionCallingConfig")["functionCallingConfig"]
    config = members(config, "functionCallingConfig", "", "mode allowedFunctionNames")
    mode = check.word(config.get("mode", "AUTO"), "functionCallingConfig.mode", "AUTO ANY NONE VALIDATED")
    allowed = config.get("allowedFunctionNames", [])
    insist(not allowed or mode in ("ANY", "VALIDATED"), "only with the mode ANY", "allowedFunctionNames")
    insist(set(allowed) <= set(asked.tools), "names no tool", "allowedFunctionNames")
    insist(asked.tools or mode == "NONE", "only with tools", "toolConfig")
    asked.forced = (allowed[0] if len(allowed) == 1 else "any") if mode == "ANY" else None


def read_generation(asked: Asked, value: object) -> None:
    config = members(value, "generationConfig", "", GENERATION)
    names = {"maxOutputTokens": "max_tokens", "topP": "top_p", "stopSequences": "stop"}
    for name in ("maxOutputTokens", "temperature", "topP", "topK", "stopSequences", "seed"):
        if name in config:
            asked.parameters[names.get(name, name)] = config[name]
    schemas = {"responseSchema", "responseJsonSchema"} & config.keys()
    as_json = config.get("responseMimeType") == "application/json"
    insist(len(schemas) < 2, "two schemas", "generationConfig")
    insist(as_json or not schemas, "a schema without the type application/json", "responseMimeType")
    if "responseSchema" in config:
        own_schema(config["responseSchema"], "responseSchema")
    asked.json = config[schemas.pop()] if schemas else as_json
    thinking = members(
        config.get("thinkingConfig", {}), "thinkingConfig", "", "includeThoughts thinkingBudget thinkingLevel"
    )
    insist(not {"thinkingBudget", "thinkingLevel"} <= thinking.keys(), "a budget and a level", "thinkingConfig")
    if "thinkingLevel" in thinking:
        check.word(thinking["thinkingLevel"].lower(), "thinkingLevel", "minimal low medium high xhigh")
    asked.thinks = check.flag(thinking.get("includeThoughts", False), "includeThoughts")


def own_schema(value: object, where: str) -> None:
    """A schema in the API's own dialect, which knows fewer words than JSON Schema."""
    schema = members(value, where, "", SCHEMA)
    for name, part in schema.get("properties", {}).items():
        own_schema(part, f"{where}.properties.{name}")
    for part in [schema["items"]] if "items" in schema else schema.get("anyOf", []):
        own_schema(part, where)


def count(body: dict, model: str) -> dict:
    known = members(body, "body", "", "contents generateContentRequest")
    insist(len(known) == 1, "either of two, not both", "contents")
    request = known.get("generateContentRequest", known)
    if "generateContentRequest" in known:
        insist(request.get("model") == f"models/{model}", "another model", "generateContentRequest.model")
    read({name: member for name, member in request.items() if name != "model"}, model)
    return {"totalTokens": COUNTED, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": COUNTED}]}


def embeddings(body: dict, model: str) -> dict:
    vectors = []
    for number, request in enumerate(check.items(members(body, "body", "requests")["requests"], "requests")):
        where = f"requests[{number}]"
        request = members(request, where, "model content", "taskType title outputDimensionality")
        insist(request["model"] == f"models/{model}", "another model", f"{where}.model")
        parts = members(request["content"], f"{where}.content", "parts", "role")["parts"]
        text = "".join(check.text(part.get("text"), f"{where}.content") for part in parts)
        vectors.append({"values": embedding(text, number)})
    return {"embeddings": vectors}


def read_bytes(value: object, where: str) -> bytes:
    """Either alphabet of base64 will do, as in the JSON of any protocol buffer."""
    return check.data(check.text(value, where).translate(str.maketrans("-_", "+/")), where)


def members(value: object, where: str, required: str = "", optional: str = "") -> dict:
    """Names may be in snake case too."""
    if isinstance(value, dict):
        value = {re.sub(r"_([a-z])", lambda part: part[1].upper(), name): member for name, member in value.items()}
    return check.members(value, where, required, optional)


# Answers.


def answer(said: Said) -> dict:
    parts = [part_of(said, part, "".join(getattr(part, "pieces", ()))) for part in spoken(said)]
    return chunk(said, sealed(said, parts), FINISH[said.finish])


def spoken(said: Said) -> list[Text | Thought | Call]:
    """There is no thought that cannot be read, only its seal."""
    return [part for part in said.parts if not isinstance(part, HiddenThought)]


def events(said: Said) -> Iterator[bytes]:
    """A part per event; the last says why it ends."""
    parts = [part_of(said, part, piece) for part in spoken(said) for piece in getattr(part, "pieces", ("",))]
    *earlier, last = sealed(said, parts)
    for part in earlier:
        yield event(chunk(said, [part]), end="\r\n")
    finish = FINISH[said.finish] if said.ending == "whole" else None
    yield event(chunk(said, [last], finish), end="\r\n")
    if said.ending == "failed":
        yield event({"error": {"code": 503, "message": FAILURE, "status": "UNAVAILABLE"}}, end="\r\n")


def part_of(said: Said, part: Text | Thought | Call, text: str) -> dict:
    """Older models give their calls no ids; a single call is of such a model here."""
    if isinstance(part, Call):
        id = {"id": part.id("fc")} if len(said.calls) > 1 else {}
        return {"functionCall": id | {"name": part.name, "args": part.arguments}}
    return {"text": text} | ({"thought": True} if isinstance(part, Thought) else {})


def sealed(said: Said, parts: list[dict]) -> list[dict]:
    """After a thought the first call carries its seal, or else an empty text at the end does."""
    if not said.thought:
        return parts
    first = next((part for part in parts if "functionCall" in part), None)
    if first is None:
        return [*parts, {"text": "", "thoughtSignature": SEAL}]
    first["thoughtSignature"] = SEAL
    return parts


def chunk(said: Said, parts: list[dict], finish: str | None = None) -> dict:
    candidate: dict = {"content": {"parts": parts, "role": "model"}, "index": 0}
    usage = {
        "promptTokenCount": INPUT + CACHED,
        "cachedContentTokenCount": CACHED,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": INPUT + CACHED}],
    }
    if finish:
        candidate["finishReason"] = finish
        usage["candidatesTokenCount"] = OUTPUT
    if said.reasoning:
        usage["thoughtsTokenCount"] = said.reasoning
    usage["totalTokenCount"] = INPUT + CACHED + usage.get("candidatesTokenCount", 0) + said.reasoning
    head = {"modelVersion": "m-2026-11-01", "responseId": "kV8faXVwc3RyZWFt"}
    return {"candidates": [candidate], "usageMetadata": usage} | head
