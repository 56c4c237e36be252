// Each failure arrives as the SDK's own error class, says whose fault it is, and leaks nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { ours, start } from "./support/gateway.js";
import { answer, completion, failure, hangUp, silence } from "./support/scripted.js";

const { address, client, keys, scripted } = await start();
const messages = [{ role: "user", content: "Hello" }];
const ask = (model, more = {}) => client.chat.completions.create({ model, messages, ...more });

/** The error a call fails with. */
async function raised(call, kind) {
  const error = await call.then(() => assert.fail("the call went well"), (error) => error);
  assert.ok(error instanceof kind, `${error}`);
  return error;
}

/** The SDK's view of our error contract. */
function contract(error, status, type) {
  assert.deepEqual([error.status, error.type], [status, type]);
  assert.deepEqual(Object.keys(error.error).sort(), ["code", "hint", "message", "param", "request_id", "type"]);
  assert.match(error.requestID, /^req_/);
  assert.equal(error.error.request_id, error.requestID);
}

// 422 means a reused idempotency key here; what a provider means by it is a bad request.
for (const [status, told, kind] of [
  [400, 400, OpenAI.BadRequestError],
  [413, 413, OpenAI.APIError],
  [422, 400, OpenAI.BadRequestError],
]) {
  test(`upstream's ${status} passes with message, param and code`, async (t) => {
    const { script, model } = scripted(t);
    script.next(answer(failure("'top_k' is too large", "invalid_request_error", "top_k", "too_large"), status));
    const error = await raised(ask(model), kind);
    assert.deepEqual([error.status, error.param, error.code], [told, "top_k", "too_large"]);
    assert.match(error.message, /'top_k' is too large/);
  });
}

test("upstream's 429 is a rate limit error with its delay", async (t) => {
  const { script, model } = scripted(t);
  script.always(answer(failure("slow down", "rate_limit_error"), 429, { "retry-after": "7" }));
  const error = await raised(ask(model), OpenAI.RateLimitError);
  const delay = Number(error.headers.get("retry-after"));
  assert.ok(delay >= 1 && delay <= 7, `${delay}`);
});

test("caller's timeout is a connection timeout error and ends the upstream call", async (t) => {
  const { script, model } = scripted(t);
  script.always(silence());
  await raised(client.chat.completions.create({ model, messages }, { timeout: 300 }), OpenAI.APIConnectionTimeoutError);
  assert.ok((await script.goneAfter(performance.now())) < 250);
});

test("wrong and missing keys are authentication errors", ours, async () => {
  contract(await raised(client.withOptions({ apiKey: "not-a-key" }).models.list(), OpenAI.AuthenticationError), 401, "authentication_error");
  const bare = client.models.list({ headers: { Authorization: null } });
  contract(await raised(bare, OpenAI.AuthenticationError), 401, "authentication_error");
});

test("x-api-key is a key too", ours, async () => {
  const listed = await fetch(`http://${address}/v1/models`, { headers: { "x-api-key": keys.caller } });
  assert.equal(listed.status, 200);
});

test("unknown model is not found, with a hint", ours, async () => {
  const error = await raised(ask("clark"), OpenAI.NotFoundError);
  contract(error, 404, "not_found_error");
  assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
  assert.ok(error.error.hint);
});

test("bad request names the member", ours, async () => {
  const error = await raised(ask("simulated/support", { messages: [] }), OpenAI.BadRequestError);
  contract(error, 400, "invalid_request_error");
  assert.equal(error.param, "messages");
});

test("upstream's failure becomes upstream_error without its text", ours, async (t) => {
  const { script, model } = scripted(t);
  script.always(answer(failure("secret-inside"), 500));
  const error = await raised(ask(model), OpenAI.InternalServerError);
  contract(error, 502, "upstream_error");
  assert.ok(!JSON.stringify(error.error).includes("secret-inside"));
});

for (const [provider, status] of [["unauthorized", 401], ["forbidden", 403]]) {
  test(`rejected provider key (${status}) is not the caller's fault`, ours, async (t) => {
    const { script, model } = scripted(t, provider);
    script.always(answer(failure(`bad key ${keys.providers[0]}`), status));
    const error = await raised(ask(model), OpenAI.InternalServerError);
    contract(error, 502, "upstream_error");
    assert.ok(!JSON.stringify(error.error).includes(keys.providers[0]));
  });
}

for (const [name, step] of Object.entries({
  "closed connection": hangUp(),
  "page of HTML": answer(Buffer.from("<html>it works</html>"), 200, { "content-type": "text/html" }),
  "truncated body": answer(Buffer.from('{"id": "chatcmpl-1", "cho')),
})) {
  test(`${name} is an upstream error`, ours, async (t) => {
    const { script, model } = scripted(t);
    script.always(step);
    contract(await raised(ask(model), OpenAI.InternalServerError), 502, "upstream_error");
  });
}

for (const stream of [false, true]) {
  test(`silence is an upstream timeout (stream: ${stream})`, ours, async (t) => {
    const { script, model } = scripted(t, "impatient");
    script.always(silence());
    contract(await raised(ask(model, { stream }), OpenAI.InternalServerError), 504, "upstream_timeout");
  });
}

test("SDK's retry after a 429 succeeds", async (t) => {
  const { script, model } = scripted(t);
  const limited = answer(failure("slow down", "rate_limit_error"), 429, { "retry-after": "1" });
  script.next(limited, limited).always(answer(completion("At last.")));
  const answered = await client.withOptions({ maxRetries: 4 }).chat.completions.create({ model, messages });
  assert.equal(answered.choices[0].message.content, "At last.");
});
