"""OpenAI's SDK against every kind of provider."""

import asyncio
import json
import time
from typing import Literal

import openai
import pytest
from openai import BadRequestError
from pydantic import BaseModel

from matrix import IMAGE, PROMISED, SAYS, TOKENS, WEATHER, sentences

CLIENT = "openai"

HELLO = [{"role": "user", "content": "Hello"}]
QUESTION = [{"role": "user", "content": "How warm is it?"}]
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER},
}


class Ticket(BaseModel):
    title: str
    priority: Literal["low", "high"]
    tags: list[str]
    minutes: int


@pytest.fixture(scope="session")
def options(door):
    address, key = door(CLIENT)
    return {"base_url": f"{address}/v1", "api_key": key, "max_retries": 0, "timeout": 10}


@pytest.fixture(scope="session")
def client(options):
    with openai.OpenAI(**options) as sdk:
        yield sdk


def test_unary(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.chat.completions.create(model=model("m-text"), messages=HELLO)
        assert answered.object == "chat.completion"
        assert answered.choices[0].message.content == cell.says("greeting")
        assert answered.choices[0].finish_reason == "stop"


def test_stream(client, cell):
    with cell.shown(BadRequestError) as model:
        chunks = list(client.chat.completions.create(model=model("m-text"), messages=HELLO, stream=True))
        assert {chunk.object for chunk in chunks if chunk.choices} == {"chat.completion.chunk"}
        choices = [choice for chunk in chunks for choice in chunk.choices]
        assert "".join(choice.delta.content or "" for choice in choices) == cell.says("greeting")
        assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
        assert not any(chunk.usage for chunk in chunks), "nobody asked for usage"


def test_usage(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-text"), "messages": HELLO}
        unary = client.chat.completions.create(**asked).usage
        options = {"stream_options": {"include_usage": True}}
        streamed = [chunk.usage for chunk in client.chat.completions.create(**asked, stream=True, **options)][-1]
        for usage in (unary, streamed):
            assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
            if cell.scripted:
                tokens = TOKENS[cell.kind]
                assert usage.prompt_tokens == tokens["new"] + tokens["cached"] + tokens["written"]
                assert (usage.prompt_tokens_details.cached_tokens or 0) == tokens["cached"]
                assert usage.completion_tokens == 9


def test_parameters(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.chat.completions.create(
            model=model("m-parameters"),
            messages=[{"role": "system", "content": "Be brief."}, *HELLO],
            max_completion_tokens=77,
            temperature=0.5,
            stop=["END", "STOP"],
            user="user-1",
        )
        asked = {
            "max_tokens": 77,
            "temperature": 0.5,
            "stop": ["END", "STOP"],
            "system": "Be brief.",
            "texts": ["Hello"],
        }
        assert json.loads(answered.choices[0].message.content) == asked | cell.named("user-1")


def test_seed(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-parameters"), "messages": HELLO, "seed": 7}
        said = [client.chat.completions.create(**asked).choices[0].message.content for _ in range(2)]
        assert said[0] == said[1]
        assert not cell.scripted or json.loads(said[0])["seed"] == 7


def test_tools(client, cell):
    with cell.shown(BadRequestError) as model:
        check_tools(client, cell, model("m-tool"), "Zürich")


def test_parallel_tools(client, cell):
    """Their results come back in another order than the calls."""
    with cell.shown(BadRequestError) as model:
        check_tools(client, cell, model("m-tools"), "Zürich", "Paris")


def check_tools(client, cell, model: str, *cities: str) -> None:
    asked = {"model": model, "tools": [TOOL]}
    unary = client.chat.completions.create(messages=QUESTION, **asked).choices[0]
    with client.chat.completions.stream(messages=QUESTION, **asked) as events:
        streamed = events.get_final_completion().choices[0]
    for first in (unary, streamed):
        calls = first.message.tool_calls
        assert first.finish_reason == "tool_calls"
        assert not cell.scripted or first.message.content == "Let me look."
        assert {call.function.name for call in calls} == {"get_weather"}
        assert [json.loads(call.function.arguments) for call in calls] == cell.calls(*cities)
        assert len({call.id for call in calls}) == len(calls)
        results = [result(call) for call in reversed(calls)]
        second = client.chat.completions.create(messages=[*QUESTION, first.message, *results], **asked).choices[0]
        assert second.finish_reason == "stop"
        assert sentences(second.message.content) == cell.tells(*cities)


def result(call) -> dict:
    city = json.loads(call.function.arguments)["city"]
    return {"role": "tool", "tool_call_id": call.id, "content": f"21 degrees in {city}"}


def test_strict_tools(client, cell):
    with cell.shown(BadRequestError) as model:
        strict = TOOL | {"function": TOOL["function"] | {"strict": True}}
        answered = client.chat.completions.create(model=model("m-tool"), messages=QUESTION, tools=[strict])
        arguments = [json.loads(call.function.arguments) for call in answered.choices[0].message.tool_calls]
        assert arguments == cell.calls("Zürich")


def test_forced_tool(client, cell):
    with cell.shown(BadRequestError) as model:
        for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
            answered = client.chat.completions.create(
                model=model("m-forced"), messages=QUESTION, tools=[TOOL], tool_choice=choice
            )
            arguments = [json.loads(call.function.arguments) for call in answered.choices[0].message.tool_calls]
            assert arguments == cell.calls("Zürich")


def test_one_tool_at_a_time(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.chat.completions.create(
            model=model("m-serial"), messages=QUESTION, tools=[TOOL], parallel_tool_calls=False
        )
        assert len(answered.choices[0].message.tool_calls or []) == 1


def test_image(client, cell):
    with cell.shown(BadRequestError) as model:
        url = f"data:image/png;base64,{IMAGE['data']}"
        assert show(client, model("m-image"), url) == cell.says("image")


def test_image_by_address(client, cell):
    with cell.shown(BadRequestError) as model:
        assert show(client, model("m-image"), IMAGE["address"]) == cell.says(f"I see {IMAGE['address']}.")


def show(client, model: str, url: str) -> str:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    answered = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    return answered.choices[0].message.content


def test_structured_output(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-json"), "messages": HELLO, "response_format": Ticket}
        unary = client.chat.completions.parse(**asked)
        with client.chat.completions.stream(**asked) as events:
            streamed = events.get_final_completion()
        for answered in (unary, streamed):
            parsed = answered.choices[0].message.parsed
            assert isinstance(parsed, Ticket)
            assert not cell.scripted or parsed == Ticket(**SAYS["ticket"])


def test_json_object(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.chat.completions.create(
            model=model("m-json"),
            messages=[{"role": "user", "content": "Write the ticket in JSON."}],
            response_format={"type": "json_object"},
        )
        written = json.loads(answered.choices[0].message.content)
        assert written == SAYS["ticket"] if cell.scripted else isinstance(written, dict)


def test_reasoning(client, cell):
    """What the model thought arrives, and goes back with the call that it led to."""
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-reason"), "tools": [TOOL], "reasoning_effort": "low"}
        unary = client.chat.completions.create(messages=QUESTION, **asked)
        with client.chat.completions.stream(
            messages=QUESTION, stream_options={"include_usage": True}, **asked
        ) as events:
            streamed = events.get_final_completion()
        for answered in (unary, streamed):
            message = answered.choices[0].message
            assert thought(message) == cell.thinks()
            reasoned = answered.usage.completion_tokens_details.reasoning_tokens
            assert reasoned == TOKENS[cell.kind]["reasoned"] if cell.scripted else reasoned > 0
            results = [result(call) for call in message.tool_calls or []]
            second = client.chat.completions.create(messages=[*QUESTION, message, *results], **asked)
            assert sentences(second.choices[0].message.content) == cell.tells("Zürich")


def thought(message) -> str:
    return message.model_extra.get("reasoning_content") or message.model_extra.get("reasoning") or ""


@pytest.mark.parapet
def test_moved(client, cell):
    """Another provider thinks and calls, this one goes on with the result: the thought is not its own."""
    with cell.shown(BadRequestError) as model:
        begun = client.chat.completions.create(
            model=cell.elsewhere("m-reason"), messages=QUESTION, tools=[TOOL], reasoning_effort="low"
        )
        message = begun.choices[0].message
        assert thought(message)
        answered = client.chat.completions.create(
            model=model("m-tool"), messages=[*QUESTION, message, result(message.tool_calls[0])], tools=[TOOL]
        )
        assert sentences(answered.choices[0].message.content) == cell.tells("Zürich")


def test_length(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-length"), "messages": HELLO, "max_completion_tokens": 4}
        unary = client.chat.completions.create(**asked).choices[0]
        chunks = client.chat.completions.create(**asked, stream=True)
        streamed = [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1]
        assert (unary.finish_reason, streamed) == ("length", "length")
        assert unary.message.content == cell.says("This goes on and on")


def test_refusal(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-refusal"), "messages": HELLO}
        unary = client.chat.completions.create(**asked).choices[0]
        chunks = client.chat.completions.create(**asked, stream=True)
        streamed = [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1]
        assert (unary.finish_reason, streamed) == ("content_filter", "content_filter")


@pytest.mark.parapet
def test_errors(client, cell):
    with cell.shown(BadRequestError) as model:
        for status, told, kind, type in (
            (400, 400, openai.BadRequestError, "invalid_request_error"),
            (429, 429, openai.RateLimitError, "rate_limit_exceeded"),
            (500, 502, openai.InternalServerError, "upstream_error"),
            (401, 502, openai.InternalServerError, "upstream_error"),
        ):
            if not cell.scripted and status in (400, 401):
                continue
            for stream in (False, True):
                name = model(f"m-error-{status}", status in (401, 429))
                with pytest.raises(kind) as raised:
                    client.chat.completions.create(model=name, messages=HELLO, stream=stream)
                assert (raised.value.status_code, raised.value.type) == (told, type)
                assert status != 400 or "scripted failure of m-error-400" in raised.value.message
                assert status != 429 or cell.waits(raised.value.response.headers.get("retry-after"))
                assert status in (400, 429) or "scripted" not in str(raised.value), "upstream's words"


@pytest.mark.parapet
def test_broken_stream(client, cell):
    """It ends with an error, whether the provider reports one or just stops."""
    with cell.shown(BadRequestError) as model:
        for scene in ("m-cut", "m-failed"):
            said = ""
            with pytest.raises(openai.APIError) as raised:
                for chunk in client.chat.completions.create(model=model(scene), messages=HELLO, stream=True):
                    said += "".join(choice.delta.content or "" for choice in chunk.choices)
                    assert not any(choice.finish_reason for choice in chunk.choices)
            assert said == cell.says("Grüße ")
            assert raised.value.type == "upstream_error"
            assert "scripted" not in str(raised.value), "upstream's words"


def test_cancel(client, cell, options):
    with cell.shown(BadRequestError) as model:
        chunks = client.chat.completions.create(model=model("m-slow"), messages=HELLO, stream=True)
        next(chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content)
        left = time.monotonic()
        chunks.close()
        assert cell.gone_after("m-slow", left) < PROMISED
        left = asyncio.run(abandon(cell, options))
        assert cell.gone_after("m-slow.unary", left) < PROMISED


async def abandon(cell, options) -> float:
    """Asks for a whole answer and leaves once the upstream has been asked; tells when."""
    async with openai.AsyncOpenAI(**options) as client:
        model = cell.model("m-slow.unary")
        call = asyncio.create_task(client.chat.completions.create(model=model, messages=HELLO))
        await asyncio.to_thread(cell.upstream.seen, cell.upstream_model("m-slow.unary"), "arrived")
        left = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return left


def test_embeddings(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.embeddings.create(model=model("m-embed"), input=["Hi", "Hello"])
        vectors = [entry.embedding for entry in answered.data]
        assert [entry.index for entry in answered.data] == [0, 1]
        assert answered.usage.prompt_tokens > 0
        assert vectors == [[0.5, 0.5, -1.0], [1.25, 1.5, -1.0]] if cell.scripted else all(vectors)
