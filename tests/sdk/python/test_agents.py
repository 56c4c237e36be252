"""Agents and conversations, for which the SDK has no methods: plain HTTP with the same key."""

import pytest

from plain import Plain, events
from scripted import answer, completion, said, stream, tokens, words

pytestmark = pytest.mark.parapet


def test_agent_answers_and_keeps_the_conversation(plain):
    first = query(plain, "support", message="Hello, I am Ada.")
    assert first["object"] == "agent.answer"
    assert first["id"].startswith("req_")
    assert first["agent"] == "support"
    assert first["response"]
    assert first["conversation_id"].startswith("conv_")
    assert first["message_id"].startswith("msg_")
    assert first["finish_reason"] == "stop"
    usage = first["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert first["metadata"]["source"] == "model"
    assert first["metadata"]["provider"] == "simulated"

    second = query(plain, "support", message="What can you do?", conversation_id=first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    items = plain("GET", f"/v1/conversations/{first['conversation_id']}/items?order=asc").json["data"]
    assert [item["role"] for item in items] == ["user", "assistant"] * 2
    assert [item["content"][0]["text"] for item in items] == [
        "Hello, I am Ada.",
        first["response"],
        "What can you do?",
        second["response"],
    ]
    assert {item["status"] for item in items} == {"completed"}
    assert items[1]["id"] == first["message_id"]


def test_history_goes_to_the_model(plain, named):
    behind = named("behind-clerk").then(answer(completion("Hello Ada.")), answer(completion("Ada.")))
    first = query(plain, "clerk", message="I am Ada.")
    query(plain, "clerk", message="Who am I?", conversation_id=first["conversation_id"])
    assert behind.received[1].json["messages"] == [
        {"role": "system", "content": "You are the clerk of Acme."},
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "Who am I?"},
    ]


def test_streamed_answer_completes_with_the_whole_object(plain, named):
    named("behind-clerk").then(stream(*words("Hello ", "Ada."), usage=tokens(9, 2)))
    reply = plain("POST", "/v1/agents/clerk/query", {"message": "I am Ada.", "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    seen = list(events(reply.body))
    assert [name for name, _ in seen] == ["answer.started", "answer.delta", "answer.delta", "answer.completed"]
    whole = seen[-1][1]
    assert "".join(data["text"] for name, data in seen if name == "answer.delta") == whole["response"] == "Hello Ada."
    assert whole["object"] == "agent.answer"
    assert whole["usage"] == {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}


def test_cut_answer_is_kept_as_partial(plain, named):
    named("behind-clerk").then(stream(*said("Hello ", "A"), end="eof"))
    started = plain("POST", "/v1/conversations", {"agent": "clerk"}).json
    body = {"message": "I am Ada.", "stream": True, "conversation_id": started["id"]}
    reply = plain("POST", "/v1/agents/clerk/query", body)
    assert reply.cut, "the body must not end as if it were whole"
    assert [name for name, _ in events(reply.body)][-1] == "error"
    items = plain("GET", f"/v1/conversations/{started['id']}/items?order=asc").json["data"]
    assert [(item["role"], item["status"]) for item in items] == [("user", "completed"), ("assistant", "partial")]
    assert items[1]["content"][0]["text"] == "Hello A"


def test_unknown_agent_and_too_long_a_message_are_refused(plain):
    unknown = plain("POST", "/v1/agents/nobody/query", {"message": "Hello"})
    assert (unknown.status, unknown.json["error"]["type"]) == (404, "not_found_error")
    long = plain("POST", "/v1/agents/support/query", {"message": "x" * 2001})
    assert (long.status, long.json["error"]["param"]) == (400, "message")


def test_conversations_are_created_listed_renamed_and_deleted(plain):
    made = [plain("POST", "/v1/conversations", {"agent": "support", "title": f"Ticket {n}"}).json for n in range(3)]
    assert all(c["object"] == "conversation" and c["agent"] == "support" for c in made)

    page = plain("GET", "/v1/conversations?limit=2").json
    assert page["object"] == "list"
    assert len(page["data"]) == 2
    assert page["has_more"] is True
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
    rest = plain("GET", f"/v1/conversations?limit=100&after={page['last_id']}").json
    listed = [c["id"] for c in page["data"] + rest["data"]]
    assert {c["id"] for c in made} <= set(listed)
    assert len(listed) == len(set(listed))

    path = f"/v1/conversations/{made[0]['id']}"
    renamed = plain("POST", path, {"title": "Renamed"})
    assert (renamed.status, renamed.json["title"]) == (200, "Renamed")
    assert plain("DELETE", path).status in (200, 204)
    assert plain("GET", f"{path}/items").status == 404


def test_another_key_sees_nothing_of_it(plain, gateway):
    neighbour = Plain(gateway, gateway.keys.neighbour)
    mine = plain("POST", "/v1/conversations", {"agent": "support"}).json
    foreign = neighbour("GET", f"/v1/conversations/{mine['id']}/items")
    unknown = neighbour("GET", f"/v1/conversations/{mine['id'][:-1]}0/items")
    assert foreign.status == unknown.status == 404
    assert foreign.json["error"]["message"].replace(mine["id"], "") == unknown.json["error"]["message"].replace(
        f"{mine['id'][:-1]}0", ""
    )
    assert mine["id"] not in [c["id"] for c in neighbour("GET", "/v1/conversations?limit=100").json["data"]]


def test_health_and_the_api_document_are_there(plain):
    assert plain("GET", "/health").json == {"status": "healthy"}
    assert plain("GET", "/ready").json == {"status": "ready"}
    assert "/v1/chat/completions" in plain("GET", "/openapi.json").json["paths"]


def query(plain: Plain, agent: str, **body: str) -> dict:
    reply = plain("POST", f"/v1/agents/{agent}/query", body)
    assert reply.status == 200, reply.body
    return reply.json
