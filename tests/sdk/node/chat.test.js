// Unary chat and the model list: what goes up is what the SDK sent, what comes down is what the
// upstream said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { direct, ours, start } from "./support/gateway.js";
import { answer, choice, completion, tokens } from "./support/scripted.js";

const { client, keys, scripted, upstream } = await start();
const messages = [{ role: "user", content: "Hello, who are you?" }];
const simulated = "simulated/support";

test("simulated answers with text and counted usage", ours, async () => {
  const answered = await client.chat.completions.create({ model: simulated, messages });
  assert.equal(answered.object, "chat.completion");
  assert.ok(answered.choices[0].message.content.trim());
  assert.equal(answered.choices[0].finish_reason, "stop");
  const { prompt_tokens, completion_tokens, total_tokens } = answered.usage;
  assert.ok(prompt_tokens > 0 && completion_tokens > 0);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
});

test("simulated honours n, logprobs and max_completion_tokens", ours, async () => {
  const two = await client.chat.completions.create({ model: simulated, messages, n: 2 });
  assert.deepEqual(two.choices.map((c) => c.index), [0, 1]);

  const rated = await client.chat.completions.create({ model: simulated, messages, logprobs: true, top_logprobs: 2 });
  const content = rated.choices[0].logprobs.content;
  assert.equal(content.map((t) => t.token).join(""), rated.choices[0].message.content);

  const long = [{ role: "user", content: "Write a long story about the sea." }];
  const cut = await client.chat.completions.create({ model: simulated, messages: long, max_completion_tokens: 4 });
  assert.equal(cut.choices[0].finish_reason, "length");
});

test("agent and configured model answer under their names", ours, async (t) => {
  const agent = await client.chat.completions.create({ model: "support", messages });
  assert.ok(agent.choices[0].message.content);

  const behind = upstream.renew("behind-smart").next(answer(completion("From the target.")));
  t.after(() => behind.finish());
  const model = await client.chat.completions.create({ model: "smart", messages });
  assert.equal(model.choices[0].message.content, "From the target.");
});

test("model list names agents, models and listed upstream models", ours, async () => {
  const models = await Array.fromAsync(client.models.list(), (model) => model.id);
  for (const id of ["support", "clerk", "smart", "listed/gpt-listed"]) assert.ok(models.includes(id), id);
});

test("answer passes through byte for byte", async (t) => {
  const { script, model } = scripted(t);
  const body = Buffer.from(JSON.stringify(completion("Grüße, 世界", { vendor: { steps: [1, 2.5] } }), null, 1));
  script.next(answer(body));
  const response = await client.chat.completions.create({ model, messages }).asResponse();
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);
});

test("request differs upstream only in the model name", async (t) => {
  const { script, model } = scripted(t);
  script.next(answer(completion()));
  const pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const parts = [
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url: pixel, detail: "low" } },
  ];
  const asked = {
    model,
    messages: [{ role: "user", content: parts }],
    temperature: 0.30000000000000004,
    vendor_option: { depth: [1, 2.5, "ü\u2028"], on: true },
    nothing: null,
  };
  await client.chat.completions.create(asked);
  assert.equal(script.only.body.toString(), JSON.stringify({ ...asked, model: script.name }));
});

test("unknown answer members reach the caller", async (t) => {
  const { script, model } = scripted(t);
  script.next(answer(completion("Hi", { vendor: { latency: 1.5 } })));
  const answered = await client.chat.completions.create({ model, messages });
  assert.deepEqual(answered.vendor, { latency: 1.5 });
  assert.equal(answered.model, "gpt-scripted-2026");
});

test("several choices and logprobs reach the caller", async (t) => {
  const { script, model } = scripted(t);
  const logprobs = { content: [{ token: "Hi", logprob: -0.25, bytes: [72, 105], top_logprobs: [] }], refusal: null };
  const choices = [
    choice(0, { role: "assistant", content: "Hi" }, "stop", logprobs),
    choice(1, { role: "assistant", content: "Hi there" }, "length"),
  ];
  script.next(answer(completion(null, { choices, usage: tokens(9, 6) })));
  const answered = await client.chat.completions.create({ model, messages, n: 2, logprobs: true });
  assert.deepEqual(answered.choices.map((c) => c.message.content), ["Hi", "Hi there"]);
  assert.equal(answered.choices[0].logprobs.content[0].logprob, -0.25);
});

test("answer carries its request id, upstream sees only the provider's key", async (t) => {
  const { script, model } = scripted(t);
  script.next(answer(completion()));
  const answered = await client.chat.completions.create({ model, messages });
  if (direct) return;
  assert.match(answered._request_id, /^req_/);
  const { authorization } = script.only.headers;
  assert.ok(keys.providers.some((key) => authorization === `Bearer ${key}`));
  assert.ok(!JSON.stringify(script.only.headers).includes(keys.caller));
});
