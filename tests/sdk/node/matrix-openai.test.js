// OpenAI's SDK against every kind of provider.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { ours } from "./support/gateway.js";
import { image, matrix, says, tokens, weather } from "./support/matrix.js";

const open = (address, apiKey) => new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0, timeout: 10_000 });
const { client, scenario } = await matrix("openai", open, OpenAI.BadRequestError);

const hello = [{ role: "user", content: "Hello" }];
const question = [{ role: "user", content: "How warm is it?" }];
const tools = [{
  type: "function",
  function: { name: "get_weather", description: "The weather of a city", parameters: weather },
}];
const Ticket = z.object({ title: z.string(), priority: z.enum(["low", "high"]), tags: z.array(z.string()), minutes: z.number() });

const ask = (model, more = {}) => client.chat.completions.create({ model, messages: hello, ...more });
const choices = async (stream) => (await Array.fromAsync(await stream)).flatMap((chunk) => chunk.choices);
const last = async (stream) => (await choices(stream)).at(-1).finish_reason;
const argumentsOf = (message) => message.tool_calls.map((call) => JSON.parse(call.function.arguments));

scenario("unary", async (cell) => {
  const answered = await ask(cell.model("m-text"));
  assert.equal(answered.object, "chat.completion");
  cell.heard(answered.choices[0].message.content, "greeting");
  assert.equal(answered.choices[0].finish_reason, "stop");
});

scenario("stream", async (cell) => {
  const chunks = await Array.fromAsync(await ask(cell.model("m-text"), { stream: true }));
  const pieces = chunks.flatMap((chunk) => chunk.choices);
  cell.heard(pieces.map((choice) => choice.delta.content ?? "").join(""), "greeting");
  assert.deepEqual(pieces.flatMap((choice) => choice.finish_reason ?? []), ["stop"]);
  assert.ok(chunks.every((chunk) => !chunk.usage), "nobody asked for usage");
});

scenario("usage", async (cell) => {
  const model = cell.model("m-text");
  const unary = (await ask(model)).usage;
  const asked = { stream: true, stream_options: { include_usage: true } };
  const streamed = (await Array.fromAsync(await ask(model, asked))).at(-1).usage;
  for (const usage of [unary, streamed]) {
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    if (!cell.scripted) continue;
    const { new: fresh, cached, written } = tokens[cell.kind];
    assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [fresh + cached + written, 9]);
    assert.equal(usage.prompt_tokens_details.cached_tokens ?? 0, cached);
  }
});

scenario("parameters", async (cell) => {
  const answered = await ask(cell.model("m-parameters"), {
    messages: [{ role: "system", content: "Be brief." }, ...hello],
    max_completion_tokens: 77,
    temperature: 0.5,
    stop: ["END", "STOP"],
    user: "user-1",
  });
  const asked = { max_tokens: 77, temperature: 0.5, stop: ["END", "STOP"], system: "Be brief.", texts: ["Hello"] };
  assert.deepEqual(JSON.parse(answered.choices[0].message.content), { ...asked, ...cell.named("user-1") });
});

scenario("seed", async (cell) => {
  const said = async () => (await ask(cell.model("m-parameters"), { seed: 7 })).choices[0].message.content;
  const first = await said();
  assert.equal(first, await said());
  if (cell.scripted) assert.equal(JSON.parse(first).seed, 7);
});

scenario("tools", (cell) => checkTools(cell, "m-tool", "Zürich"));

// Their results come back in another order than the calls.
scenario("parallel_tools", (cell) => checkTools(cell, "m-tools", "Zürich", "Paris"));

async function checkTools(cell, scene, ...cities) {
  const asked = { model: cell.model(scene), tools };
  const unary = await client.chat.completions.create({ messages: question, ...asked });
  const streamed = await client.chat.completions.stream({ messages: question, ...asked }).finalChatCompletion();
  for (const answered of [unary, streamed]) {
    const [{ message, finish_reason }] = answered.choices;
    assert.equal(finish_reason, "tool_calls");
    if (cell.scripted) assert.equal(message.content, "Let me look.");
    assert.ok(message.tool_calls.every((call) => call.function.name === "get_weather"));
    assert.equal(new Set(message.tool_calls.map((call) => call.id)).size, message.tool_calls.length);
    cell.called(argumentsOf(message), ...cities);
    const [second] = (await ask(asked.model, { tools, messages: [...question, message, ...results(message)] })).choices;
    assert.equal(second.finish_reason, "stop");
    cell.told(second.message.content, ...cities);
  }
}

