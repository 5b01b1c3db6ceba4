// The life of a key as a person sees it: generated, shown once, used, regenerated, revoked, and denied in the logs.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { scenario, scenarioWithAndWithoutScripts } from "../scenario.mjs";

const shown = (visitor) => visitor.page.getByRole("heading", { name: "Your new Test key" }).waitFor();
const listed = (visitor) => visitor.page.getByRole("heading", { name: "API keys", level: 1 }).waitFor();

/** Opens what may be done with a key. */
async function change(visitor, keyId) {
  const row = visitor.row(keyId);
  await row.getByText("Change", { exact: true }).click();
  return row;
}

let apps = 0;
const freshApp = (keymint) => keymint.app(`Keys ${(apps += 1)}`);

scenarioWithAndWithoutScripts("a generated key makes the first real call", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const visitor = await visit("owner");
  const key = await visitor.generate(app, "web shop");
  assert.equal(await keymint.call(key), 200);
  const other = key.secret.endsWith("a") ? "b" : "a";
  assert.equal(await keymint.call({ secret: key.secret.slice(0, -1) + other }), 401, "one letter off");
  await visitor.follow("I have saved the key");
  await listed(visitor);
  assert.match(await visitor.row(key.keyId).innerText(), /web shop/);
  assert.ok(!(await visitor.holds(key.secret)));
});

scenario("key id and secret are copied, each by its button", async ({ keymint, visit }) => {
  const visitor = await visit("owner");
  const key = await visitor.generate(await freshApp(keymint));
  const copy = visitor.page.getByRole("button", { name: /^Copy/ });
  for (const [index, value] of [key.keyId, key.secret].entries()) {
    await copy.nth(index).click();
    await visitor.page.getByRole("button", { name: "Copied" }).waitFor();
    assert.equal(await visitor.page.evaluate(() => navigator.clipboard.readText()), value);
    await visitor.page.getByRole("button", { name: "Copied" }).waitFor({ state: "detached" });
  }
});

scenario("the downloaded file opens and holds both values", async ({ keymint, visit }) => {
  const visitor = await visit("owner");
  const key = await visitor.generate(await freshApp(keymint));
  const [download] = await Promise.all([visitor.page.waitForEvent("download"), visitor.press("Download")]);
  assert.equal(download.suggestedFilename(), `${key.keyId}.json`);
  const saved = JSON.parse(await readFile(await download.path(), "utf8"));
  assert.deepEqual(saved, { key_id: key.keyId, secret: key.secret });
});

scenarioWithAndWithoutScripts("a reload shows no secret again and makes no second key", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const visitor = await visit("owner");
  const key = await visitor.generate(app);
  await visitor.page.reload();
  await listed(visitor);
  assert.match(await visitor.page.getByRole("status").innerText(), /has been shown already/);
  assert.ok(!(await visitor.holds(key.secret)));
  assert.equal((await keymint.api("GET", `/apps/${app}/credentials`)).items.length, 1);
});

scenarioWithAndWithoutScripts("the back button brings no secret back", async ({ keymint, visit }) => {
  const visitor = await visit("owner");
  const key = await visitor.generate(await freshApp(keymint));
  await visitor.follow("I have saved the key");
  await listed(visitor);
  // The answer to a form is not kept; the browser says so, and asks before it would send the form again.
  await assert.rejects(visitor.page.goBack(), /ERR_CACHE_MISS/);
  await visitor.page.waitForURL("chrome-error://chromewebdata/");
  assert.ok(!(await visitor.holds(key.secret)), "going back");
  await visitor.page.reload();
  await listed(visitor);
  assert.match(await visitor.page.getByRole("status").innerText(), /has been shown already/);
  assert.ok(!(await visitor.holds(key.secret)), "sending the form again");
});

