// People: from signing up to a live key that needs a second factor, with codes out of the Outbox and an authenticator app
// of our own (RFC 6238).

import assert from "node:assert/strict";

import { beginMailCodes, codeTo, fresh, PASSWORD, setUpAuthenticator, signUp, totp } from "../person.mjs";
import { scenario, scenarioWithAndWithoutScripts } from "../scenario.mjs";

scenarioWithAndWithoutScripts("a person signs up, sets up an authenticator app and makes a live key with it", async ({ keymint, visit }) => {
  const visitor = await visit();
  const { page } = visitor;
  const merchant = await signUp(visitor, fresh("live"));
  assert.match(await page.locator("main").innerText(), /You have not registered any Application yet/);
  await keymint.api("PUT", `/merchants/${merchant}/activation`, { state: "approved", reason: "checked" });
  const form = { product: "keymint", name: "Till", email: "a@b.example", address: "1", country: "IN", postal_code: "1" };
  const { id: app } = await keymint.api("POST", `/merchants/${merchant}/apps`, form);

  await visitor.goto(`/apps/${app}/keys?mode=live`);
  await visitor.press("Generate API Key");
  assert.match(await page.locator("main").innerText(), /needs a second factor/, "nobody makes one without");
  const secret = await setUpAuthenticator(visitor);
  await visitor.follow("I have saved the codes");
  await visitor.goto(`/apps/${app}/keys?mode=live`);
  await page.locator("form.inline input[name=name]").fill("till 1");
  await visitor.press("Generate API Key");
  await page.getByRole("heading", { name: "Confirm it is you" }).waitFor();
  await page.getByLabel("Code").fill("000000");
  await visitor.press("Generate the Live key");
  assert.match(await page.getByRole("alert").innerText(), /not right/);
  await page.getByLabel("Code").fill(totp(secret, 1));
  await visitor.press("Generate the Live key");
  const keyId = await page.locator("#key-id").innerText();
  assert.match(keyId, /^km_live_/);
  await page.getByRole("link", { name: "I have saved the key" }).click();
  assert.match(await visitor.row(keyId).innerText(), /till 1/, "what was typed before the challenge is not lost");
});

scenario("five wrong codes end a challenge, and a new one opens", async ({ visit }) => {
  const visitor = await visit();
  const email = fresh("five");
  await signUp(visitor, email);
  const secret = await setUpAuthenticator(visitor);
  await visitor.goto("/security");
  await visitor.press("Sign out");
  const enter = async () => {
    await visitor.fill({ Email: email, Password: PASSWORD });
    await visitor.press("Sign in");
    await visitor.page.getByRole("heading", { name: "Second step" }).waitFor();
  };
  const give = async (code) => {
    await visitor.page.getByLabel("Code").fill(code);
    await visitor.press("Sign in");
  };
  await enter();
  for (let wrong = 0; wrong < 5; wrong += 1) await give("000000");
  await give(totp(secret, 1));
  assert.match(await visitor.page.getByRole("alert").innerText(), /After five tries sign in anew/, "though it is right");
  await visitor.page.getByRole("link", { name: "Sign in anew" }).click();
  await enter();
  await give(totp(secret, 1));
  await visitor.page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
});

scenarioWithAndWithoutScripts("a forgotten password is set anew and the other sign-in is ended", async ({ visit }) => {
  const here = await visit();
  const email = fresh("forgot");
  await signUp(here, email);
  const elsewhere = await visit();
  await elsewhere.goto("/forgot");
  await elsewhere.fill({ Email: email });
  await elsewhere.press("Send a code");
  await elsewhere.page.getByLabel("Code").fill(await codeTo(elsewhere, email, 8));
  await elsewhere.page.getByLabel("New password").fill("violin thirteen gravel moss");
  await elsewhere.press("Set password");
  await elsewhere.page.getByRole("status").waitFor();
  await elsewhere.fill({ Email: email, Password: "violin thirteen gravel moss" });
  await elsewhere.press("Sign in");
  await elsewhere.page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
  await here.goto("/security");
  assert.equal(here.path(), "/sign-in");
});

