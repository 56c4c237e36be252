"""A caller who leaves is believed: the upstream call ends within 250 ms, whatever its phase."""

import asyncio
import time

import openai
import pytest

from scripted import said, silence, stream

HELLO = [{"role": "user", "content": "Hello"}]
PROMISED = 0.25  # seconds


def test_closing_a_stream_ends_the_upstream_call(client, script, model):
    script.then(stream(*said("Good ", "day"), end="hold"))
    chunks = client.chat.completions.create(model=model, messages=HELLO, stream=True)
    next(chunk for chunk in chunks if chunk.choices[0].delta.content)
    left = time.monotonic()
    chunks.close()
    assert script.gone_after(left) < PROMISED


def test_leaving_the_loop_of_a_with_block_ends_the_upstream_call(client, script, model):
    script.then(stream(*said("Good ", "day"), end="hold"))
    with client.chat.completions.create(model=model, messages=HELLO, stream=True) as chunks:
        for chunk in chunks:
            if chunk.choices[0].delta.content:
                break
        left = time.monotonic()
    assert script.gone_after(left) < PROMISED


def test_timing_out_before_the_answer_ends_the_upstream_call(client, script, model):
    script.always(silence())
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).chat.completions.create(model=model, messages=HELLO)
    assert script.gone_after(time.monotonic()) < PROMISED


@pytest.mark.parametrize("streaming", [False, True])
def test_cancelled_task_ends_the_upstream_call_before_the_first_event(gateway, script, model, streaming):
    script.always(silence())

    async def cancel() -> float:
        async with openai.AsyncOpenAI(
            base_url=gateway.base_url, api_key=gateway.keys.caller, max_retries=0
        ) as client:
            call = asyncio.create_task(
                client.chat.completions.create(model=model, messages=HELLO, stream=streaming)
            )
            assert await asyncio.to_thread(script.arrived.wait, 5)
            left = time.monotonic()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            return left

    assert script.gone_after(asyncio.run(cancel())) < PROMISED


@pytest.mark.parapet
def test_service_answers_on_after_many_left(client, script, model):
    for _ in range(20):
        script.then(stream(*said("Good ", "day"), end="hold"))
        chunks = client.chat.completions.create(model=model, messages=HELLO, stream=True)
        next(iter(chunks))
        chunks.close()
    answered = client.chat.completions.create(model="support", messages=HELLO)
    assert answered.choices[0].message.content
