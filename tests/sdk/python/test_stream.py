"""Streams: whole ones pass unchanged, cut ones never look whole."""

import json

import openai
import pytest

from scripted import answer, completion, delta, event, failure, said, stream, tokens, words

HELLO = [{"role": "user", "content": "Hello, who are you?"}]


@pytest.mark.parapet
class TestSimulated:
    def test_streams_the_text_of_the_unary_answer(self, client):
        chunks = list(
            client.chat.completions.create(model="simulated/support", messages=HELLO, seed=3, stream=True)
        )
        unary = client.chat.completions.create(model="simulated/support", messages=HELLO, seed=3)
        assert text(chunks) == unary.choices[0].message.content
        assert len(chunks) > 3
        assert finish(chunks) == "stop"
        assert chunks[0].choices[0].delta.role == "assistant"

    def test_counts_usage_when_asked(self, client):
        chunks = list(
            client.chat.completions.create(
                model="simulated/support", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
        )
        assert chunks[-1].choices == []
        assert chunks[-1].usage.completion_tokens > 0
        assert all(chunk.usage is None for chunk in chunks[:-1])

    def test_agent_streams_as_a_model(self, client):
        chunks = list(client.chat.completions.create(model="support", messages=HELLO, stream=True))
        assert text(chunks)
        assert finish(chunks) == "stop"

    def test_n_streams_every_choice(self, client):
        chunks = list(client.chat.completions.create(model="simulated/support", messages=HELLO, n=2, stream=True))
        assert {c.index for chunk in chunks for c in chunk.choices} == {0, 1}


def test_stream_arrives_whole(client, script, model):
    script.then(stream(*words("Grüß", "e, ", "世界"), usage=tokens(9, 3)))
    chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert text(chunks) == "Grüße, 世界"
    assert finish(chunks) == "stop"
    assert {chunk.model for chunk in chunks} == {"gpt-scripted-2026"}


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_empty_answer_is_an_answer(client, script, model, reason):
    script.then(stream(delta({"role": "assistant", "content": ""}), delta({}, reason), usage=tokens(9, 0)))
    chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert text(chunks) == ""
    assert finish(chunks) == reason


def test_one_byte_writes_of_the_upstream_change_nothing(client, script, model):
    script.then(stream(*words("Grüß", "e, ", "世界"), slices=1))
    chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert text(chunks) == "Grüße, 世界"


def test_usage_chunk_comes_only_to_those_who_asked(client, script, model):
    script.always(stream(*words("Hi"), usage=tokens(9, 1)))
    unasked = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in unasked)
    asked = list(
        client.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert asked[-1].usage.total_tokens == 10
    assert asked[-1].choices == []


@pytest.mark.parapet
def test_usage_is_asked_of_the_upstream_even_when_the_caller_did_not(client, script, model):
    script.then(stream(*words("Hi"), usage=tokens(9, 1)))
    list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert script.only.json["stream_options"] == {"include_usage": True}


def test_stream_bytes_are_passed_through(client, script, model):
    chunks = [*words("Hi"), delta({}, None, vendor={"steps": [1, 2.50]})]
    script.then(stream(*chunks, usage=tokens(9, 1)))
    with client.chat.completions.with_streaming_response.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as response:
        received = response.read()
    usage = {**delta({}), "choices": [], "usage": tokens(9, 1)}
    assert received == b"".join(event(e) for e in (*chunks, usage, b"[DONE]"))


def test_unknown_chunk_members_reach_the_caller(client, script, model):
    script.then(stream(delta({"content": "Hi", "vendor_thought": "hm"}, vendor={"steps": 2}), delta({}, "stop")))
    chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert chunks[0].model_extra["vendor"] == {"steps": 2}
    assert chunks[0].choices[0].delta.model_extra["vendor_thought"] == "hm"


def test_refusal_streams_as_refusal(client, script, model):
    script.then(stream(delta({"role": "assistant", "refusal": "I cannot"}), delta({"refusal": " do that."}), delta({}, "stop")))
    chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert "".join(c.choices[0].delta.refusal or "" for c in chunks) == "I cannot do that."


def test_stream_names_its_request(client, script, model, gateway):
    script.then(stream(*words("Hi")))
    with client.chat.completions.create(model=model, messages=HELLO, stream=True) as chunks:
        assert chunks.response.headers["content-type"].startswith("text/event-stream")
        if not gateway.direct:
            assert chunks.response.headers["x-request-id"].startswith("req_")
            assert chunks.response.headers["x-accel-buffering"] == "no"
        list(chunks)


def test_cut_stream_raises_after_what_was_said(client, script, model):
    script.then(stream(*said("Good ", "day"), end="cut"))
    heard, error = read_until_error(client, model)
    assert heard == "Good day"
    assert isinstance(error, openai.APIError)


@pytest.mark.parapet
class TestCutStream:
    @pytest.mark.parametrize(
        "step",
        [
            pytest.param(lambda: stream(*said("Good ", "day"), end="eof"), id="eof-without-done"),
            pytest.param(lambda: stream(*said("Good ", "day"), end="cut"), id="cut"),
            pytest.param(lambda: stream(*said("Good ", "day"), b'{"id": "chat'), id="malformed-chunk"),
            pytest.param(lambda: stream(*said("Good ", "day"), failure("secret-inside")), id="error-event"),
        ],
    )
    def test_ends_with_one_typed_error_event(self, client, script, model, step):
        script.then(step())
        heard, error = read_until_error(client, model)
        assert heard == "Good day"
        assert error.type == "upstream_error"
        assert error.body["request_id"].startswith("req_")
        assert error.body["partial"] is True
        assert isinstance(error.body["retryable"], bool)
        assert "secret-inside" not in str(error.body)

    def test_never_says_done_or_invents_a_finish_reason(self, plain, script, model):
        script.then(stream(*said("Good ", "day"), end="eof"))
        body = {"model": model, "messages": HELLO, "stream": True}
        reply = plain("POST", "/v1/chat/completions", body)
        assert reply.cut, "the body must not end as if it were whole"
        payloads = [line.removeprefix(b"data: ") for line in reply.body.splitlines() if line.startswith(b"data: ")]
        assert b"[DONE]" not in payloads
        assert "error" in json.loads(payloads[-1])
        assert not any(c.get("finish_reason") for p in payloads[:-1] for c in json.loads(p)["choices"])

    def test_before_the_first_content_is_a_plain_status(self, client, script, model):
        script.always(stream(failure("secret-inside")))
        with pytest.raises(openai.InternalServerError) as raised:
            client.chat.completions.create(model=model, messages=HELLO, stream=True)
        assert raised.value.status_code == 502
        assert raised.value.type == "upstream_error"
        assert "secret-inside" not in str(raised.value.body)


@pytest.mark.parapet
def test_unary_json_in_place_of_a_stream_is_an_upstream_error(client, script, model):
    script.always(answer(completion("not a stream")))
    with pytest.raises(openai.InternalServerError) as raised:
        list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert raised.value.status_code == 502


def read_until_error(client, model) -> tuple[str, openai.APIError]:
    """The text before the error; a stream that ends normally fails the test."""
    heard = ""
    with pytest.raises(openai.APIError) as raised:
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            heard += text([chunk])
    return heard, raised.value


def text(chunks) -> str:
    return "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == 0)


def finish(chunks) -> str | None:
    reasons = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert len(reasons) == 1, f"one finish reason, not {reasons}"
    return reasons[0]
