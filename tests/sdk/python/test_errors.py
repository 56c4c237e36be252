"""Each failure arrives as the SDK's own exception, says whose fault it is, and leaks nothing."""

import json

import openai
import pytest

from scripted import answer, completion, failure, hang_up, silence, stream, words

HELLO = [{"role": "user", "content": "Hello"}]
MEMBERS = {"message", "type", "param", "code", "request_id", "hint"}


@pytest.mark.parametrize(
    ("status", "told", "exception"),
    # 422 means a reused idempotency key here; what a provider means by it is a bad request.
    [(400, 400, openai.BadRequestError), (413, 413, openai.APIStatusError), (422, 400, openai.BadRequestError)],
)
def test_callers_fault_passes_with_message_param_and_code(client, script, model, status, told, exception):
    script.then(answer(failure("'top_k' is too large", "invalid_request_error", "top_k", "too_large"), status))
    with pytest.raises(exception) as raised:
        ask(client, model)
    assert raised.value.status_code == told
    assert "'top_k' is too large" in raised.value.message
    assert raised.value.param == "top_k"
    assert raised.value.code == "too_large"


def test_upstream_limit_is_a_rate_limit_error_with_its_delay(client, script, model):
    script.always(answer(failure("slow down", "rate_limit_error"), 429, {"retry-after": "7"}))
    with pytest.raises(openai.RateLimitError) as raised:
        ask(client, model)
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 7


@pytest.mark.parametrize("status", [500, 503, 529])
def test_upstream_failure_is_an_internal_server_error(client, script, model, status):
    script.always(answer(failure("secret-inside"), status))
    with pytest.raises(openai.InternalServerError):
        ask(client, model)


def test_callers_timeout_is_an_api_timeout_error(client, script, model):
    script.always(silence())
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).chat.completions.create(model=model, messages=HELLO)
    assert script.gone.wait(5)


def test_sdk_retries_what_the_gateway_lets_it_retry(client, script, model):
    limited = answer(failure("slow down", "rate_limit_error"), 429, {"retry-after-ms": "20", "retry-after": "1"})
    script.then(limited, limited).always(answer(completion("At last.")))
    answered = client.with_options(max_retries=4).chat.completions.create(model=model, messages=HELLO)
    assert answered.choices[0].message.content == "At last."


@pytest.mark.parapet
class TestOurOwn:
    def test_wrong_key_is_an_authentication_error(self, client):
        with pytest.raises(openai.AuthenticationError) as raised:
            ask(client.with_options(api_key="not-a-key"), "support")
        refused(raised.value, 401, "authentication_error")
        assert "not-a-key" not in str(raised.value.body)

    def test_missing_key_is_an_authentication_error(self, client):
        with pytest.raises(openai.AuthenticationError) as raised:
            client.chat.completions.create(
                model="support", messages=HELLO, extra_headers={"Authorization": openai.Omit()}
            )
        refused(raised.value, 401, "authentication_error")

    @pytest.mark.parametrize("name", ["no-such-model", "no-such-provider/gpt", "listed/not-on-the-list"])
    def test_unknown_model_is_not_found(self, client, name):
        with pytest.raises(openai.NotFoundError) as raised:
            ask(client, name)
        refused(raised.value, 404, "not_found_error", code="model_not_found", param="model")

    def test_unknown_model_comes_with_a_hint(self, client):
        with pytest.raises(openai.NotFoundError) as raised:
            ask(client, "clark")
        assert raised.value.body["hint"]

    @pytest.mark.parametrize(
        ("change", "param"),
        [
            ({"messages": []}, "messages"),
            ({"messages": "hello"}, "messages"),
            ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages"),
            ({"stream": "yes"}, "stream"),
            ({"n": 0}, "n"),
        ],
    )
    def test_bad_request_names_the_member(self, client, change, param):
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(
                model="simulated/support", messages=HELLO, extra_body=change
            )
        refused(raised.value, 400, "invalid_request_error")
        assert raised.value.param.startswith(param)


