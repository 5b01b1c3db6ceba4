// Getting about by keyboard and by search, and what a page says of what was just done.

import assert from "node:assert/strict";

import { scenario, scenarioWithAndWithoutScripts } from "../scenario.mjs";

scenario("shortcuts lead to places, and are letters where somebody types", async ({ visit }) => {
  const visitor = await visit("owner");
  const { page } = visitor;
  const home = visitor.path();
  const go = async (letter) => {
    const before = page.url();
    await page.keyboard.press("g");
    await page.keyboard.press(letter);
    await page.waitForURL((url) => url.href !== before);
    return visitor.heading();
  };
  assert.equal(await go("t"), "Team");
  await page.getByRole("textbox", { name: "Email" }).pressSequentially("ga");
  assert.equal(await visitor.heading(), "Team", "typed letters are letters");
  assert.equal(await page.getByRole("textbox", { name: "Email" }).inputValue(), "ga");
  await page.locator("main").focus();
  assert.equal(await go("l"), "Audit log");
  assert.equal(await go("s"), "Security");
  await page.keyboard.press("a");
  await page.keyboard.press("z");
  assert.equal(await visitor.heading(), "Security", "a letter alone leads nowhere");
  await page.keyboard.press("?");
  const dialog = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await dialog.waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  assert.equal(await visitor.heading(), "Security", "not behind a dialog");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  const search = page.getByRole("searchbox");
  for (const keys of ["/", "Control+k"]) {
    await page.locator("main").focus();
    await page.keyboard.press(keys);
    assert.ok(await search.evaluate((input) => input === document.activeElement), keys);
    assert.equal(await search.inputValue(), "", "the key itself is not typed");
  }
  assert.match(home, /\/apps$/);
});

scenarioWithAndWithoutScripts("an id leads straight to what it names, a word to a list", async ({ keymint, visit }) => {
  const name = `Findable <b>${Date.now()}</b>`;
  const app = await keymint.app(name);
  const key = await keymint.key(app, "found by its id");
  const visitor = await visit("viewer");
  const { page } = visitor;
  const search = async (text) => {
    await page.getByRole("searchbox").fill(text);
    await page.getByRole("searchbox").press("Enter");
    await page.waitForLoadState("load");
  };
  await search(` ${app} `);
  assert.equal(visitor.path(), `/apps/${app}`);
  await search(key.keyId);
  assert.equal(visitor.path(), `/apps/${app}/keys?mode=test`);
  assert.ok(await visitor.row(key.keyId).isVisible());
  await search(key.keyId.slice(0, -1));
  assert.match(await page.locator("main").innerText(), /Nothing found/, "a byte less is nothing");
  await search(name.toUpperCase());
  await page.getByRole("link", { name, exact: true }).click();
  assert.equal(visitor.path(), `/apps/${app}`);
  await search("compan");
  await page.locator("main").getByRole("link", { name: "Company", exact: true }).click();
  assert.equal(await visitor.heading(), "Company");
});

scenario("what was just done has the focus, so it is read aloud, and a form is sent once", async ({ keymint, visit }) => {
  const app = await keymint.app(`Said ${Date.now()}`);
  const key = await keymint.key(app);
  const visitor = await visit("owner");
  const { page } = visitor;
  await visitor.goto(`/apps/${app}/keys`);
  await visitor.row(key.keyId).getByText("Change", { exact: true }).click();
  await visitor.press("Revoke key", visitor.row(key.keyId));
  const said = page.getByRole("status");
  assert.match(await said.innerText(), /^The key is revoked\./);
  await page.locator("[role=status]:focus").waitFor();

  let sent = 0;
  page.on("request", (request) => { if (request.method() === "POST") sent += 1; });
  await page.route(`**/apps/${app}/keys`, async (route) => {
    if (route.request().method() === "POST") await new Promise((done) => { setTimeout(done, 500); });
    await route.continue();
  });
  const generate = page.getByRole("button", { name: "Generate API Key" });
  await generate.dblclick({ noWaitAfter: true });
  await page.locator("#key-id").waitFor();
  assert.equal(sent, 1, "the second click of a hurried hand");
});
