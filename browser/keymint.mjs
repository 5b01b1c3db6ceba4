// A real Keymint: `keymint dev` as a process of its own, on free ports, in a folder of its own, and the calls that a
// scenario makes beside the browser: the management API, the gateway, and pages asked for without a browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Longest wait for a start. Milliseconds. */
const START_MS_MAX = 30_000;

/** The console closes a connection that has rested for five seconds, so ours rest for less. */
const connections = new http.Agent({ keepAlive: true, maxSockets: 8, timeout: 2_000 });

/** One request, exactly as given: no header is added but Host and Content-Length. */
export function send(origin, method, path, { headers = {}, body } = {}) {
  const { hostname, port } = new URL(origin);
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const length = bytes === undefined ? {} : { "content-length": bytes.length };
  const options = { agent: connections, hostname, port, method, path, headers: { ...headers, ...length } };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode, headers: response.headers, text });
      });
    });
    request.on("error", (error) => {
      // The connection was closed while it rested: nobody has read the request.
      const isUnread = request.reusedSocket && error.code === "ECONNRESET";
      if (isUnread) resolve(send(origin, method, path, { headers, body }));
      else reject(error);
    });
    request.end(bytes);
  });
}

/** Fields as a form sends them. */
export const encoded = (fields) => new URLSearchParams(fields).toString();

/** Three free ports in a row, below those that the kernel gives to clients. */
async function freePorts() {
  for (let tries = 0; tries < 2000; tries += 1) {
    const base = 12_000 + Math.floor(Math.random() * 6_900) * 3;
    const free = await Promise.all([0, 1, 2].map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error("there are no three free ports in a row");
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function binary() {
  const path = process.env.KEYMINT_BIN;
  assert.ok(path, "KEYMINT_BIN is not set; `cargo xtask test` and `cargo xtask pictures` set it");
  return path;
}

export class Keymint {
  #process;
  #folder;

  /** Starts `keymint dev` in a fresh folder and waits until it serves. */
  static async start() {
    const keymint = new Keymint();
    keymint.#folder = mkdtempSync(join(tmpdir(), "keymint-browser-"));
    for (let tries = 0; tries < 5; tries += 1) {
      if (await keymint.#begin()) return keymint;
    }
    throw new Error(`keymint dev did not start:\n${keymint.output()}`);
  }

  async #begin() {
    const ready = join(this.#folder, "ready.json");
    const log = openSync(join(this.#folder, "output.log"), "a");
    const words = ["dev", "--port-base", String(await freePorts()), "--data", join(this.#folder, "data")];
    this.#process = spawn(binary(), [...words, "--ready-file", ready], { stdio: ["ignore", log, log] });
    const ended = new Promise((resolve) => this.#process.once("exit", () => resolve(true)));
    const failed = new Promise((_, reject) => this.#process.once("error", reject));
    for (const deadline = Date.now() + START_MS_MAX; Date.now() < deadline; ) {
      try {
        Object.assign(this, JSON.parse(readFileSync(ready, "utf8")));
        return true;
      } catch {
        if (await Promise.race([ended, failed, pause(20, false)])) return false;
      }
    }
    await this.#end();
    return false;
  }

  /** Ends the process and removes its folder. */
  async stop() {
    await this.#end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  /** The console under its name: browsers have no passkeys at an address without one. */
  get named() {
    return this.console.replace("127.0.0.1", "localhost");
  }

  /** Everything that the process wrote. */
  output() {
    return readFileSync(join(this.#folder, "output.log"), "utf8");
  }

  /** Who signs in as what: `owner`, `admin`, `developer` or `viewer`. */
  user(role) {
    const user = this.users.find((user) => user.role === role);
    assert.ok(user, `nobody here is ${role}`);
    return user;
  }

  /** Calls the management API with the operator token, and expects it to go well. */
  async api(method, path, value) {
    const headers = { authorization: `Bearer ${this.token}` };
    const body = value === undefined ? undefined : JSON.stringify(value);
    if (body !== undefined) headers["content-type"] = "application/json";
    const reply = await send(this.console, method, `/api/v1${path}`, { headers, body });
    assert.ok(reply.status < 300, `${method} ${path}: ${reply.status} ${reply.text}`);
    return reply.text === "" ? undefined : JSON.parse(reply.text);
  }

  /** The demo merchant's id. */
  async merchant() {
    const { items } = await this.api("GET", "/merchants?limit=100");
    return items.find((merchant) => merchant.name === "Demo Merchant").id;
  }

  /**
   * A new app of the demo merchant; a scenario that has its own is in no other's way. (Razorpay's keys would be: there,
   * one key a mode is all that a merchant may have.)
   */
  async app(name, product = "keymint") {
    const rest = { email: "dev@shop.example", address: "12 MG Road", country: "IN", postal_code: "560001" };
    const { id } = await this.api("POST", `/merchants/${await this.merchant()}/apps`, { product, name, ...rest });
    return id;
  }

  /** A new test key of an app. */
  async key(app, name) {
    const { key_id, secret } = await this.api("POST", `/apps/${app}/credentials`, { mode: "test", name });
    return { keyId: key_id, secret };
  }

  /** What the gateway answers to a key of Keymint's own product. */
  async call({ secret }, path = "/v1/whoami") {
    const headers = { authorization: `Bearer ${secret}` };
    return (await send(this.gateway, "GET", `/keymint${path}`, { headers })).status;
  }

  /** The id of a new payment in KPay's sandbox. */
  async payment({ keyId, secret }, externalId, more = {}) {
    const headers = { "x-api-key": keyId, "x-secret-key": secret, "content-type": "application/json" };
    const rest = { provider: "MTN_MOMO_CMR", phoneNumber: "237653456129", ...more };
    const body = JSON.stringify({ amount: 5000, externalId, ...rest });
    const reply = await send(this.gateway, "POST", "/kpay/api/v1/payments/init", { headers, body });
    assert.equal(reply.status, 201, reply.text);
    return JSON.parse(reply.text).id;
  }
}

/** Somebody who has signed in, and asks for pages without a browser. */
export class Session {
  static async open(keymint, role) {
    const session = new Session();
    session.keymint = keymint;
    const { email, password } = keymint.user(role);
    const reply = await session.post("/sign-in", { email, password });
    assert.equal(reply.status, 303, reply.text);
    session.cookie = reply.headers["set-cookie"][0].split(";")[0];
    const home = await session.get("/");
    const page = await session.get(home.headers.location);
    session.csrf = page.text.match(/name="csrf" value="([^"]+)"/)[1];
    return session;
  }

  get(path) {
    return send(this.keymint.console, "GET", path, { headers: this.#headers() });
  }

  /** Sends a form; the session's own token goes with it. */
  post(path, fields) {
    const headers = {
      ...this.#headers(),
      "sec-fetch-site": "same-origin",
      "content-type": "application/x-www-form-urlencoded",
    };
    const body = typeof fields === "string" ? fields : encoded({ csrf: this.csrf ?? "", ...fields });
    return send(this.keymint.console, "POST", path, { headers, body });
  }

  #headers() {
    return this.cookie === undefined ? {} : { cookie: this.cookie };
  }
}
