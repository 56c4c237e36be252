"""Unary chat: what goes up is what the SDK sent, what comes down is what the upstream said."""

import json

import pytest

from scripted import answer, choice, completion, tokens

HELLO = [{"role": "user", "content": "Hello, who are you?"}]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.parapet
class TestSimulated:
    def test_answers_with_text_and_counted_usage(self, client):
        answered = client.chat.completions.create(model="simulated/support", messages=HELLO)
        assert answered.object == "chat.completion"
        assert answered.choices[0].message.role == "assistant"
        assert answered.choices[0].message.content.strip()
        assert answered.choices[0].finish_reason == "stop"
        assert answered.usage.prompt_tokens > 0
        assert answered.usage.completion_tokens > 0
        assert answered.usage.total_tokens == answered.usage.prompt_tokens + answered.usage.completion_tokens

    def test_same_seed_and_request_give_the_same_text(self, client):
        def text():
            answered = client.chat.completions.create(model="simulated/support", messages=HELLO, seed=7)
            return answered.choices[0].message.content

        assert text() == text()

    def test_max_tokens_cuts_with_finish_reason_length(self, client):
        answered = client.chat.completions.create(
            model="simulated/support",
            messages=[{"role": "user", "content": "Write a long story about the sea."}],
            max_completion_tokens=4,
        )
        assert answered.choices[0].finish_reason == "length"
        assert answered.usage.completion_tokens <= 4

    def test_n_gives_that_many_choices(self, client):
        answered = client.chat.completions.create(model="simulated/support", messages=HELLO, n=2)
        assert [c.index for c in answered.choices] == [0, 1]
        assert all(c.message.content for c in answered.choices)

    def test_logprobs_cover_the_text(self, client):
        answered = client.chat.completions.create(
            model="simulated/support", messages=HELLO, logprobs=True, top_logprobs=2
        )
        content = answered.choices[0].logprobs.content
        assert "".join(t.token for t in content) == answered.choices[0].message.content
        assert all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in content)

    def test_takes_an_image(self, client):
        answered = client.chat.completions.create(model="simulated/support", messages=[picture()])
        assert answered.choices[0].message.content


def test_answer_is_passed_through_byte_for_byte(client, script, model):
    body = json.dumps(completion("Grüße, 世界"), indent=1, ensure_ascii=False).encode()
    script.then(answer(body))
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    assert raw.content == body
    parsed = raw.parse()
    assert parsed.id == "chatcmpl-scripted"
    assert parsed.model == "gpt-scripted-2026"
    assert parsed.usage.total_tokens == 12


def test_request_differs_upstream_only_in_the_model_name(client, script, model):
    script.then(answer(completion()))
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "system", "content": "Be brief."}, *HELLO],
        temperature=0.30000000000000004,
        stop=["\n\n"],
        metadata={"ticket": "42"},
        user="user-1",
        extra_body={"vendor_option": {"depth": [1, 2.50, "ü\u2028"], "on": True}, "empty": {}, "nothing": None},
    )
    sent = raw.http_request.content
    assert script.only.body == renamed(sent, model, script.name)
    assert b'"vendor_option"' in script.only.body


def test_unknown_answer_members_reach_the_caller(client, script, model):
    script.then(answer(completion(vendor={"latency": 1.5, "steps": ["a", "b"]}, system_fingerprint="fp_1")))
    answered = client.chat.completions.create(model=model, messages=HELLO)
    assert answered.model_extra["vendor"] == {"latency": 1.5, "steps": ["a", "b"]}
    assert answered.system_fingerprint == "fp_1"


def test_image_parts_reach_the_upstream_byte_for_byte(client, script, model):
    script.then(answer(completion("A pixel.")))
    raw = client.chat.completions.with_raw_response.create(model=model, messages=[picture()])
    assert script.only.body == renamed(raw.http_request.content, model, script.name)
    assert script.only.json["messages"][0]["content"][1]["image_url"]["url"] == PIXEL


def test_several_choices_and_logprobs_reach_the_caller(client, script, model):
    logprobs = {
        "content": [
            {
                "token": "Hi",
                "logprob": -0.25,
                "bytes": [72, 105],
                "top_logprobs": [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105]}],
            }
        ],
        "refusal": None,
    }
    choices = [
        choice(0, {"role": "assistant", "content": "Hi"}, logprobs=logprobs),
        choice(1, {"role": "assistant", "content": "Hi there"}, finish_reason="length"),
    ]
    script.then(answer(completion(choices=choices, usage=tokens(9, 6))))
    answered = client.chat.completions.create(
        model=model, messages=HELLO, n=2, logprobs=True, top_logprobs=1
    )
    assert [c.message.content for c in answered.choices] == ["Hi", "Hi there"]
    assert [c.finish_reason for c in answered.choices] == ["stop", "length"]
    assert answered.choices[0].logprobs.content[0].top_logprobs[0].logprob == -0.25
    assert script.only.json["n"] == 2


@pytest.mark.parapet
def test_answer_carries_our_request_id_and_names_its_target(client, script, model):
    script.always(answer(completion()))
    answered = client.chat.completions.create(model=model, messages=HELLO)
    assert answered._request_id.startswith("req_")
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=HELLO, extra_headers={"x-request-id": "trace-7f"}
    )
    assert raw.headers["x-request-id"] == "trace-7f"
    assert raw.headers["x-parapet-provider"] == "scripted"
    assert raw.headers["x-parapet-model"].endswith(script.name)


@pytest.mark.parapet
def test_upstream_sees_the_provider_key_and_never_the_callers(client, gateway, script, model):
    script.then(answer(completion()))
    client.chat.completions.create(model=model, messages=HELLO)
    assert script.only.headers["authorization"] in {f"Bearer {key}" for key in gateway.keys.providers}
    assert not any(gateway.keys.caller in value for value in script.only.headers.values())
    assert script.only.path == "/v1/chat/completions"


@pytest.mark.parapet
def test_configured_model_name_leads_to_its_target(client, named):
    behind = named("behind-smart").then(answer(completion("From the target.")))
    answered = client.chat.completions.create(model="smart", messages=HELLO)
    assert answered.choices[0].message.content == "From the target."
    assert behind.only.json["model"] == "behind-smart"


@pytest.mark.parapet
class TestAgentAsModel:
    def test_agent_answers(self, client):
        answered = client.chat.completions.create(model="support", messages=HELLO)
        assert answered.choices[0].message.content

    def test_agent_adds_its_prompt_and_parameters(self, client, named):
        behind = named("behind-clerk").then(answer(completion()))
        client.chat.completions.create(model="clerk", messages=HELLO)
        sent = behind.only.json
        assert sent["messages"] == [{"role": "system", "content": "You are the clerk of Acme."}, *HELLO]
        assert sent["temperature"] == 0.25

    def test_the_callers_parameter_wins_over_the_agents(self, client, named):
        behind = named("behind-clerk").then(answer(completion()))
        client.chat.completions.create(model="clerk", messages=HELLO, temperature=0.75)
        assert behind.only.json["temperature"] == 0.75


def picture() -> dict:
    parts = [
        {"type": "text", "text": "What is in this image?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    return {"role": "user", "content": parts}


def renamed(sent: bytes, model: str, name: str) -> bytes:
    """The request as the SDK sent it, with the model's own name in place of the caller's."""
    old, new = json.dumps(model).encode(), json.dumps(name).encode()
    assert sent.count(old) == 1
    return sent.replace(old, new)
