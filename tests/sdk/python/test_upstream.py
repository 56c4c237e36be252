"""The upstream of the matrix refuses what its protocols would refuse, each in its own words."""

import json
from http.client import HTTPConnection

import pytest

from matrix import WEATHER

KEYS = {
    "openai": {"authorization": "Bearer sk-test"},
    "vllm": {"authorization": "Bearer sk-test"},
    "azure": {"api-key": "sk-test"},
    "anthropic": {"x-api-key": "sk-test", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "sk-test"},
    "ollama": {},
}
PATHS = {
    "openai": "/openai/v1/chat/completions",
    "vllm": "/vllm/v1/chat/completions",
    "azure": "/azure/openai/deployments/m-text/chat/completions?api-version=2024-10-21",
    "anthropic": "/anthropic/v1/messages",
    "gemini": "/gemini/v1beta/models/m-text:generateContent",
    "ollama": "/ollama/api/chat",
}
USER = {"role": "user", "content": "Hi"}
GEMINI_USER = {"role": "user", "parts": [{"text": "Hi"}]}
VALID = {
    "openai": {"model": "m-text", "messages": [USER]},
    "vllm": {"model": "m-text", "messages": [USER], "max_tokens": 5, "top_k": 3},
    "azure": {"messages": [USER]},
    "anthropic": {"model": "m-text", "messages": [USER], "max_tokens": 5},
    "gemini": {"contents": [GEMINI_USER]},
    "ollama": {"model": "m-text", "messages": [USER], "stream": False},
}

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
OPEN_SCHEMA = {"type": "object", "properties": {}}
WRONG = [
    ("openai", {"top_k": 3}, "unknown member `top_k`"),
    ("openai", {"max_tokens": 5}, "unknown member `max_tokens`"),
    ("openai", {"parallel_tool_calls": False}, "only allowed when `tools` are specified"),
    ("openai", {"stream_options": {"include_usage": True}}, "only allowed when `stream` is true"),
    ("openai", {"messages": [USER, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}, "answers no call"),
    (
        "openai",
        {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, USER]},
        "not answered",
    ),
    (
        "openai",
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
        "not one of text image_url",
    ),
    ("openai", {"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
    (
        "openai",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "strict": True, "schema": OPEN_SCHEMA},
            }
        },
        "additionalProperties",
    ),
    ("vllm", {"store": "x", "thinking": {"type": "enabled"}}, "unknown member `thinking`"),
    ("azure", {"model": "m-other"}, "another model than the deployment"),
    ("anthropic", {"max_tokens": None}, "`max_tokens` is null"),
    ("anthropic", {"seed": 1}, "unknown member `seed`"),
    ("anthropic", {"messages": [{"role": "system", "content": "x"}, USER]}, "not one of user assistant"),
    ("anthropic", {"messages": [{"role": "assistant", "content": "x"}]}, "must use the `user` role"),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "non-whitespace"),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "not one of text image"),
    ("anthropic", {"tool_choice": {"type": "any"}}, "only allowed with `tools`"),
    ("anthropic", {"tools": [{"name": "a", "parameters": WEATHER}]}, "unknown member `parameters`"),
    ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "not less than `max_tokens`"),
    (
        "anthropic",
        {"output_config": {"format": {"type": "json_schema", "schema": OPEN_SCHEMA}}},
        "additionalProperties",
    ),
    (
        "anthropic",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "y"}]},
            ]
        },
        "invalid `signature`",
    ),
    (
        "anthropic",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": {}}]},
                USER,
            ]
        },
        "results for [] where ['a'] were called",
    ),
    ("gemini", {"model": "m-text"}, "unknown member `model`"),
    ("gemini", {"contents": [{"role": "assistant", "parts": [{"text": "Hi"}]}]}, "not one of user model"),
    ("gemini", {"contents": [GEMINI_USER, GEMINI_USER]}, "two turns of the same role"),
    (
        "gemini",
        {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "data:"}}]}]},
        "not base64",
    ),
    (
        "gemini",
        {"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "a", "response": {}}}]}]},
        "1 responses to 0 calls",
    ),
    ("gemini", {"generationConfig": {"responseJsonSchema": WEATHER}}, "without the type application/json"),
    (
        "gemini",
        {"tools": [{"functionDeclarations": [{"name": "a", "parameters": WEATHER}]}]},
        "unknown member `additionalProperties`",
    ),
    ("ollama", {"tool_choice": "required"}, "unknown member `tool_choice`"),
    ("ollama", {"max_tokens": 5}, "unknown member `max_tokens`"),
    ("ollama", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}, "not a text"),
    ("ollama", {"messages": [USER | {"images": ["data:image/png;base64,AAAA"]}]}, "not base64"),
    ("ollama", {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]}, "not an object"),
    ("ollama", {"messages": [USER, {"role": "tool", "tool_name": "a", "content": "x"}]}, "a result of no call"),
]


@pytest.mark.parametrize("protocol", VALID)
def test_valid_request_is_answered(protocols, protocol):
    status, body = post(protocols, protocol, VALID[protocol])
    assert status == 200, body
    assert "Grüße aus Zürich 🌍" in json.dumps(body, ensure_ascii=False)


@pytest.mark.parametrize(("protocol", "change", "complaint"), WRONG)
def test_wrong_request_is_refused(protocols, protocol, change, complaint):
    status, body = post(protocols, protocol, VALID[protocol] | change)
    assert status == 400
    assert complaint in said(body)


@pytest.mark.parametrize("protocol", [protocol for protocol in KEYS if KEYS[protocol]])
def test_request_without_key_is_refused(protocols, protocol):
    status, body = post(protocols, protocol, VALID[protocol], keys={"anthropic-version": "2023-06-01"})
    assert status == (400 if protocol == "gemini" else 401)
    assert "no key" in said(body)


def said(body: dict) -> str:
    return body["error"] if isinstance(body["error"], str) else body["error"]["message"]


def post(protocols, protocol: str, body: dict, keys: dict[str, str] | None = None) -> tuple[int, dict]:
    connection = HTTPConnection(protocols.url.removeprefix("http://"), timeout=10)
    headers = {"content-type": "application/json"} | (KEYS[protocol] if keys is None else keys)
    try:
        connection.request("POST", PATHS[protocol], json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()
