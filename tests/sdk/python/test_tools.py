"""Function calling: the call, the round with its result, and calls that arrive in pieces."""

import json

import pytest

from scripted import answer, choice, completion, delta, stream

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.mark.parapet
class TestSimulated:
    @pytest.mark.parametrize("choose", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}])
    def test_calls_the_tool_with_valid_arguments(self, client, choose):
        answered = ask(client, tool_choice=choose)
        assert answered.choices[0].finish_reason in ("tool_calls", "stop")
        call = answered.choices[0].message.tool_calls[0]
        assert call.function.name == "get_weather"
        arguments = json.loads(call.function.arguments)
        assert isinstance(arguments["city"], str)
        assert arguments["unit"] in ("celsius", "fahrenheit")

    def test_tool_choice_none_answers_in_text(self, client):
        message = ask(client, tool_choice="none").choices[0].message
        assert not message.tool_calls
        assert message.content

    def test_answers_after_the_tools_result(self, client):
        first = ask(client, tool_choice="required").choices[0].message
        call = first.tool_calls[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 21}'}
        answered = client.chat.completions.create(
            model="simulated/support", messages=[*QUESTION, first, result], tools=[WEATHER]
        )
        assert answered.choices[0].message.content
        assert answered.choices[0].finish_reason == "stop"

    def test_streamed_call_is_the_unary_call(self, client):
        unary = ask(client, tool_choice="required", seed=5).choices[0].message.tool_calls[0]
        with client.chat.completions.stream(
            model="simulated/support", messages=QUESTION, tools=[WEATHER], tool_choice="required", seed=5
        ) as events:
            call = events.get_final_completion().choices[0].message.tool_calls[0]
        assert (call.function.name, call.function.arguments) == (unary.function.name, unary.function.arguments)


def test_tool_round_goes_through_unchanged(client, script, model):
    script.then(
        answer(completion(choices=[choice(0, calling("call_1", "Paris"), finish_reason="tool_calls")])),
        answer(completion("It is 21 degrees in Paris.")),
    )
    first = client.chat.completions.create(model=model, messages=QUESTION, tools=[WEATHER])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].id == "call_1"

    result = {"role": "tool", "tool_call_id": "call_1", "content": '{"degrees": 21}'}
    second = client.chat.completions.create(
        model=model, messages=[*QUESTION, message, result], tools=[WEATHER], parallel_tool_calls=False
    )
    assert second.choices[0].message.content == "It is 21 degrees in Paris."
    sent = script.received[1].json
    assert sent["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"city":"Paris","unit":"celsius"}'
    assert sent["messages"][2] == result
    assert sent["tools"] == [WEATHER]
    assert sent["parallel_tool_calls"] is False


def test_streamed_parallel_calls_are_put_together(client, script, model):
    def fragment(index: int, arguments: str, **start: object) -> dict:
        function = {"arguments": arguments} | ({"name": "get_weather"} if start else {})
        return delta({"tool_calls": [{"index": index, "function": function} | start]})

    script.then(
        stream(
            delta({"role": "assistant", "content": None}),
            fragment(0, "", id="call_1", type="function"),
            fragment(0, '{"city":"Pa'),
            fragment(0, 'ris","unit":"celsius"}'),
            fragment(1, "", id="call_2", type="function"),
            fragment(1, '{"city":"Zü'),
            fragment(1, 'rich","unit":"celsius"}'),
            delta({}, "tool_calls"),
        )
    )
    with client.chat.completions.stream(model=model, messages=QUESTION, tools=[WEATHER]) as events:
        done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
        final = events.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [call.id for call in calls] == ["call_1", "call_2"]
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Paris", "Zürich"]
    assert len(done) == 2
    assert final.choices[0].finish_reason == "tool_calls"


def ask(client, **options):
    return client.chat.completions.create(
        model="simulated/support", messages=QUESTION, tools=[WEATHER], **options
    )


def calling(id: str, city: str) -> dict:
    arguments = json.dumps({"city": city, "unit": "celsius"}, separators=(",", ":"))
    call = {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}
