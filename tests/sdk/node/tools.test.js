// Function calling and structured output, raw and through the SDK's helpers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { ours, start } from "./support/gateway.js";
import { answer, choice, completion, delta, stream, words } from "./support/scripted.js";

const { client, scripted } = await start();
const simulated = "simulated/support";

const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the current weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, unit: { enum: ["celsius", "fahrenheit"] } },
      required: ["city", "unit"],
      additionalProperties: false,
    },
  },
};
const question = [{ role: "user", content: "What is the weather in Paris?" }];
const ask = (more) => client.chat.completions.create({ model: simulated, messages: question, tools: [weather], ...more });

const Ticket = z.object({ title: z.string(), priority: z.enum(["low", "high"]), tags: z.array(z.string()), minutes: z.int() });
const report = [{ role: "user", content: "The printer on floor 3 is on fire. Write the ticket." }];
const written = { title: "Printer on fire", priority: "high", tags: ["printer"], minutes: 5 };

test("simulated calls the tool, then answers with its result", ours, async () => {
  const first = (await ask({ tool_choice: "required" })).choices[0];
  assert.equal(first.finish_reason, "tool_calls");
  const [call] = first.message.tool_calls;
  const { city, unit } = JSON.parse(call.function.arguments);
  assert.equal(typeof city, "string");
  assert.ok(["celsius", "fahrenheit"].includes(unit));

  const result = { role: "tool", tool_call_id: call.id, content: '{"degrees": 21}' };
  const second = (await ask({ messages: [...question, first.message, result] })).choices[0];
  assert.equal(second.finish_reason, "stop");
  assert.ok(second.message.content);
});

test("simulated streams the call of its unary answer", ours, async () => {
  const unary = (await ask({ tool_choice: "required", seed: 5 })).choices[0].message.tool_calls[0];
  const runner = client.chat.completions.stream({
    model: simulated, messages: question, tools: [weather], tool_choice: "required", seed: 5,
  });
  const [call] = (await runner.finalMessage()).tool_calls;
  assert.deepEqual(
    [call.function.name, call.function.arguments],
    [unary.function.name, unary.function.arguments],
  );
});

test("SDK's tool runner goes its rounds", ours, async () => {
  const runner = client.chat.completions.runTools({
    model: simulated,
    messages: question,
    tools: [{ ...weather, function: { ...weather.function, parse: JSON.parse, function: () => ({ degrees: 21 }) } }],
  });
  assert.ok(await runner.finalContent());
  assert.ok(runner.messages.some((message) => message.role === "tool"));
});

test("tool round goes through unchanged", async (t) => {
  const { script, model } = scripted(t);
  const call = { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Paris","unit":"celsius"}' } };
  const calling = { role: "assistant", content: null, tool_calls: [call] };
  const result = { role: "tool", tool_call_id: "call_1", content: '{"degrees": 21}' };
  script.next(
    answer(completion(null, { choices: [choice(0, calling, "tool_calls")] })),
    answer(completion("It is 21 degrees in Paris.")),
  );
  const first = await ask({ model });
  assert.deepEqual(first.choices[0].message.tool_calls, [call]);
  const second = await ask({ model, messages: [...question, first.choices[0].message, result] });
  assert.equal(second.choices[0].message.content, "It is 21 degrees in Paris.");
  const { messages, tools } = script.received[1].json;
  assert.deepEqual(messages.slice(1), [calling, result]);
  assert.deepEqual(tools, [weather]);
});

test("streamed parallel calls are put together", async (t) => {
  const { script, model } = scripted(t);
  const opening = (index, id) =>
    delta({ tool_calls: [{ index, id, type: "function", function: { name: "get_weather", arguments: "" } }] });
  const fragment = (index, text) => delta({ tool_calls: [{ index, function: { arguments: text } }] });
  script.next(
    stream([
      delta({ role: "assistant", content: null }),
      opening(0, "call_1"),
      fragment(0, '{"city":"Pa'),
      fragment(0, 'ris"}'),
      opening(1, "call_2"),
      fragment(1, '{"city":"Zü'),
      fragment(1, 'rich"}'),
      delta({}, "tool_calls"),
    ]),
  );
  const runner = client.chat.completions.stream({ model, messages: question, tools: [weather] });
  const calls = (await runner.finalMessage()).tool_calls;
  assert.deepEqual(calls.map((c) => [c.id, JSON.parse(c.function.arguments).city]), [["call_1", "Paris"], ["call_2", "Zürich"]]);
});

test("simulated output parses into the schema", ours, async () => {
  const parsed = await client.chat.completions.parse({
    model: simulated, messages: report, response_format: zodResponseFormat(Ticket, "ticket"),
  });
  assert.ok(Ticket.safeParse(parsed.choices[0].message.parsed).success);
});

test("schema reaches the upstream and its answer parses", async (t) => {
  const { script, model } = scripted(t);
  script.next(answer(completion(JSON.stringify(written))));
  const parsed = await client.chat.completions.parse({ model, messages: report, response_format: zodResponseFormat(Ticket, "ticket") });
  assert.deepEqual(parsed.choices[0].message.parsed, written);
  const { type, json_schema } = script.only.json.response_format;
  assert.deepEqual([type, json_schema.name, json_schema.strict], ["json_schema", "ticket", true]);
});

test("streamed structured answer parses", async (t) => {
  const { script, model } = scripted(t);
  const json = JSON.stringify(written);
  script.next(stream(words(json.slice(0, 7), json.slice(7, 20), json.slice(20))));
  const runner = client.chat.completions.stream({ model, messages: report, response_format: zodResponseFormat(Ticket, "ticket") });
  assert.deepEqual((await runner.finalChatCompletion()).choices[0].message.parsed, written);
});

test("refusal reaches the caller", async (t) => {
  const { script, model } = scripted(t);
  const refused = { role: "assistant", content: null, refusal: "I cannot help with that." };
  script.next(answer(completion(null, { choices: [choice(0, refused)] })));
  const parsed = await client.chat.completions.parse({ model, messages: report, response_format: zodResponseFormat(Ticket, "ticket") });
  assert.equal(parsed.choices[0].message.refusal, "I cannot help with that.");
  assert.equal(parsed.choices[0].message.parsed, null);
});
