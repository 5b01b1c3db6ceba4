// The way from signing in to a revoked key with the keyboard alone: Tab, Enter, Space and the arrows. Wherever the focus
// stops it is seen, and what a form has led to has it.

import assert from "node:assert/strict";

import { scenario } from "../scenario.mjs";

/** More stops than any page here has. */
const STOPS_MAX = 80;

/** What has the focus: its tag, its name as it is read, the row it stands in, and how its focus is drawn. */
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const label = element.labels?.[0];
    const words = element.getAttribute("aria-label") ?? (label ?? element).innerText;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const { width, height, top, bottom, left, right } = element.getBoundingClientRect();
    return {
      tag: element.localName,
      name: words.split("\n")[0].trim(),
      role: element.getAttribute("role"),
      text: element.innerText,
      row: element.closest("tr")?.innerText ?? "",
      value: element.value,
      outline: outlineStyle === "none" ? 0 : Number.parseFloat(outlineWidth),
      isInView: width > 0 && height > 0 && bottom > 0 && right > 0 && top < innerHeight && left < innerWidth,
    };
  });

function isSeen(stop, at) {
  assert.notEqual(stop.tag, "body", `${at}: the focus is lost`);
  assert.ok(stop.outline >= 2, `${at}: the focus on ${stop.tag} "${stop.name}" is not drawn`);
  assert.ok(stop.isInView, `${at}: ${stop.tag} "${stop.name}" is out of sight`);
}

/** A page that has just come gives its focus with its first frame. */
const hasFocus = (page) => page.locator(":focus").waitFor();

/** Goes from stop to stop until the one whose name begins so has the focus; each of them is looked at. */
async function to(page, name, { key = "Tab", row = "" } = {}) {
  const passed = [];
  for (let stops = 0; stops < STOPS_MAX; stops += 1) {
    await page.keyboard.press(key);
    const stop = await focused(page);
    isSeen(stop, `${page.url()} after ${passed.at(-1) ?? "its beginning"}`);
    if (stop.name.startsWith(name) && stop.row.includes(row)) return stop;
    passed.push(stop.name);
  }
  return assert.fail(`${page.url()}: no "${name}" among ${passed.join(", ")}`);
}

async function typeInto(page, fields) {
  for (const [name, value] of Object.entries(fields)) {
    await to(page, name);
    await page.keyboard.type(value);
  }
}

/** What the page of a form's answer says has the focus, and is seen. */
async function isTold(page, words) {
  await page.getByText(words).waitFor();
  await hasFocus(page);
  const stop = await focused(page);
  isSeen(stop, page.url());
  assert.match(stop.text, words);
}

/** The key that the page shows, copied, and on to the list. */
async function saved(page) {
  await isTold(page, /Your new Test key/);
  const keyId = await page.locator("#key-id").innerText();
  const secret = await page.locator("#secret").innerText();
  await to(page, "Copy");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), keyId);
  await to(page, "I have saved the key");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "API keys", level: 1 }).waitFor();
  return { keyId, secret };
}

scenario("from signing in to a revoked key by keyboard alone", async ({ keymint, visit }) => {
  const { page } = await visit();
  const { email, password } = keymint.user("owner");
  await page.goto("/sign-in");
  await hasFocus(page);
  assert.equal((await focused(page)).name, "Email", "one may type at once");
  await page.keyboard.type(email);
  await typeInto(page, { Password: password });
  await to(page, "Sign in");
  await page.keyboard.press("Space");

  await page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
  await to(page, "Skip to content");
  await page.keyboard.press("Enter");
  await to(page, "Add App");
  await page.keyboard.press("Enter");

  await page.getByRole("heading", { name: "Add App", level: 1 }).waitFor();
  await to(page, "Product");
  await page.keyboard.press("Home");
  for (let tries = 0; (await focused(page)).value !== "keymint"; tries += 1) {
    assert.ok(tries < 10, "the product is in the list");
    await page.keyboard.press("ArrowDown");
  }
  const name = `By keyboard ${Date.now()}`;
  await typeInto(page, { "App Name": "ab" });
  await to(page, "Add App");
  await page.keyboard.press("Enter");
  await page.locator("[aria-invalid]").first().waitFor();
  await hasFocus(page);
  const wrong = await focused(page);
  isSeen(wrong, "a form with a mistake");
  assert.equal(wrong.name, "App Name", "the first mistake has the focus");
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(name);
  await typeInto(page, { Email: "a@b.example", Address: "12 MG Road", Country: "IN", "Zip Code": "560001" });
  await to(page, "Add App");
  await page.keyboard.press("Space");

  await isTold(page, /registered/);
  await typeInto(page, { Name: "till" });
  await to(page, "Generate API Key");
  await page.keyboard.press("Enter");
  const old = await saved(page);

  await to(page, "Change", { row: old.keyId });
  await page.keyboard.press("Enter");
  assert.equal((await to(page, "The old key stops")).value, "86400", "24 hours");
  await to(page, "Regenerate Key");
  await page.keyboard.press("Enter");
  const key = await saved(page);
  assert.deepEqual([await keymint.call(old), await keymint.call(key)], [200, 200]);

  await to(page, "Change", { row: old.keyId });
  await page.keyboard.press("Space");
  await to(page, "It stops");
  await page.keyboard.press("ArrowDown");
  assert.equal((await focused(page)).value, "86400");
  await page.keyboard.press("ArrowUp");
  assert.equal((await focused(page)).value, "0", "now");
  await to(page, "Move the end");
  await page.keyboard.press("Enter");
  await isTold(page, /The end is moved/);
  assert.deepEqual([await keymint.call(old), await keymint.call(key)], [401, 200]);

  await to(page, "Change", { row: key.keyId });
  await page.keyboard.press("Enter");
  await to(page, "Why");
  await page.keyboard.press("ArrowDown");
  assert.equal((await focused(page)).value, "compromised");
  await to(page, "Revoke key");
  await page.keyboard.press("Space");
  await isTold(page, /No request with it is accepted any more/);
  assert.equal(await keymint.call(key), 401);

  await to(page, "Sign out", { key: "Shift+Tab" });
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  await hasFocus(page);
  assert.equal((await focused(page)).name, "Email");
});