@pytest.mark.parapet
class TestUpstream:
    @pytest.mark.parametrize("status", [500, 503, 529])
    def test_failure_becomes_upstream_error_without_its_text(self, client, script, model, status):
        script.always(answer(failure("secret-inside"), status))
        with pytest.raises(openai.InternalServerError) as raised:
            ask(client, model)
        refused(raised.value, 502, "upstream_error")
        assert "secret-inside" not in raised.value.response.text

    @pytest.mark.parametrize(("provider", "status"), [("unauthorized", 401), ("forbidden", 403)])
    def test_a_rejected_provider_key_is_not_the_callers_fault(self, client, gateway, script, provider, status):
        script.always(answer(failure(f"bad key {gateway.keys.providers[0]}"), status))
        with pytest.raises(openai.InternalServerError) as raised:
            ask(client, gateway.model(provider, script.name))
        refused(raised.value, 502, "upstream_error")
        assert gateway.keys.providers[0] not in raised.value.response.text

    def test_limit_is_typed(self, client, script, model):
        script.always(answer(failure("slow down", "rate_limit_error"), 429, {"retry-after": "7"}))
        with pytest.raises(openai.RateLimitError) as raised:
            ask(client, model)
        refused(raised.value, 429, "rate_limit_exceeded")

    def test_callers_fault_is_in_our_shape_and_scrubbed(self, client, gateway, script, model):
        leaky = f"bad 'stop' (key {gateway.keys.providers[0]}, Bearer {gateway.keys.providers[1]})\x1b[31m"
        script.then(answer(failure(leaky, "invalid_request_error", "stop"), 400))
        with pytest.raises(openai.BadRequestError) as raised:
            ask(client, model)
        refused(raised.value, 400, "invalid_request_error", param="stop")
        text = raised.value.body["message"]
        assert "bad 'stop'" in text
        assert not any(key in text for key in gateway.keys.providers)
        assert "\x1b" not in text

    @pytest.mark.parametrize(
        "step",
        [
            pytest.param(hang_up, id="hang-up"),
            pytest.param(lambda: answer(b"<html>it works</html>", 200, {"content-type": "text/html"}), id="html"),
            pytest.param(lambda: answer(b'{"id": "chatcmpl-1", "cho', 200), id="truncated"),
            pytest.param(lambda: answer(b"[]", 200), id="wrong-shape"),
        ],
    )
    def test_malformed_answer_is_an_upstream_error(self, client, script, model, step):
        script.always(step())
        with pytest.raises(openai.InternalServerError) as raised:
            ask(client, model)
        refused(raised.value, 502, "upstream_error")

    @pytest.mark.parametrize("streaming", [False, True])
    def test_silence_is_an_upstream_timeout(self, client, gateway, script, streaming):
        script.always(silence())
        with pytest.raises(openai.InternalServerError) as raised:
            ask(client, gateway.model("impatient", script.name), stream=streaming)
        refused(raised.value, 504, "upstream_timeout")
        assert script.gone.wait(5)

    def test_a_slow_stream_is_not_an_unary_timeout(self, client, gateway, script):
        script.then(stream(*words(*"abcdefgh")))
        chunks = list(ask(client, gateway.model("impatient", script.name), stream=True))
        assert chunks


@pytest.mark.parapet
class TestPlain:
    """What no SDK would send."""

    def test_x_api_key_is_a_key_too(self, gateway):
        from plain import Plain

        reply = Plain(gateway, None)("GET", "/v1/models", x_api_key=gateway.keys.caller)
        assert reply.status == 200

    def test_broken_json_is_refused(self, plain):
        contract(plain("POST", "/v1/chat/completions", b'{"model": "support", '), 400, "invalid_request_error")

    def test_unknown_path_is_not_found(self, plain):
        contract(plain("GET", "/v1/nothing-here"), 404, "not_found_error")

    def test_wrong_method_names_the_right_one(self, plain):
        reply = plain("GET", "/v1/chat/completions")
        contract(reply, 405)
        assert "POST" in reply.headers["allow"]

    def test_other_content_is_unsupported(self, plain):
        reply = plain("POST", "/v1/chat/completions", b"model=support", content_type="application/x-www-form-urlencoded")
        contract(reply, 415)

    def test_odd_spelling_of_json_survives(self, plain, script, model):
        script.then(answer(completion()))
        body = (
            b'{ "messages":[{"role":"user","content":"\\u0048i\\/"} ],\n\t"temperature" : 1.0e0 ,'
            b'"vendor":{"b":1,"a":100000000000000000000001,"a2":-0.0},"model":"%b"}'
        )
        plain("POST", "/v1/chat/completions", body % model.encode())
        assert script.only.body == body % script.name.encode()


def ask(client, model, **options):
    return client.chat.completions.create(model=model, messages=HELLO, **options)


def refused(error: openai.APIStatusError, status: int, type: str, code: str | None = None, param: str | None = None):
    """The SDK's view of our error contract."""
    assert error.status_code == status
    assert error.type == type
    assert error.body.keys() == MEMBERS
    assert error.body["request_id"] == error.request_id
    assert error.request_id.startswith("req_")
    if code:
        assert error.code == code
    if param:
        assert error.param == param


def contract(reply, status: int, type: str | None = None):
    """The same contract on the wire."""
    assert reply.status == status, reply.body
    error = json.loads(reply.body)["error"]
    assert error.keys() == MEMBERS
    assert error["type"] == (type or error["type"])
    assert error["request_id"].startswith("req_")
