// Webhooks as a person finds them: an endpoint is added, its secret saved, a test event sent and looked at, the secret rolled,
// the endpoint disabled and deleted.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";

import { serve } from "../elsewhere.mjs";
import { scenarioWithAndWithoutScripts } from "../scenario.mjs";

let apps = 0;

scenarioWithAndWithoutScripts("an endpoint is added, called, given another secret and deleted", async ({ keymint, visit }) => {
  const app = await keymint.app(`Hooked ${(apps += 1)}`, "kpay");
  const got = [];
  let status = 500;
  const server = await serve({ "/hook": (body, headers) => (got.push({ body, headers }), { status, body: "noted" }) });
  try {
    const visitor = await visit("owner");
    await visitor.goto(`/apps/${app}`);
    await visitor.follow("Webhooks");
    await visitor.page.getByRole("heading", { name: "No Test endpoint" }).waitFor();
    await visitor.page.getByRole("textbox", { name: "URL" }).fill("https://10.0.0.1/hook");
    await visitor.press("Add endpoint");
    await visitor.page.getByText("private ip found for host").waitFor();
    assert.equal(await visitor.page.getByRole("textbox", { name: "URL" }).inputValue(), "https://10.0.0.1/hook");
    await visitor.page.getByRole("textbox", { name: "URL" }).fill(`${server.origin}/hook`);
    await visitor.press("Add endpoint");
    const secret = await visitor.page.locator("#secret").innerText();
    await visitor.follow("I have saved the secret");
    assert.ok(!(await visitor.page.content()).includes(secret), "shown once");

    await visitor.page.getByRole("combobox", { name: "Event", exact: true }).selectOption("payment.completed");
    await visitor.press("Send test event");
    await visitor.page.getByText("The test event is on its way.").waitFor();
    while (got.length < 1) await visitor.page.waitForTimeout(20);
    status = 200;
    while (got.length < 2) await visitor.page.waitForTimeout(20);
    for (const { body, headers } of got) {
      assert.equal(headers["x-kpay-signature"], createHmac("sha256", secret).update(body).digest("hex"));
    }
    await visitor.page.reload();
    await visitor.follow("payment.completed");
    const tries = visitor.page.getByRole("region", { name: "Tries" }).getByRole("row");
    assert.match(await tries.nth(1).innerText(), /500[^]*answered 500[^]*noted/i);
    assert.match(await tries.nth(2).innerText(), /200[^]*taken/i);
    await visitor.press("Resend");
    await visitor.page.getByText("The event is sent once more.").waitFor();
    while (got.length < 3) await visitor.page.waitForTimeout(20);
    assert.equal(got[2].body, got[0].body);

    await visitor.page.getByRole("link", { name: "127.0.0.1" }).click();
    await visitor.press("Roll the secret");
    const next = await visitor.page.locator("#secret").innerText();
    assert.notEqual(next, secret);
    await visitor.follow("I have saved the secret");
    await visitor.press("Disable");
    await visitor.page.getByText("The endpoint is disabled.").waitFor();
    assert.equal(await visitor.page.getByRole("button", { name: "Send test event" }).count(), 0);
    await visitor.press("Enable");
    await visitor.press("Delete endpoint");
    await visitor.page.getByText("The endpoint is deleted.").waitFor();
    await visitor.page.getByRole("heading", { name: "No Test endpoint" }).waitFor();
  } finally {
    server.close();
  }
});
