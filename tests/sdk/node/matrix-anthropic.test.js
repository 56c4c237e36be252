// Anthropic's SDK against every kind of provider.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { ours } from "./support/gateway.js";
import { image, matrix, says, tokens, weather } from "./support/matrix.js";

const open = (baseURL, apiKey) => new Anthropic({ baseURL, apiKey, maxRetries: 0, timeout: 10_000 });
const { client, scenario } = await matrix("anthropic", open, Anthropic.BadRequestError);

const hello = [{ role: "user", content: "Hello" }];
const question = [{ role: "user", content: "How warm is it?" }];
const tools = [{ name: "get_weather", description: "The weather of a city", input_schema: weather }];
const Ticket = z.object({ title: z.string(), priority: z.enum(["low", "high"]), tags: z.array(z.string()), minutes: z.number() });

const asking = (model, more = {}) => ({ model, max_tokens: 500, messages: hello, ...more });
const ask = (model, more) => client.messages.create(asking(model, more));
const streamed = (model, more) => client.messages.stream(asking(model, more)).finalMessage();
const textOf = (message) => message.content.map((block) => block.text ?? "").join("");
const callsOf = (message) => message.content.filter((block) => block.type === "tool_use");

scenario("unary", async (cell) => {
  const answered = await ask(cell.model("m-text"));
  assert.deepEqual([answered.type, answered.role, answered.stop_reason], ["message", "assistant", "end_turn"]);
  cell.heard(answered.content[0].text, "greeting");
});

scenario("stream", async (cell) => {
  const events = await Array.fromAsync(await ask(cell.model("m-text"), { stream: true }));
  const types = events.map((event) => event.type);
  assert.deepEqual([types[0], ...types.slice(-2)], ["message_start", "message_delta", "message_stop"]);
  assert.equal(events.at(-2).delta.stop_reason, "end_turn");
  cell.heard(events.map((event) => event.delta?.text ?? "").join(""), "greeting");
});

scenario("usage", async (cell) => {
  const model = cell.model("m-text");
  for (const { usage } of [await ask(model), await streamed(model)]) {
    const counted = [usage.input_tokens, usage.cache_read_input_tokens ?? 0, usage.cache_creation_input_tokens ?? 0];
    const { new: fresh, cached, written } = tokens[cell.kind] ?? {};
    if (cell.scripted) assert.deepEqual([...counted, usage.output_tokens], [fresh, cached, written, 9]);
    else assert.ok(usage.input_tokens > 0 && usage.output_tokens > 0);
  }
});

scenario("parameters", async (cell) => {
  const answered = await ask(cell.model("m-parameters"), {
    system: "Be brief.",
    max_tokens: 77,
    stop_sequences: ["END", "STOP"],
    metadata: { user_id: "user-1" },
  });
  const asked = { max_tokens: 77, stop: ["END", "STOP"], system: "Be brief.", texts: ["Hello"] };
  assert.deepEqual(JSON.parse(answered.content[0].text), { ...asked, ...cell.named("user-1") });
});

scenario("tools", (cell) => checkTools(cell, "m-tool", "Zürich"));

// Their results come back in another order than the calls.
scenario("parallel_tools", (cell) => checkTools(cell, "m-tools", "Zürich", "Paris"));

async function checkTools(cell, scene, ...cities) {
  const [model, asked] = [cell.model(scene), { messages: question, tools }];
  for (const first of [await ask(model, asked), await streamed(model, asked)]) {
    assert.equal(first.stop_reason, "tool_use");
    if (cell.scripted) assert.equal(first.content[0].text, "Let me look.");
    const calls = callsOf(first);
    assert.ok(calls.every((call) => call.name === "get_weather"));
    assert.equal(new Set(calls.map((call) => call.id)).size, calls.length);
    cell.called(calls.map((call) => call.input), ...cities);
    const second = await ask(model, { ...asked, messages: [...question, ...turns(first)] });
    assert.equal(second.stop_reason, "end_turn");
    cell.told(textOf(second), ...cities);
  }
}

/** What the model said, and the results of its calls. */
function turns({ role, content }) {
  const calls = content.filter((block) => block.type === "tool_use");
  const result = ({ id, input }) => {
    return { type: "tool_result", tool_use_id: id, content: [{ type: "text", text: `21 degrees in ${input.city}` }] };
  };
  return calls.length ? [{ role, content }, { role: "user", content: calls.map(result).reverse() }] : [];
}

scenario("strict_tools", async (cell) => {
  const asked = { messages: question, tools: [{ ...tools[0], strict: true }] };
  const answered = await ask(cell.model("m-tool"), asked);
  cell.called(callsOf(answered).map((call) => call.input), "Zürich");
});

scenario("forced_tool", async (cell) => {
  for (const tool_choice of [{ type: "any" }, { type: "tool", name: "get_weather" }]) {
    const answered = await ask(cell.model("m-forced"), { messages: question, tools, tool_choice });
    cell.called(callsOf(answered).map((call) => call.input), "Zürich");
  }
});

