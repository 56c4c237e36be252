// A scripted OpenAI-compatible upstream, raw enough to misbehave. Each test scripts its own model
// name, so one server serves a whole file and a call that nobody scripted is found.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { setTimeout as deadline } from "node:timers/promises";

const PATIENCE = 5_000; // milliseconds any wait of this module may take

/** What happens to the calls for one model name, in order. */
class Script {
  received = [];
  #steps = [];
  #always;
  #unexpected = 0;
  #arrived = Promise.withResolvers();
  #gone = Promise.withResolvers();

  constructor(name) {
    this.name = name;
  }

  /** Plays each step once. */
  next(...steps) {
    this.#steps.push(...steps);
    return this;
  }

  /** Plays the step for any number of calls: a retry is the caller's choice. */
  always(step) {
    this.#always = step;
    return this;
  }

  /** The request, when exactly one was expected. */
  get only() {
    assert.equal(this.received.length, 1, `calls for ${this.name}`);
    return this.received[0];
  }

  arrived() {
    return within(this.#arrived.promise, "the call never arrived");
  }

  /** Milliseconds from `start` (performance.now) until the caller was seen to go away. */
  async goneAfter(start) {
    return (await within(this.#gone.promise, "the upstream call was never abandoned")) - start;
  }

  finish() {
    assert.equal(this.#steps.length, 0, `scripted steps of ${this.name} were not asked for`);
    assert.equal(this.#unexpected, 0, `calls too many for ${this.name}`);
  }

  play(request, body, response) {
    this.received.push({ path: request.url, headers: request.headers, body, json: JSON.parse(body) });
    this.#arrived.resolve();
    response.on("close", () => {
      if (!response.writableFinished) this.#gone.resolve(performance.now());
    });
    const step = this.#steps.shift() ?? this.#always;
    if (!step) this.#unexpected += 1;
    (step ?? answer({ error: { message: "unexpected call" } }, 500))(response, JSON.parse(body));
  }
}

/** The server, on a free port, with its scripts by model name. */
export class Upstream {
  #scripts = new Map();
  #server = http.createServer({ noDelay: true }, async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request));
    this.script(JSON.parse(body).model).play(request, body, response);
  });

  static async listen() {
    const upstream = new Upstream();
    upstream.#server.listen(0, "127.0.0.1");
    await once(upstream.#server, "listening");
    return upstream;
  }

  get address() {
    return `127.0.0.1:${this.#server.address().port}`;
  }

  script(name) {
    if (!this.#scripts.has(name)) this.renew(name);
    return this.#scripts.get(name);
  }

  renew(name) {
    this.#scripts.set(name, new Script(name));
    return this.#scripts.get(name);
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

// Steps.

/** A whole answer. */
export function answer(body, status = 200, headers = {}) {
  const data = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  return (response) => {
    const own = { "content-type": "application/json", "content-length": data.length };
    response.writeHead(status, { ...own, ...headers }).end(data);
  };
}

/**
 * An event stream. `usage` is sent as OpenAI does: in a last chunk, and only to a caller who asked
 * for it. `end` is `done` (whole), `eof` (ends well, but without `[DONE]`), `cut` (the body breaks
 * off) or `hold` (says no more until the caller goes away).
 */
export function stream(chunks, { usage, end = "done" } = {}) {
  return (response, request) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const sent = [...chunks];
    if (end === "done") {
      if (usage && request.stream_options?.include_usage) sent.push({ ...delta({}), choices: [], usage });
      sent.push("[DONE]");
    }
    const data = sent.map(event).join("");
    if (end === "done" || end === "eof") response.end(data);
    else response.write(data, () => end === "cut" && response.socket.destroy());
  };
}

/** Never answers. */
export const silence = () => () => {};

/** Closes the connection instead of answering. */
export const hangUp = () => (response) => response.socket.destroy();

// The shapes of OpenAI's chat API.

export function completion(content = "Hello.", members = {}) {
  return {
    id: "chatcmpl-scripted",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "gpt-scripted-2026",
    choices: [choice(0, { role: "assistant", content, refusal: null })],
    usage: tokens(9, 3),
    ...members,
  };
}

export function choice(index, message, finish_reason = "stop", logprobs = null) {
  return { index, message, logprobs, finish_reason };
}

/** One chunk of a stream. */
export function delta(change, finish_reason = null, members = {}) {
  return {
    id: "chatcmpl-scripted",
    object: "chat.completion.chunk",
    created: 1_700_000_000,
    model: "gpt-scripted-2026",
    choices: [{ index: 0, delta: change, logprobs: null, finish_reason }],
    ...members,
  };
}

/** The chunks of a plain text answer. */
export function words(...parts) {
  return [...said(...parts), delta({}, "stop")];
}

/** The same, without its end. */
export function said(...parts) {
  return [delta({ role: "assistant", content: "" }), ...parts.map((content) => delta({ content }))];
}

export function tokens(prompt, completion) {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

export function failure(message, type = "server_error", param = null, code = null) {
  return { error: { message, type, param, code } };
}

export function event(payload) {
  return `data: ${typeof payload === "string" ? payload : JSON.stringify(payload)}\n\n`;
}

async function within(promise, complaint) {
  const late = new AbortController();
  const timer = deadline(PATIENCE, undefined, { signal: late.signal }).then(() => assert.fail(complaint));
  try {
    return await Promise.race([promise, timer]);
  } finally {
    late.abort();
    timer.catch(() => {});
  }
}
