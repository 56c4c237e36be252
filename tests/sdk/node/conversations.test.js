// Agents and conversations, for which the SDK has no methods: its own plain verbs with the same key.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ours, start } from "./support/gateway.js";

const { client } = await start();

test("conversation goes on and can be read again", ours, async () => {
  const ask = (body) => client.post("/agents/support/query", { body });
  const first = await ask({ message: "Hello, I am Ada." });
  assert.equal(first.object, "agent.answer");
  assert.match(first.conversation_id, /^conv_/);
  const second = await ask({ message: "What can you do?", conversation_id: first.conversation_id });
  const items = await client.get(`/conversations/${first.conversation_id}/items`, { query: { order: "asc" } });
  assert.deepEqual(
    items.data.map((item) => [item.role, item.content[0].text]),
    [
      ["user", "Hello, I am Ada."],
      ["assistant", first.response],
      ["user", "What can you do?"],
      ["assistant", second.response],
    ],
  );
});

test("streamed answer ends with the whole object", ours, async () => {
  const response = await client.post("/agents/support/query", { body: { message: "Hello", stream: true } }).asResponse();
  const events = (await response.text())
    .split("\n\n")
    .filter((block) => block.startsWith("event: "))
    .map((block) => block.match(/^event: (?<name>.+)\ndata: (?<data>.+)$/).groups)
    .map(({ name, data }) => ({ name, data: JSON.parse(data) }));
  assert.equal(events[0].name, "answer.started");
  assert.equal(events.at(-1).name, "answer.completed");
  const said = events.filter(({ name }) => name === "answer.delta").map(({ data }) => data.text).join("");
  assert.equal(said, events.at(-1).data.response);
});

test("conversation is renamed and deleted", ours, async () => {
  const made = await client.post("/conversations", { body: { agent: "support", title: "Ticket 1" } });
  const path = `/conversations/${made.id}`;
  assert.equal((await client.post(path, { body: { title: "Renamed" } })).title, "Renamed");
  await client.delete(path);
  await assert.rejects(client.get(`${path}/items`), { status: 404 });
});