scenario("one_tool_at_a_time", async (cell) => {
  const tool_choice = { type: "auto", disable_parallel_tool_use: true };
  const answered = await ask(cell.model("m-serial"), { messages: question, tools, tool_choice });
  assert.equal(callsOf(answered).length, 1);
});

scenario("image", async (cell) => {
  const source = { type: "base64", media_type: "image/png", data: image.data };
  cell.heard(await show(cell.model("m-image"), source), "image");
});

scenario("image_by_address", async (cell) => {
  cell.heard(await show(cell.model("m-image"), { type: "url", url: image.address }), `I see ${image.address}.`);
});

async function show(model, source) {
  const content = [{ type: "image", source }, { type: "text", text: "What is this?" }];
  return textOf(await ask(model, { messages: [{ role: "user", content }] }));
}

scenario("structured_output", async (cell) => {
  const asked = asking(cell.model("m-json"), { output_config: { format: zodOutputFormat(Ticket) } });
  for (const answered of [await client.messages.parse(asked), await client.messages.stream(asked).finalMessage()]) {
    assert.ok(Ticket.safeParse(answered.parsed_output).success);
    if (cell.scripted) assert.deepEqual(answered.parsed_output, says.ticket);
  }
});

// What the model thought arrives, and goes back with the call that it led to.
scenario("reasoning", async (cell) => {
  const thinking = { type: "enabled", budget_tokens: 2048 };
  const [model, asked] = [cell.model("m-reason"), { max_tokens: 4096, messages: question, tools, thinking }];
  for (const answered of [await ask(model, asked), await streamed(model, asked)]) {
    cell.thought(answered.content.map((block) => block.thinking ?? "").join(""));
    const reasoned = answered.usage.output_tokens_details?.thinking_tokens ?? 0;
    if (cell.scripted) assert.equal(reasoned, tokens[cell.kind].reasoned);
    else assert.ok(reasoned > 0);
    const second = await ask(model, { ...asked, messages: [...question, ...turns(answered)] });
    cell.told(textOf(second), "Zürich");
  }
});

// Another provider thinks and calls, this one goes on with the result: the thought is not its own.
scenario("moved", async (cell) => {
  const thinking = { type: "enabled", budget_tokens: 2048 };
  const begun = await ask(cell.elsewhere("m-reason"), { max_tokens: 4096, messages: question, tools, thinking });
  assert.ok(begun.content.some((block) => block.thinking));
  const answered = await ask(cell.model("m-tool"), { messages: [...question, ...turns(begun)], tools });
  cell.told(textOf(answered), "Zürich");
}, ours);

scenario("length", async (cell) => {
  const [model, asked] = [cell.model("m-length"), { max_tokens: 4 }];
  const [unary, stream] = [await ask(model, asked), await streamed(model, asked)];
  assert.deepEqual([unary.stop_reason, stream.stop_reason], ["max_tokens", "max_tokens"]);
  cell.heard(textOf(unary), "This goes on and on");
});

scenario("refusal", async (cell) => {
  const model = cell.model("m-refusal");
  const [unary, stream] = [await ask(model), await streamed(model)];
  assert.deepEqual([unary.stop_reason, stream.stop_reason], ["refusal", "refusal"]);
});

scenario("errors", async (cell) => {
  for (const [status, told, kind, type] of [
    [400, 400, Anthropic.BadRequestError, "invalid_request_error"],
    [429, 429, Anthropic.RateLimitError, "rate_limit_error"],
    [500, 502, Anthropic.InternalServerError, "api_error"],
    [401, 502, Anthropic.InternalServerError, "api_error"],
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
    const stream = client.messages.stream(asking(cell.model(scene))).on("text", (text) => (said += text));
    const error = await stream.finalMessage().then(() => assert.fail("the stream looks whole"), (error) => error);
    assert.ok(error instanceof Anthropic.APIError, `${error}`);
    cell.heard(said, "Grüße ");
    assert.equal(error.type, "api_error");
    assert.doesNotMatch(JSON.stringify(error.error), /scripted/);
  }
}, ours);

scenario("cancel", async (cell) => {
  const stream = await ask(cell.model("m-slow"), { stream: true });
  for await (const event of stream) if (event.type === "content_block_delta") break;
  const left = performance.now();
  stream.controller.abort();
  await cell.goneAfter("m-slow", left);

  const leaving = new AbortController();
  const whole = client.messages.create(asking(cell.model("m-slow.unary")), { signal: leaving.signal });
  const ended = assert.rejects(whole, Anthropic.APIUserAbortError);
  await cell.arrived("m-slow.unary");
  const leftAgain = performance.now();
  leaving.abort();
  await ended;
  await cell.goneAfter("m-slow.unary", leftAgain);
});

scenario("count_tokens", async (cell) => {
  const asked = { model: cell.model("m-text"), system: "Be brief.", messages: hello, tools };
  const { data, response } = await client.messages.countTokens(asked).withResponse();
  if (["anthropic", "gemini"].includes(cell.kind)) return assert.equal(data.input_tokens, 42);
  assert.ok(data.input_tokens > 0);
  assert.equal(response.headers.get("x-parapet-estimated"), "true");
});
