"""Structured output, raw and through the SDK's `parse`."""

import json
from typing import Literal

import pytest
from pydantic import BaseModel

from scripted import answer, choice, completion, stream, words


class Ticket(BaseModel):
    title: str
    priority: Literal["low", "high"]
    tags: list[str]
    minutes: int


REPORT = [{"role": "user", "content": "The printer on floor 3 is on fire. Write the ticket."}]
WRITTEN = {"title": "Printer on fire", "priority": "high", "tags": ["printer"], "minutes": 5}


@pytest.mark.parapet
class TestSimulated:
    def test_parse_gives_the_model(self, client):
        parsed = client.chat.completions.parse(
            model="simulated/support", messages=REPORT, response_format=Ticket
        )
        assert isinstance(parsed.choices[0].message.parsed, Ticket)

    def test_streamed_parse_gives_the_model(self, client):
        with client.chat.completions.stream(
            model="simulated/support", messages=REPORT, response_format=Ticket
        ) as events:
            final = events.get_final_completion()
        assert isinstance(final.choices[0].message.parsed, Ticket)

    def test_json_object_is_an_object(self, client):
        answered = client.chat.completions.create(
            model="simulated/support",
            messages=[{"role": "user", "content": "Answer in JSON: which colours does a rainbow have?"}],
            response_format={"type": "json_object"},
        )
        assert isinstance(json.loads(answered.choices[0].message.content), dict)


def test_schema_reaches_the_upstream_and_its_answer_parses(client, script, model):
    script.then(answer(completion(json.dumps(WRITTEN))))
    parsed = client.chat.completions.parse(model=model, messages=REPORT, response_format=Ticket)
    assert parsed.choices[0].message.parsed == Ticket(**WRITTEN)
    asked = script.only.json["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True
    assert asked["json_schema"]["schema"]["required"] == ["title", "priority", "tags", "minutes"]


def test_streamed_answer_parses(client, script, model):
    written = json.dumps(WRITTEN)
    script.then(stream(*words(written[:7], written[7:20], written[20:])))
    with client.chat.completions.stream(model=model, messages=REPORT, response_format=Ticket) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.parsed == Ticket(**WRITTEN)


def test_refusal_reaches_the_caller(client, script, model):
    refused = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    script.then(answer(completion(choices=[choice(0, refused)])))
    parsed = client.chat.completions.parse(model=model, messages=REPORT, response_format=Ticket)
    assert parsed.choices[0].message.parsed is None
    assert parsed.choices[0].message.refusal == "I cannot help with that."
