"""The asynchronous client: the same answers, many at a time."""

import asyncio

import openai
import pytest

from scripted import answer, completion, failure, said, stream, words

HELLO = [{"role": "user", "content": "Hello"}]


def run(gateway, work):
    async def session():
        async with openai.AsyncOpenAI(
            base_url=gateway.base_url, api_key=gateway.keys.caller, max_retries=0, timeout=10
        ) as client:
            return await work(client)

    return asyncio.run(session())


def test_unary_and_stream_give_the_same_text(gateway, script, model):
    script.then(answer(completion("Hello there")), stream(*words("Hello", " there")))

    async def work(client):
        unary = await client.chat.completions.create(model=model, messages=HELLO)
        chunks = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
        streamed = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
        return unary.choices[0].message.content, streamed

    assert run(gateway, work) == ("Hello there", "Hello there")


def test_concurrent_streams_do_not_mix(gateway, script, model):
    script.always(stream(*words("a", "b", "c", "d"), slices=7))

    async def one(client) -> str:
        chunks = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    async def work(client):
        return await asyncio.gather(*(one(client) for _ in range(32)))

    assert run(gateway, work) == ["abcd"] * 32


def test_cut_stream_raises(gateway, script, model):
    script.then(stream(*said("Good ", "day"), end="cut"))

    async def work(client):
        heard = ""
        chunks = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
        with pytest.raises(openai.APIError):
            async for chunk in chunks:
                heard += chunk.choices[0].delta.content or ""
        return heard

    assert run(gateway, work) == "Good day"


def test_errors_are_typed(gateway, script, model):
    script.then(answer(failure("bad 'stop'", "invalid_request_error", "stop"), 400))

    async def work(client):
        with pytest.raises(openai.BadRequestError) as raised:
            await client.chat.completions.create(model=model, messages=HELLO)
        return raised.value.param

    assert run(gateway, work) == "stop"


@pytest.mark.parapet
def test_many_simulated_answers_at_once(gateway):
    async def work(client):
        calls = (
            client.chat.completions.create(model="support", messages=[{"role": "user", "content": f"Hello {n}"}])
            for n in range(64)
        )
        return await asyncio.gather(*calls)

    answers = run(gateway, work)
    assert all(answered.choices[0].message.content for answered in answers)
    assert len({answered._request_id for answered in answers}) == 64