scenarioWithAndWithoutScripts("a secret is in no address that the browser remembers", async ({ keymint, visit }) => {
  const visitor = await visit("owner");
  const addresses = [];
  visitor.context.on("request", (request) => addresses.push(request.url()));
  const key = await visitor.generate(await freshApp(keymint));
  await visitor.follow("I have saved the key");
  await listed(visitor);
  const wire = await visitor.context.newCDPSession(visitor.page);
  const { entries } = await wire.send("Page.getNavigationHistory");
  assert.ok(entries.length >= 3);
  for (const address of [...addresses, ...entries.flatMap((entry) => [entry.url, entry.title])]) {
    assert.ok(!address.includes(key.secret), address);
  }
});

scenarioWithAndWithoutScripts("regenerated with 24 hours, both keys work", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const old = await keymint.key(app, "checkout");
  const visitor = await visit("developer");
  await visitor.goto(`/apps/${app}/keys`);
  const row = await change(visitor, old.keyId);
  assert.equal(await row.getByLabel("The old key stops").inputValue(), "86400", "the calm choice is the first");
  await visitor.press("Regenerate Key", row);
  await shown(visitor);
  const key = await visitor.shownKey();
  assert.ok(await visitor.page.getByText(`${old.keyId} works until`).isVisible());
  assert.deepEqual([await keymint.call(old), await keymint.call(key)], [200, 200]);
  await visitor.follow("I have saved the key");
  await listed(visitor);
  assert.match(await visitor.row(old.keyId).innerText(), /retiring/i);
  assert.match(await visitor.row(key.keyId).innerText(), /active/i);
  assert.match(await visitor.row(key.keyId).innerText(), /checkout/, "it keeps the name");
});

scenarioWithAndWithoutScripts("regenerated with now, the old key is refused at once", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const old = await keymint.key(app);
  const visitor = await visit("developer");
  await visitor.goto(`/apps/${app}/keys`);
  const row = await change(visitor, old.keyId);
  await row.getByLabel("The old key stops").selectOption({ label: "now" });
  await visitor.press("Regenerate Key", row);
  await shown(visitor);
  const key = await visitor.shownKey();
  assert.deepEqual([await keymint.call(old), await keymint.call(key)], [401, 200]);
});

scenarioWithAndWithoutScripts("a revoked key is refused on its next request, and the logs say why", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const key = await keymint.key(app);
  assert.equal(await keymint.call(key), 200);
  const visitor = await visit("admin");
  await visitor.goto(`/apps/${app}/keys`);
  const row = await change(visitor, key.keyId);
  await row.getByLabel("Why").selectOption("compromised");
  await visitor.press("Revoke key", row);
  await visitor.page.getByText("No request with it is accepted any more").waitFor();
  assert.equal(await keymint.call(key), 401);
  assert.equal(await visitor.row(key.keyId).getByText("Change", { exact: true }).count(), 0, "nothing brings it back");
  await visitor.follow("Logs");
  const denied = visitor.row("denied");
  await denied.getByText("revoked").waitFor();
  assert.match(await denied.innerText(), /Use the successor, or generate a key/);
  assert.equal(await visitor.row("allowed").count(), 1);
  await visitor.page.getByLabel("Denied because").selectOption("wrong_secret");
  await visitor.press("Filter");
  await visitor.page.getByRole("heading", { name: "No requests" }).waitFor();
  await visitor.page.getByLabel("Denied because").selectOption("revoked");
  await visitor.press("Filter");
  await denied.waitFor();
  assert.equal(await visitor.row("allowed").count(), 0);
});

scenarioWithAndWithoutScripts("a second key beside a living one is refused and the name is kept", async ({ keymint, visit }) => {
  const app = await keymint.app(`One key ${(apps += 1)}`, "kpay");
  await keymint.key(app);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/keys`);
  await visitor.fill({ Name: "another" });
  await visitor.press("Generate API Key");
  assert.match(await visitor.page.getByRole("alert").innerText(), /Roll the one there is/);
  assert.equal(await visitor.page.getByLabel("Name").inputValue(), "another");
  assert.equal((await keymint.api("GET", `/apps/${app}/credentials`)).items.length, 1);
});
