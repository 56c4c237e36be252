"""Anthropic's SDK against every kind of provider."""

import asyncio
import json
import time
from typing import Literal

import anthropic
import pytest
from anthropic import BadRequestError
from pydantic import BaseModel

from matrix import IMAGE, PROMISED, SAYS, TOKENS, WEATHER, sentences

CLIENT = "anthropic"

HELLO = [{"role": "user", "content": "Hello"}]
QUESTION = [{"role": "user", "content": "How warm is it?"}]
TOOL = {"name": "get_weather", "description": "The weather of a city", "input_schema": WEATHER}


class Ticket(BaseModel):
    title: str
    priority: Literal["low", "high"]
    tags: list[str]
    minutes: int


@pytest.fixture(scope="session")
def options(door):
    address, key = door(CLIENT)
    return {"base_url": address, "api_key": key, "max_retries": 0, "timeout": 10}


@pytest.fixture(scope="session")
def client(options):
    with anthropic.Anthropic(**options) as sdk:
        yield sdk


def test_unary(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.messages.create(model=model("m-text"), max_tokens=500, messages=HELLO)
        assert (answered.type, answered.role, answered.stop_reason) == ("message", "assistant", "end_turn")
        assert [block.text for block in answered.content] == [cell.says("greeting")]


def test_stream(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-text"), "max_tokens": 500, "messages": HELLO}
        events = list(client.messages.create(**asked, stream=True))
        assert [events[0].type, *(event.type for event in events[-2:])] == [
            "message_start",
            "message_delta",
            "message_stop",
        ]
        assert events[-2].delta.stop_reason == "end_turn"
        with client.messages.stream(**asked) as stream:
            assert "".join(stream.text_stream) == cell.says("greeting")


def test_usage(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-text"), "max_tokens": 500, "messages": HELLO}
        unary = client.messages.create(**asked).usage
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message().usage
        for usage in (unary, streamed):
            cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
            counted = (usage.input_tokens, cached, written, usage.output_tokens)
            if cell.scripted:
                tokens = TOKENS[cell.kind]
                assert counted == (tokens["new"], tokens["cached"], tokens["written"], 9)
            else:
                assert usage.input_tokens > 0 < usage.output_tokens


def test_parameters(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.messages.create(
            model=model("m-parameters"),
            system="Be brief.",
            messages=HELLO,
            max_tokens=77,
            stop_sequences=["END", "STOP"],
            metadata={"user_id": "user-1"},
        )
        asked = {"max_tokens": 77, "stop": ["END", "STOP"], "system": "Be brief.", "texts": ["Hello"]}
        assert json.loads(answered.content[0].text) == asked | cell.named("user-1")


def test_tools(client, cell):
    with cell.shown(BadRequestError) as model:
        check_tools(client, cell, model("m-tool"), "Zürich")


def test_parallel_tools(client, cell):
    """Their results come back in another order than the calls."""
    with cell.shown(BadRequestError) as model:
        check_tools(client, cell, model("m-tools"), "Zürich", "Paris")


def check_tools(client, cell, model: str, *cities: str) -> None:
    asked = {"model": model, "max_tokens": 500, "tools": [TOOL]}
    unary = client.messages.create(messages=QUESTION, **asked)
    with client.messages.stream(messages=QUESTION, **asked) as stream:
        streamed = stream.get_final_message()
    for first in (unary, streamed):
        assert first.stop_reason == "tool_use"
        assert not cell.scripted or first.content[0].text == "Let me look."
        calls = called(first)
        assert {call.name for call in calls} == {"get_weather"}
        assert [call.input for call in calls] == cell.calls(*cities)
        assert len({call.id for call in calls}) == len(calls)
        second = client.messages.create(messages=[*QUESTION, first.to_param(), results(calls)], **asked)
        assert second.stop_reason == "end_turn"
        assert sentences(second.content[0].text) == cell.tells(*cities)


def called(message) -> list:
    return [block for block in message.content if block.type == "tool_use"]


def results(calls: list) -> dict:
    def result(call) -> dict:
        told = [{"type": "text", "text": f"21 degrees in {call.input['city']}"}]
        return {"type": "tool_result", "tool_use_id": call.id, "content": told}

    return {"role": "user", "content": [result(call) for call in reversed(calls)]}


def test_strict_tools(client, cell):
    with cell.shown(BadRequestError) as model:
        answered = client.messages.create(
            model=model("m-tool"), max_tokens=500, messages=QUESTION, tools=[TOOL | {"strict": True}]
        )
        assert [call.input for call in called(answered)] == cell.calls("Zürich")


def test_forced_tool(client, cell):
    with cell.shown(BadRequestError) as model:
        for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
            answered = client.messages.create(
                model=model("m-forced"), max_tokens=500, messages=QUESTION, tools=[TOOL], tool_choice=choice
            )
            assert [call.input for call in called(answered)] == cell.calls("Zürich")


def test_one_tool_at_a_time(client, cell):
    with cell.shown(BadRequestError) as model:
        choice = {"type": "auto", "disable_parallel_tool_use": True}
        answered = client.messages.create(
            model=model("m-serial"), max_tokens=500, messages=QUESTION, tools=[TOOL], tool_choice=choice
        )
        assert len(called(answered)) == 1


def test_image(client, cell):
    with cell.shown(BadRequestError) as model:
        source = {"type": "base64", "media_type": "image/png", "data": IMAGE["data"]}
        assert show(client, model("m-image"), source) == cell.says("image")


def test_image_by_address(client, cell):
    with cell.shown(BadRequestError) as model:
        source = {"type": "url", "url": IMAGE["address"]}
        assert show(client, model("m-image"), source) == cell.says(f"I see {IMAGE['address']}.")


def show(client, model: str, source: dict) -> str:
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    answered = client.messages.create(model=model, max_tokens=500, messages=[{"role": "user", "content": content}])
    return answered.content[0].text


def test_structured_output(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-json"), "max_tokens": 500, "messages": HELLO, "output_format": Ticket}
        unary = client.messages.parse(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        for answered in (unary, streamed):
            assert isinstance(answered.parsed_output, Ticket)
            assert not cell.scripted or answered.parsed_output == Ticket(**SAYS["ticket"])


def test_reasoning(client, cell):
    """What the model thought arrives, and goes back with the call that it led to."""
    with cell.shown(BadRequestError) as model:
        thinking = {"type": "enabled", "budget_tokens": 2048}
        asked = {"model": model("m-reason"), "max_tokens": 4096, "tools": [TOOL], "thinking": thinking}
        unary = client.messages.create(messages=QUESTION, **asked)
        with client.messages.stream(messages=QUESTION, **asked) as stream:
            streamed = stream.get_final_message()
        for answered in (unary, streamed):
            assert thought(answered) == cell.thinks()
            details = answered.usage.output_tokens_details
            reasoned = details.thinking_tokens if details else 0
            assert reasoned == TOKENS[cell.kind]["reasoned"] if cell.scripted else reasoned > 0
            turns = [answered.to_param(), results(calls)] if (calls := called(answered)) else []
            second = client.messages.create(messages=[*QUESTION, *turns], **asked)
            said = "".join(block.text for block in second.content if block.type == "text")
            assert sentences(said) == cell.tells("Zürich")


def thought(message) -> str:
    return "".join(block.thinking for block in message.content if block.type == "thinking")


@pytest.mark.parapet
def test_moved(client, cell):
    """Another provider thinks and calls, this one goes on with the result: the thought is not its own."""
    with cell.shown(BadRequestError) as model:
        thinking = {"type": "enabled", "budget_tokens": 2048}
        asked = {"max_tokens": 4096, "tools": [TOOL]}
        begun = client.messages.create(
            model=cell.elsewhere("m-reason"), messages=QUESTION, thinking=thinking, **asked
        )
        assert thought(begun)
        turns = [*QUESTION, begun.to_param(), results(called(begun))]
        answered = client.messages.create(model=model("m-tool"), messages=turns, **asked)
        assert sentences(answered.content[0].text) == cell.tells("Zürich")


def test_length(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-length"), "max_tokens": 4, "messages": HELLO}
        unary = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        assert (unary.stop_reason, streamed.stop_reason) == ("max_tokens", "max_tokens")
        assert unary.content[0].text == cell.says("This goes on and on")


def test_refusal(client, cell):
    with cell.shown(BadRequestError) as model:
        asked = {"model": model("m-refusal"), "max_tokens": 500, "messages": HELLO}
        unary = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        assert (unary.stop_reason, streamed.stop_reason) == ("refusal", "refusal")


@pytest.mark.parapet
def test_errors(client, cell):
    with cell.shown(BadRequestError) as model:
        for status, told, kind, type in (
            (400, 400, anthropic.BadRequestError, "invalid_request_error"),
            (429, 429, anthropic.RateLimitError, "rate_limit_error"),
            (500, 502, anthropic.InternalServerError, "api_error"),
            (401, 502, anthropic.InternalServerError, "api_error"),
        ):
            if not cell.scripted and status in (400, 401):
                continue
            for stream in (False, True):
                name = model(f"m-error-{status}", status in (401, 429))
                with pytest.raises(kind) as raised:
                    client.messages.create(model=name, max_tokens=500, messages=HELLO, stream=stream)
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
            with pytest.raises(anthropic.APIStatusError) as raised:
                with client.messages.stream(model=model(scene), max_tokens=500, messages=HELLO) as stream:
                    for text in stream.text_stream:
                        said += text
            assert said == cell.says("Grüße ")
            assert raised.value.type == "api_error"
            assert "scripted" not in str(raised.value), "upstream's words"


def test_cancel(client, cell, options):
    with cell.shown(BadRequestError) as model:
        asked = {"max_tokens": 500, "messages": HELLO}
        events = client.messages.create(model=model("m-slow"), stream=True, **asked)
        next(event for event in events if event.type == "content_block_delta")
        left = time.monotonic()
        events.close()
        assert cell.gone_after("m-slow", left) < PROMISED
        left = asyncio.run(abandon(cell, options))
        assert cell.gone_after("m-slow.unary", left) < PROMISED


async def abandon(cell, options) -> float:
    """Asks for a whole answer and leaves once the upstream has been asked; tells when."""
    async with anthropic.AsyncAnthropic(**options) as client:
        model = cell.model("m-slow.unary")
        call = asyncio.create_task(client.messages.create(model=model, max_tokens=500, messages=HELLO))
        await asyncio.to_thread(cell.upstream.seen, cell.upstream_model("m-slow.unary"), "arrived")
        left = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return left


def test_count_tokens(client, cell):
    with cell.shown(BadRequestError) as model:
        counted = client.messages.with_raw_response.count_tokens(
            model=model("m-text"), system="Be brief.", messages=HELLO, tools=[TOOL]
        )
        tokens = counted.parse().input_tokens
        if cell.kind in ("anthropic", "gemini"):
            assert tokens == 42
        else:
            assert tokens > 0
            assert counted.headers["x-parapet-estimated"] == "true"
