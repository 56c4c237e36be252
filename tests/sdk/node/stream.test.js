// Streams: whole ones pass unchanged, cut ones never look whole, left ones end upstream.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import OpenAI from "openai";
import { ours, start } from "./support/gateway.js";
import { finishes, text, untilError } from "./support/read.js";
import { completion, answer, delta, event, failure, said, silence, stream, tokens, words } from "./support/scripted.js";

const { client, scripted } = await start();
const messages = [{ role: "user", content: "Hello, who are you?" }];
const simulated = "simulated/support";
const PROMISED = 250; // milliseconds from leaving to the end of the upstream call

const streamed = (model, more = {}) => client.chat.completions.create({ model, messages, stream: true, ...more });

test("simulated streams the text of its unary answer", ours, async () => {
  const chunks = await Array.fromAsync(await streamed(simulated, { seed: 3 }));
  const unary = await client.chat.completions.create({ model: simulated, messages, seed: 3 });
  assert.equal(text(chunks), unary.choices[0].message.content);
  assert.deepEqual(finishes(chunks), ["stop"]);
});

test("agent streams as a model", ours, async () => {
  const chunks = await Array.fromAsync(await streamed("support"));
  assert.ok(text(chunks));
  assert.deepEqual(finishes(chunks), ["stop"]);
});

test("stream arrives whole, with members the SDK does not know", async (t) => {
  const { script, model } = scripted(t);
  script.next(stream([delta({ content: "Grüße, " }, null, { vendor: { steps: 2 } }), delta({ content: "世界" }), delta({}, "stop")]));
  const chunks = await Array.fromAsync(await streamed(model));
  assert.equal(text(chunks), "Grüße, 世界");
  assert.deepEqual(finishes(chunks), ["stop"]);
  assert.deepEqual(chunks[0].vendor, { steps: 2 });
});

test("stream bytes pass through", async (t) => {
  const { script, model } = scripted(t);
  script.next(stream(words("Hi"), { usage: tokens(9, 1) }));
  const response = await streamed(model, { stream_options: { include_usage: true } }).asResponse();
  const usage = { ...delta({}), choices: [], usage: tokens(9, 1) };
  assert.equal(await response.text(), [...words("Hi"), usage, "[DONE]"].map(event).join(""));
});

test("usage chunk comes only to those who asked", async (t) => {
  const { script, model } = scripted(t);
  script.always(stream(words("Hi"), { usage: tokens(9, 1) }));
  const unasked = await Array.fromAsync(await streamed(model));
  assert.ok(unasked.every((chunk) => !chunk.usage && chunk.choices.length > 0));
  const asked = await Array.fromAsync(await streamed(model, { stream_options: { include_usage: true } }));
  assert.equal(asked.at(-1).usage.total_tokens, 10);
});

test("cut stream throws after what was said", async (t) => {
  const { script, model } = scripted(t);
  script.next(stream(said("Good ", "day"), { end: "cut" }));
  const { said: heard, error } = await untilError(streamed(model));
  assert.equal(heard, "Good day");
  assert.ok(error);
});

suite("cut stream ends with a typed error", ours, () => {
  const cuts = {
    "end without [DONE]": stream(said("Good ", "day"), { end: "eof" }),
    "broken body": stream(said("Good ", "day"), { end: "cut" }),
    "malformed chunk": stream([...said("Good ", "day"), '{"id": "chat']),
    "error event": stream([...said("Good ", "day"), failure("secret-inside")]),
  };
  for (const [name, step] of Object.entries(cuts)) {
    test(name, async (t) => {
      const { script, model } = scripted(t);
      script.next(step);
      const { said: heard, error } = await untilError(streamed(model));
      assert.equal(heard, "Good day");
      assert.ok(error instanceof OpenAI.APIError, `${error}`);
      assert.equal(error.type, "upstream_error");
      assert.equal(error.error.partial, true);
      assert.match(error.error.request_id, /^req_/);
      assert.ok(!JSON.stringify(error.error).includes("secret-inside"));
    });
  }
});

test("failure before the first content is a plain status", ours, async (t) => {
  const { script, model } = scripted(t);
  script.always(stream([failure("secret-inside")]));
  await assert.rejects(streamed(model), (error) => error instanceof OpenAI.InternalServerError && error.status === 502);
});

test("breaking out of the loop ends the upstream call", async (t) => {
  const { script, model } = scripted(t);
  script.next(stream(said("Good ", "day"), { end: "hold" }));
  for await (const chunk of await streamed(model)) if (chunk.choices[0].delta.content) break;
  const left = performance.now();
  assert.ok((await script.goneAfter(left)) < PROMISED);
});

test("aborting a stream ends the upstream call", async (t) => {
  const { script, model } = scripted(t);
  script.next(stream(said("Good ", "day"), { end: "hold" }));
  const chunks = await streamed(model);
  await chunks[Symbol.asyncIterator]().next();
  const left = performance.now();
  chunks.controller.abort();
  assert.ok((await script.goneAfter(left)) < PROMISED);
});

for (const stream of [false, true]) {
  test(`aborting before the first event ends the upstream call (stream: ${stream})`, async (t) => {
    const { script, model } = scripted(t);
    script.always(silence());
    const leave = new AbortController();
    const call = client.chat.completions.create({ model, messages, stream }, { signal: leave.signal });
    const rejected = assert.rejects(call, OpenAI.APIUserAbortError);
    await script.arrived();
    const left = performance.now();
    leave.abort();
    await rejected;
    assert.ok((await script.goneAfter(left)) < PROMISED);
  });
}

test("concurrent streams do not mix", async (t) => {
  const { script, model } = scripted(t);
  script.always(stream(words(..."abcd")));
  const all = await Promise.all(Array.from({ length: 32 }, async () => text(await Array.fromAsync(await streamed(model)))));
  assert.deepEqual(new Set(all), new Set(["abcd"]));
});

test("unary JSON in place of a stream is an upstream error", ours, async (t) => {
  const { script, model } = scripted(t);
  script.always(answer(completion("not a stream")));
  await assert.rejects(streamed(model), (error) => error instanceof OpenAI.InternalServerError && error.status === 502);
});