function results(message) {
  const result = ({ id, function: { arguments: written } }) => {
    return { role: "tool", tool_call_id: id, content: `21 degrees in ${JSON.parse(written).city}` };
  };
  return (message.tool_calls ?? []).map(result).reverse();
}

scenario("strict_tools", async (cell) => {
  const strict = [{ ...tools[0], function: { ...tools[0].function, strict: true } }];
  const answered = await ask(cell.model("m-tool"), { messages: question, tools: strict });
  cell.called(argumentsOf(answered.choices[0].message), "Zürich");
});

scenario("forced_tool", async (cell) => {
  for (const tool_choice of ["required", { type: "function", function: { name: "get_weather" } }]) {
    const answered = await ask(cell.model("m-forced"), { messages: question, tools, tool_choice });
    cell.called(argumentsOf(answered.choices[0].message), "Zürich");
  }
});

scenario("one_tool_at_a_time", async (cell) => {
  const answered = await ask(cell.model("m-serial"), { messages: question, tools, parallel_tool_calls: false });
  assert.equal(answered.choices[0].message.tool_calls?.length, 1);
});

scenario("image", async (cell) => {
  cell.heard(await show(cell.model("m-image"), `data:image/png;base64,${image.data}`), "image");
});

scenario("image_by_address", async (cell) => {
  cell.heard(await show(cell.model("m-image"), image.address), `I see ${image.address}.`);
});

async function show(model, url) {
  const content = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url } }];
  return (await ask(model, { messages: [{ role: "user", content }] })).choices[0].message.content;
}

scenario("structured_output", async (cell) => {
  const asked = { model: cell.model("m-json"), messages: hello, response_format: zodResponseFormat(Ticket, "ticket") };
  const unary = await client.chat.completions.parse(asked);
  const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
  for (const answered of [unary, streamed]) {
    const { parsed } = answered.choices[0].message;
    assert.ok(Ticket.safeParse(parsed).success);
    if (cell.scripted) assert.deepEqual(parsed, says.ticket);
  }
});

scenario("json_object", async (cell) => {
  const messages = [{ role: "user", content: "Write the ticket in JSON." }];
  const answered = await ask(cell.model("m-json"), { messages, response_format: { type: "json_object" } });
  const written = JSON.parse(answered.choices[0].message.content);
  if (cell.scripted) assert.deepEqual(written, says.ticket);
  else assert.equal(typeof written, "object");
});

// What the model thought arrives, and goes back with the call that it led to.
scenario("reasoning", async (cell) => {
  const asked = { model: cell.model("m-reason"), messages: question, tools, reasoning_effort: "low" };
  const unary = await client.chat.completions.create(asked);
  const streaming = { ...asked, stream: true, stream_options: { include_usage: true } };
  const streamed = await gathered(await client.chat.completions.create(streaming));
  for (const { choices: [{ message }], usage } of [unary, streamed]) {
    cell.thought(message.reasoning_content ?? message.reasoning ?? "");
    const reasoned = usage.completion_tokens_details.reasoning_tokens;
    if (cell.scripted) assert.equal(reasoned, tokens[cell.kind].reasoned);
    else assert.ok(reasoned > 0);
    const second = await client.chat.completions.create({ ...asked, messages: [...question, message, ...results(message)] });
    cell.told(second.choices[0].message.content, "Zürich");
  }
});

/** A streamed answer with its thoughts, of which the SDK's own runner keeps the last piece only. */
async function gathered(stream) {
  const message = { role: "assistant", content: null, tool_calls: [] };
  let usage;
  for await (const chunk of stream) {
    usage = chunk.usage ?? usage;
    const { content, reasoning_content, reasoning_details, tool_calls = [] } = chunk.choices[0]?.delta ?? {};
    if (content) message.content = (message.content ?? "") + content;
    if (reasoning_content) message.reasoning_content = (message.reasoning_content ?? "") + reasoning_content;
    if (reasoning_details) message.reasoning_details = [...(message.reasoning_details ?? []), ...reasoning_details];
    for (const { index, ...call } of tool_calls) {
      const whole = (message.tool_calls[index] ??= { ...call, function: { ...call.function, arguments: "" } });
      whole.function.arguments += call.function.arguments ?? "";
    }
  }
  if (!message.tool_calls.length) delete message.tool_calls;
  return { choices: [{ message }], usage };
}

