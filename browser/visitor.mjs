// A visitor: one browser window with cookies of its own, watched. Whatever a page should not do ends its scenario: a
// message of level error, a breach of the content security policy, a dialog, a request to another host.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";

import { chromium } from "playwright-core";

import { Session } from "./keymint.mjs";

/** Where Debian's package puts it. */
const CHROMIUM = process.env.KEYMINT_CHROMIUM ?? "/usr/bin/chromium";
/** Longest wait for anything on a page. Milliseconds. */
const WAIT_MS_MAX = 10_000;

/** Starts Debian's Chromium; nothing else is ever downloaded. */
export function launch(more = []) {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing; \`cargo xtask test\` installs Debian's \`chromium\``);
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", ...more];
  // Pages come back out of the browser's memory as they do for people.
  const ignoreDefaultArgs = ["--disable-back-forward-cache"];
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args, ignoreDefaultArgs });
}

/** What a page leaves in `window.breaches` when it goes against its policy. It runs before anything of the page. */
function noteBreaches() {
  addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy: ${event.violatedDirective} stopped ${event.blockedURI || "something inline"}`);
  });
}

export class Visitor {
  #faults = [];
  /** Addresses whose page may have a status of 400 to 499: the browser itself reports each as an error. */
  #refusals = new Set();

  /**
   * Opens a window. `options` are those of Playwright's contexts, such as `javaScriptEnabled: false`; `others` are
   * further hosts that may be asked.
   */
  static async open(browser, keymint, { others = [], ...options } = {}) {
    const visitor = new Visitor();
    visitor.keymint = keymint;
    visitor.context = await browser.newContext({ baseURL: keymint.console, ...options });
    visitor.context.setDefaultTimeout(WAIT_MS_MAX);
    await visitor.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: keymint.console });
    if (options.javaScriptEnabled !== false) await visitor.context.addInitScript(noteBreaches);
    visitor.#watch([new URL(keymint.console).host, new URL(keymint.named ?? keymint.console).host, ...others]);
    visitor.page = await visitor.context.newPage();
    return visitor;
  }

  #watch(hosts) {
    const context = this.context;
    context.on("request", (request) => {
      const url = new URL(request.url());
      const isOurs = ["data:", "about:"].includes(url.protocol) || hosts.includes(url.host);
      const isOurBlob = url.protocol === "blob:" && hosts.includes(new URL(url.pathname).host);
      if (!isOurs && !isOurBlob) this.#faults.push(`a request to ${request.url()}`);
    });
    context.on("response", (response) => {
      const status = response.status();
      if (status >= 500) this.#faults.push(`status ${status} of ${response.url()}`);
      if (status >= 400 && response.request().isNavigationRequest()) this.#refusals.add(response.url());
    });
    context.on("console", (message) => {
      if (message.type() !== "error") return;
      const isRefusal = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
      if (isRefusal && this.#refusals.has(message.location().url)) return;
      this.#faults.push(`the console said: ${message.text()} (${message.location().url})`);
    });
    context.on("weberror", (error) => this.#faults.push(`a script failed: ${error.error()}`));
    context.on("dialog", (dialog) => {
      this.#faults.push(`a dialog said: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
  }

  /** Fails when a page did what it should not. */
  check() {
    assert.deepEqual(this.#faults, []);
  }

  /** What a page did that it should not, taken away: for the scenario that provokes it. */
  takeFaults() {
    return this.#faults.splice(0);
  }

  async goto(path) {
    return this.page.goto(path);
  }

  /** Signs in without the form, which has scenarios of its own, and opens the applications. */
  async signIn(role) {
    const { cookie } = await Session.open(this.keymint, role);
    const [name, value] = cookie.split("=");
    await this.context.addCookies([{ name, value, url: this.keymint.console, httpOnly: true, sameSite: "Lax" }]);
    await this.page.goto("/");
    return this;
  }

  /** Types into fields by their labels. */
  async fill(fields) {
    for (const [label, value] of Object.entries(fields)) await this.page.getByLabel(label).fill(value);
  }

  /** Presses the one button of this name and waits for the page it leads to. */
  async press(name, within = this.page) {
    await within.getByRole("button", { name, exact: true }).click();
  }

  /** Follows the one link of this name. */
  async follow(name) {
    await this.page.getByRole("link", { name, exact: true }).click();
  }

  async heading() {
    return (await this.page.getByRole("heading", { level: 1 }).innerText()).trim();
  }

  path() {
    const { pathname, search } = new URL(this.page.url());
    return pathname + search;
  }

  /** The row of a table that holds this text. */
  row(text) {
    return this.page.getByRole("row").filter({ hasText: text });
  }

  /** The key that the page shows. */
  async shownKey() {
    const text = (id) => this.page.locator(`#${id}`).innerText();
    return { keyId: await text("key-id"), secret: await text("secret") };
  }

  /** Generates a key on the page of an app's keys and leaves the browser where it is shown. */
  async generate(app, name = "") {
    await this.page.goto(`/apps/${app}/keys?mode=test`);
    await this.fill({ Name: name });
    await this.press("Generate API Key");
    await this.page.getByRole("heading", { name: "Your new Test key" }).waitFor();
    return this.shownKey();
  }

  /** Whether this text is anywhere in the page as it stands, shown or not. */
  async holds(text) {
    return (await this.page.content()).includes(text);
  }
}
