// What the tests of the matrix have in common: its cells, and the upstream that speaks every protocol.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { direct, keys, serve } from "./gateway.js";

const SUITE = path.join(import.meta.dirname, "../..");
const PYTHON = path.join(SUITE, "../../.venv/bin/python");
const PROMISED = 250; // milliseconds until an abandoned upstream call has ended

const MATRIX = JSON.parse(fs.readFileSync(path.join(SUITE, "matrix.json"), "utf8"));
export const { says, tokens, weather, image } = MATRIX;

/**
 * The matrix through one client. `open` makes the client from an address and a key, `refusal` is its
 * class of error 400. Gives `scenario(name, run)`, which runs for every kind of provider that can show it.
 */
export async function matrix(name, open, refusal) {
  const upstream = await Upstream.start();
  const address = direct ? `${upstream.url}/${name}` : `http://${await serve("matrix.yaml", upstream.url)}`;
  const client = open(address, direct ? keys.providers[0] : keys.caller);

  function scenario(scenario, run, options) {
    const kinds = direct ? [name] : Object.keys(MATRIX.kinds);
    for (const kind of kinds.filter((kind) => !MATRIX.not_shown[kind]?.[scenario])) {
      test(`${name} SDK, ${scenario}: ${kind}`, options, async () => {
        await new Cell(name, kind, scenario, upstream).shown(run, refusal);
      });
    }
  }
  return { client, scenario };
}

/** One scenario of one kind of provider, through one client. */
class Cell {
  #upstream;

  constructor(client, kind, scenario, upstream) {
    Object.assign(this, { client, kind, scenario, scripted: kind !== "simulated" });
    this.#upstream = upstream;
  }

  /** Runs the test and keeps the result; a member without counterpart has to be refused. */
  async shown(run, refusal) {
    const missing = direct ? undefined : MATRIX.no_counterpart[this.kind]?.[this.scenario]?.[this.client];
    if (missing) {
      const error = await run(this).then(() => assert.fail(`\`${missing}\` should have been refused`), (error) => error);
      if (!(error instanceof refusal)) throw error;
      assert.equal(error.status, 400);
      assert.equal((error.error.error ?? error.error).param, missing);
    } else {
      await run(this);
    }
    this.#keep(missing ? `no counterpart: ${missing}` : "pass");
  }

  /** The model of that scene as callers name it. A refusing provider is not needed for anything else. */
  model(scene, refusing = false) {
    if (!this.scripted) return `simulated/${MATRIX.simulated[scene] ?? "friendly"}`;
    return `${direct ? "" : `${this.kind}${refusing ? "-refusing" : ""}/`}${this.#model(scene)}`;
  }

  /** The model of that scene at another provider, whose thoughts are sealed. */
  elsewhere(scene) {
    return `${this.kind === "anthropic" ? "gemini" : "anthropic"}/${this.#model(scene)}`;
  }

  #model(scene) {
    return `${scene}.node-${this.client}-${this.kind}-${this.scenario}`;
  }

  /** What the scene says; the simulated provider says something. */
  heard(text, what) {
    if (this.scripted) assert.equal(text, says[what] ?? what);
    else assert.ok(text.trim());
  }

  /** What it thinks aloud. */
  thought(text) {
    if (MATRIX.keep_their_thoughts.includes(this.kind)) assert.equal(text, "");
    else this.heard(text, "thought");
  }

  /** The arguments of the scene's calls. */
  called(calls, ...cities) {
    if (this.scripted) return assert.deepEqual(calls, cities.map((city) => says.calls[city]));
    assert.ok(calls.length > 0);
    for (const { city, unit } of calls) {
      assert.equal(typeof city, "string");
      assert.ok(weather.properties.unit.enum.includes(unit));
    }
  }

  /** An answer that tells the results of the calls, in any order. */
  told(text, ...cities) {
    if (!this.scripted) return assert.ok(text);
    const sentences = text.split(". ").filter(Boolean).sort();
    assert.deepEqual(sentences, cities.map((city) => `${city}: 21 degrees in ${city}`).sort());
  }

  /** The delay after which to ask again is the provider's, where it says one in a header. */
  waits(delay) {
    if (!MATRIX.say_no_delay.includes(this.kind)) assert.match(delay, /^[1-7]$/);
  }

  /** The end user, where the provider's API has a place for one. */
  named(user) {
    return MATRIX.know_no_users.includes(this.kind) ? {} : { user };
  }

  /** Waits until the upstream has been asked. */
  async arrived(scene) {
    assert.equal((await this.#upstream.seen(this.#model(scene), "arrived")).requests.length, 1);
  }

  /** The upstream has seen its caller go away, soon after `left` (performance.now). */
  async goneAfter(scene, left) {
    assert.ok((await this.#upstream.seen(this.#model(scene), "gone")).gone, "the call was never abandoned");
    assert.ok(performance.now() - left < PROMISED, `${performance.now() - left} ms`);
  }

  #keep(result) {
    const { client, kind, scenario } = this;
    const line = JSON.stringify({ client, language: "node", kind, scenario, result });
    if (process.env.PARAPET_MATRIX_OUT && !direct) fs.appendFileSync(process.env.PARAPET_MATRIX_OUT, `${line}\n`);
  }
}

/** `tests/sdk/upstream`, in a process of its own that ends with its standard input. */
class Upstream {
  static async start() {
    const child = spawn(PYTHON, [path.join(SUITE, "upstream")], { stdio: ["pipe", "pipe", "inherit"] });
    after(() => child.stdin.end());
    const upstream = new Upstream();
    for await (const line of createInterface({ input: child.stdout })) {
      upstream.url = line;
      return upstream;
    }
    assert.fail("the upstream does not start");
  }

  /** The requests that named the model, and how many of their callers left; waits for the first of either. */
  async seen(model, until) {
    const answer = await fetch(`${this.url}/_seen?${new URLSearchParams({ model, until })}`);
    return await answer.json();
  }
}