scenarioWithAndWithoutScripts("codes by mail prove, until a new password by mail makes them rest", async ({ keymint, visit }) => {
  const visitor = await visit();
  const { page } = visitor;
  const email = fresh("mail");
  const merchant = await signUp(visitor, email);
  await keymint.api("PUT", `/merchants/${merchant}/activation`, { state: "approved", reason: "checked" });
  const form = { product: "keymint", name: "Till", email: "a@b.example", address: "1", country: "IN", postal_code: "1" };
  const { id: app } = await keymint.api("POST", `/merchants/${merchant}/apps`, form);
  await beginMailCodes(visitor);
  await page.getByLabel("Code").fill("000000");
  await visitor.press("Turn on");
  assert.match(await page.getByRole("alert").innerText(), /not right/);
  await page.getByLabel("Code").fill(await codeTo(visitor, email, 6));
  await visitor.press("Turn on");
  assert.match(await page.getByRole("status").innerText(), /turned on/);
  await visitor.goto(`/apps/${app}/keys?mode=live`);
  await visitor.press("Generate API Key");
  await page.getByLabel("Code").fill(await codeTo(visitor, email, 6));
  await visitor.press("Generate the Live key");
  assert.match(await page.locator("#key-id").innerText(), /^km_live_/);

  const anew = await visit();
  await anew.goto("/forgot");
  await anew.fill({ Email: email });
  await anew.press("Send a code");
  await anew.fill({ Code: await codeTo(anew, email, 8), "New password": "violin thirteen gravel moss" });
  await anew.press("Set password");
  await anew.fill({ Email: email, Password: "violin thirteen gravel moss" });
  await anew.press("Sign in");
  await anew.page.getByLabel("Code").fill(await codeTo(anew, email, 6));
  await anew.press("Sign in");
  await anew.page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
  await anew.goto(`/apps/${app}/keys?mode=live`);
  await anew.press("Generate API Key");
  assert.equal(anew.path(), "/security?needed=1");
  assert.match(await anew.page.getByRole("status").innerText(), /do not count for live keys/);
  await anew.press("Turn codes by mail off");
  assert.equal(anew.path(), "/security?needed=1", "nor does it do anything here");
});

scenarioWithAndWithoutScripts("a phone proves with a code, and a team is invited with it", async ({ visit }) => {
  const owner = await visit();
  const merchant = await signUp(owner, fresh("owner"));
  const phone = `+9198765${String(Date.now()).slice(-5)}`;
  await owner.goto("/security");
  await owner.page.getByLabel("Phone number").fill(phone);
  await owner.page.locator("form[action='/security/phone'] input[name=password]").fill(PASSWORD);
  await owner.press("Send a code");
  await owner.page.locator("input[name=code]").fill(await codeTo(owner, phone, 6));
  await owner.press("Confirm");
  await owner.page.getByRole("status").waitFor();

  const invited = fresh("bob");
  await owner.goto(`/merchants/${merchant}/team`);
  await owner.page.locator("form.inline input[name=email]").fill(invited);
  await owner.page.locator("form.inline select").selectOption("viewer");
  await owner.press("Invite");
  await owner.page.getByLabel("Code").fill(await codeTo(owner, phone, 6));
  await owner.press("Invite");
  assert.match(await owner.row(invited).innerText(), /viewer/i);

  const bob = await visit();
  await signUp(bob, invited);
  await bob.goto("/invitations");
  await bob.press("Accept");
  assert.equal(bob.path(), `/merchants/${merchant}/apps`);
  assert.equal(await bob.page.getByRole("link", { name: "Add App" }).count(), 0, "a viewer adds nothing");
  await bob.goto(`/merchants/${merchant}/team`);
  assert.equal(await bob.page.getByRole("button", { name: "Invite" }).count(), 0);
});
