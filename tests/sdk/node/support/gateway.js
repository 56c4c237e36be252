// Starts the Parapet binary for a file of tests and ends it the polite way.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import OpenAI from "openai";
import { Upstream } from "./scripted.js";

const SUITE = path.join(import.meta.dirname, "../..");
const START = 20_000; // milliseconds until it must listen: a debug build on a busy machine
const STOP = 10_000; // milliseconds from SIGTERM to exit

/** As a control of the suite itself the SDK may be pointed straight at the upstream. */
export const direct = process.env.PARAPET_SDK_DIRECT === "1";

/** Options of a test that holds a promise a bare upstream does not keep. */
export const ours = { skip: direct && "a promise of Parapet, not of a bare upstream" };

export const keys = {
  caller: key("caller"),
  neighbour: key("neighbour"),
  providers: [key("sk-first"), key("sk-second")],
};

/** An upstream and a gateway in front of it, both until the file's tests are done. */
export async function start() {
  const upstream = await Upstream.listen();
  after(() => upstream.close());
  const address = direct ? upstream.address : await serve("parapet.yaml", `http://${upstream.address}`);
  const client = new OpenAI({
    baseURL: `http://${address}/v1`,
    apiKey: keys.caller,
    maxRetries: 0, // so that a test sees the first answer
    timeout: 10_000,
  });
  return { upstream, client, address, keys, scripted: scriptedFor(upstream) };
}

/** Gives a test a script under a model name of its own, and the model as callers name it. */
function scriptedFor(upstream) {
  return (context, provider = "scripted") => {
    const name = context.fullName.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
    const script = upstream.renew(name);
    context.after(() => script.finish());
    return { script, model: direct ? name : `${provider}/${name}` };
  };
}

/** The address of a gateway with a config of the suite, until the file's tests are done. */
export async function serve(config, upstream) {
  const binary = process.env.PARAPET_BIN;
  assert.ok(binary, "PARAPET_BIN must name the parapet binary");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "parapet-sdk-"));
  const ports = path.join(folder, "ports.json");
  const log = path.join(folder, "parapet.log");
  const output = fs.openSync(log, "w");
  const child = spawn(binary, ["-c", path.join(SUITE, config), "serve", "--ports-file", ports], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      PARAPET_DATA_DIR: path.join(folder, "data"),
      PARAPET_SDK_UPSTREAM: upstream,
      PARAPET_SDK_KEY: keys.caller,
      PARAPET_SDK_NEIGHBOUR_KEY: keys.neighbour,
      PARAPET_SDK_PROVIDER_KEY_1: keys.providers[0],
      PARAPET_SDK_PROVIDER_KEY_2: keys.providers[1],
    },
    stdio: ["ignore", output, output],
  });
  const exited = once(child, "exit");
  process.on("exit", () => child.kill("SIGKILL")); // it must not outlive a file that fails to load
  after(async () => {
    child.kill("SIGTERM");
    const overdue = setTimeout(() => child.kill("SIGKILL"), STOP);
    const [code] = await exited;
    clearTimeout(overdue);
    const written = fs.readFileSync(log, "utf8");
    fs.rmSync(folder, { recursive: true });
    assert.equal(code, 0, `parapet ended with ${code} on SIGTERM\n${written}`);
    const secrets = [keys.caller, keys.neighbour, ...keys.providers];
    assert.ok(!secrets.some((secret) => written.includes(secret)), "a key reached the log");
  });

  const deadline = performance.now() + START;
  while (!fs.existsSync(ports)) {
    assert.equal(child.exitCode, null, `parapet ended at start\n${fs.readFileSync(log, "utf8")}`);
    assert.ok(performance.now() < deadline, `parapet does not listen after ${START} ms`);
    await pause(10);
  }
  return JSON.parse(fs.readFileSync(ports, "utf8")).public;
}

function key(prefix) {
  return `${prefix}-${randomBytes(20).toString("hex")}`;
}
