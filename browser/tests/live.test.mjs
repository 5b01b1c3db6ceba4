// The logs while they are watched: what is called appears on top without a reload, as long as somebody looks.

import assert from "node:assert/strict";

import { scenario, scenarioWithAndWithoutScripts } from "../scenario.mjs";

let apps = 0;
const freshApp = (keymint) => keymint.app(`Watched ${(apps += 1)}`);
const revoke = (keymint, key) => keymint.api("POST", `/credentials/${key.keyId}/revoke`, { reason: "superseded" });
const rows = (visitor) => visitor.page.locator("#rows tr");
const live = (visitor) => visitor.page.getByRole("button", { name: "Live", exact: true });

/** Leaves a mark that a reload would take away. */
const mark = (visitor) => visitor.page.evaluate(() => (document.body.dataset.mark = "here"));
const isMarked = (visitor) => visitor.page.evaluate(() => document.body.dataset.mark === "here");

scenario("a call appears on top without a reload, and a denied one says why", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const key = await keymint.key(app);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/logs`);
  await visitor.page.getByRole("heading", { name: "No requests" }).waitFor();
  await mark(visitor);
  await keymint.call(key, "/v1/before");
  await live(visitor).click();
  assert.equal(await live(visitor).getAttribute("aria-pressed"), "true");
  await visitor.row("/v1/before").waitFor();
  assert.ok(await visitor.page.getByRole("heading", { name: "No requests" }).isHidden());
  await revoke(keymint, key);
  assert.equal(await keymint.call(key), 401);
  await visitor.row("GET /v1/whoami").waitFor();
  assert.match(await rows(visitor).first().innerText(), /^denied[^]*revoked\. /i);
  assert.equal(await rows(visitor).count(), 2);
  assert.match(await visitor.page.getByRole("status").innerText(), /^2 new$/);
  assert.ok(await isMarked(visitor));

  await live(visitor).click();
  assert.equal(await live(visitor).getAttribute("aria-pressed"), "false");
  const asked = [];
  visitor.page.on("request", (request) => asked.push(request.url()));
  assert.equal(await keymint.call(key, "/v1/after"), 401);
  await visitor.page.waitForTimeout(2500);
  assert.deepEqual([asked, await rows(visitor).count()], [[], 2], "switched off");
});

scenario("filters hold, and a page keeps its newest 200 rows", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const key = await keymint.key(app);
  for (let n = 0; n < 50; n += 1) await keymint.call(key, `/v1/old/${n}`);
  const visitor = await visit("owner");
  const narrow = await visit("owner");
  await visitor.goto(`/apps/${app}/logs`);
  await narrow.goto(`/apps/${app}/logs?reason=revoked`);
  await live(visitor).click();
  await live(narrow).click();
  for (let n = 0; n < 160; n += 1) await keymint.call(key, `/v1/new/${n}`);
  await revoke(keymint, key);
  await keymint.call(key);
  await visitor.row("/v1/whoami").waitFor();
  assert.equal(await rows(visitor).count(), 200);
  assert.match(await rows(visitor).last().innerText(), /\/v1\/old\/11\n/, "the oldest have gone");
  await narrow.row("/v1/whoami").waitFor();
  assert.equal(await rows(narrow).count(), 1);
});

scenario("it rests while nobody looks and ends after ten minutes", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const key = await keymint.key(app);
  const visitor = await visit("owner");
  await visitor.page.clock.install();
  await visitor.goto(`/apps/${app}/logs`);
  let asked = 0;
  visitor.page.on("request", (request) => (asked += Number(request.url().includes("/newer"))));
  const hide = (isHidden) =>
    visitor.page.evaluate((value) => Object.defineProperty(document, "hidden", { value, configurable: true }), isHidden);
  await hide(true);
  await live(visitor).click();
  await visitor.page.clock.runFor(20_000);
  assert.equal(asked, 0);
  await hide(false);
  await keymint.call(key, "/v1/seen");
  await visitor.page.clock.runFor(2_000);
  await visitor.row("/v1/seen").waitFor();
  await visitor.page.clock.fastForward(600_000);
  await visitor.page.getByText("Live ended after ten minutes").waitFor();
  assert.equal(await live(visitor).getAttribute("aria-pressed"), "false");
});

scenario("whoever was signed out is told that it ended", async ({ keymint, visit }) => {
  const app = await freshApp(keymint);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/logs`);
  await visitor.context.clearCookies();
  await live(visitor).click();
  await visitor.page.getByText("Live ended: reload the page").waitFor();
});

scenarioWithAndWithoutScripts("without the switch there is a link to what is newest", async ({ keymint, visit, hasScripts }) => {
  const app = await freshApp(keymint);
  const key = await keymint.key(app);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/logs?mode=test`);
  assert.equal(await live(visitor).isVisible(), hasScripts);
  await keymint.call(key, "/v1/seen");
  await visitor.follow("Refresh");
  await visitor.row("/v1/seen").waitFor();
  assert.match(visitor.path(), /mode=test/);
});
