// What each role finds on the pages, and what it does not.

import assert from "node:assert/strict";

import { scenarioWithAndWithoutScripts } from "../scenario.mjs";

/** Whether the page offers it: Add App, Generate API Key in test mode, Change on a key, Logs, live keys. */
const OFFERED = {
  owner: { addApp: true, generate: true, change: true, logs: true, live: true },
  admin: { addApp: true, generate: true, change: true, logs: true, live: true },
  developer: { addApp: true, generate: true, change: true, logs: true, live: false },
  viewer: { addApp: false, generate: false, change: false, logs: false, live: false },
};

for (const [role, offered] of Object.entries(OFFERED)) {
  scenarioWithAndWithoutScripts(`the pages offer to the ${role} what the role may do`, async ({ keymint, visit }) => {
    const app = await keymint.app(`Roles ${role} ${Date.now()}`);
    const key = await keymint.key(app);
    const visitor = await visit(role);
    const { page } = visitor;
    const home = visitor.path();
    const links = (name) => page.getByRole("link", { name, exact: true }).count();
    const found = { addApp: (await links("Add App")) === 1 };
    await visitor.goto(`/apps/${app}/keys`);
    assert.ok(await visitor.row(key.keyId).isVisible(), "everybody sees the key ids");
    found.generate = (await page.getByRole("button", { name: "Generate API Key" }).count()) === 1;
    found.change = (await visitor.row(key.keyId).getByText("Change", { exact: true }).count()) === 1;
    found.logs = (await links("Logs")) === 1;
    await visitor.goto(`/apps/${app}/keys?mode=live`);
    found.live = (await page.getByRole("button", { name: "Generate API Key" }).count()) === 1;
    const said = await page.locator("main").innerText();
    assert.equal(said.includes(`Your role, ${role}, does not generate Live keys`), !offered.live);
    assert.deepEqual(found, offered);
    if (found.live) {
      await page.getByRole("button", { name: "Generate API Key" }).click();
      await page.waitForURL(/security\?needed=1/);
      assert.match(await page.locator("main").innerText(), /needs a second factor/, "and is led to set one up");
    }

    const typed = async (path) => (await visitor.goto(path)).status();
    assert.equal(await typed(`${home}/new`), offered.addApp ? 200 : 403, "the address typed in says the same");
    assert.equal(await typed(`/apps/${app}/logs`), offered.logs ? 200 : 403);
    if (!offered.logs) assert.equal(await visitor.heading(), "Not allowed");
  });
}