// Another provider thinks and calls, this one goes on with the result: the thought is not its own.
scenario("moved", async (cell) => {
  const begun = await ask(cell.elsewhere("m-reason"), { messages: question, tools, reasoning_effort: "low" });
  const [{ message }] = begun.choices;
  assert.ok(message.reasoning_content ?? message.reasoning);
  const answered = await ask(cell.model("m-tool"), { messages: [...question, message, ...results(message)], tools });
  cell.told(answered.choices[0].message.content, "Zürich");
}, ours);

scenario("length", async (cell) => {
  const [model, asked] = [cell.model("m-length"), { max_completion_tokens: 4 }];
  const [unary] = (await ask(model, asked)).choices;
  assert.deepEqual([unary.finish_reason, await last(ask(model, { ...asked, stream: true }))], ["length", "length"]);
  cell.heard(unary.message.content, "This goes on and on");
});

scenario("refusal", async (cell) => {
  const model = cell.model("m-refusal");
  const [unary] = (await ask(model)).choices;
  assert.deepEqual([unary.finish_reason, await last(ask(model, { stream: true }))], ["content_filter", "content_filter"]);
});

scenario("errors", async (cell) => {
  for (const [status, told, kind, type] of [
    [400, 400, OpenAI.BadRequestError, "invalid_request_error"],
    [429, 429, OpenAI.RateLimitError, "rate_limit_exceeded"],
    [500, 502, OpenAI.InternalServerError, "upstream_error"],
    [401, 502, OpenAI.InternalServerError, "upstream_error"],
  ]) {
    if (!cell.scripted && [400, 401].includes(status)) continue;
    for (const stream of [false, true]) {
      const model = cell.model(`m-error-${status}`, [401, 429].includes(status));
      const error = await ask(model, { stream }).then(() => assert.fail(`no error ${status}`), (error) => error);
      assert.ok(error instanceof kind, `${error}`);
      assert.deepEqual([error.status, error.type], [told, type]);
      if (status === 400) assert.match(error.message, /scripted failure of m-error-400/);
      else if (status === 429) cell.waits(error.headers.get("retry-after"));
      else assert.doesNotMatch(JSON.stringify(error.error), /scripted/);
    }
  }
}, ours);

// It ends with an error, whether the provider reports one or just stops.
scenario("broken_stream", async (cell) => {
  for (const scene of ["m-cut", "m-failed"]) {
    let said = "";
    const reading = async () => {
      for await (const { choices: [choice] } of await ask(cell.model(scene), { stream: true })) {
        said += choice?.delta.content ?? "";
        assert.ok(!choice?.finish_reason);
      }
    };
    const error = await reading().then(() => assert.fail("the stream looks whole"), (error) => error);
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
    cell.heard(said, "Grüße ");
    assert.equal(error.type, "upstream_error");
    assert.doesNotMatch(JSON.stringify(error.error), /scripted/);
  }
}, ours);

scenario("cancel", async (cell) => {
  const stream = await ask(cell.model("m-slow"), { stream: true });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  const left = performance.now();
  stream.controller.abort();
  await cell.goneAfter("m-slow", left);

  const leaving = new AbortController();
  const whole = client.chat.completions.create({ model: cell.model("m-slow.unary"), messages: hello }, { signal: leaving.signal });
  const ended = assert.rejects(whole, OpenAI.APIUserAbortError);
  await cell.arrived("m-slow.unary");
  const leftAgain = performance.now();
  leaving.abort();
  await ended;
  await cell.goneAfter("m-slow.unary", leftAgain);
});

scenario("embeddings", async (cell) => {
  const answered = await client.embeddings.create({ model: cell.model("m-embed"), input: ["Hi", "Hello"] });
  assert.deepEqual(answered.data.map((entry) => entry.index), [0, 1]);
  assert.ok(answered.usage.prompt_tokens > 0);
  const vectors = answered.data.map((entry) => entry.embedding);
  if (cell.scripted) assert.deepEqual(vectors, [[0.5, 0.5, -1], [1.25, 1.5, -1]]);
  else assert.ok(vectors.every((vector) => vector.length > 0));
});
