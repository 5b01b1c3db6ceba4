// Passkeys in a real Chromium with a virtual authenticator: added, used to sign in alone and as the second step, asked for
// before a live key is made, and removed; and what is refused though the browser sends it.

import assert from "node:assert/strict";

import { addPasskey, beginPasskey, codeTo, fresh, PASSWORD, setUpAuthenticator, signUp, totp, withPasskeys } from "../person.mjs";
import { scenario, stage } from "../scenario.mjs";

/** A window that looks at the console under its name. */
const byName = () => ({ baseURL: stage.keymint.named });
const heading = (visitor, name) => visitor.page.getByRole("heading", { name, level: 1 }).waitFor();
const signOut = async (visitor) => {
  await visitor.goto("/security");
  await visitor.press("Sign out");
  await heading(visitor, "Sign in");
};
const enter = async (visitor, email) => {
  await visitor.goto("/sign-in");
  await visitor.fill({ Email: email, Password: PASSWORD });
  await visitor.press("Sign in");
  await heading(visitor, "Second step");
};

/** Lets the next answer of the authenticator be changed before the form goes: gives it back as it was. */
const tamper = (page, change) =>
  page.evaluate((change) => {
    const edit = new Function("reply", change);
    const submit = HTMLFormElement.prototype.submit;
    HTMLFormElement.prototype.submit = function () {
      HTMLFormElement.prototype.submit = submit;
      const reply = JSON.parse(this.elements.code.value);
      edit(reply);
      this.elements.code.value = JSON.stringify(reply);
      submit.call(this);
    };
  }, change);

scenario("a person adds a passkey, signs in with it alone and with it as the second step, and removes it", async ({ visit }) => {
  const visitor = await visit(undefined, byName());
  const email = fresh("passkey");
  await signUp(visitor, email);
  const device = await withPasskeys(visitor);
  await addPasskey(visitor, "Laptop");
  assert.match(await visitor.row("Laptop").innerText(), /never/);
  const [key] = await device.keys();
  assert.ok(key.isResidentCredential, "it can be found without an address");

  await signOut(visitor);
  await visitor.press("Sign in with a passkey");
  await heading(visitor, "Applications");
  await visitor.goto("/security");
  assert.match(await visitor.page.locator("main").innerText(), /You have confirmed that it is you/, "it is the second proof too");
  assert.doesNotMatch(await visitor.row("Laptop").innerText(), /never/);

  await signOut(visitor);
  await enter(visitor, email);
  await visitor.press("Use your passkey");
  await heading(visitor, "Applications");

  await visitor.goto("/security");
  await visitor.press("Remove Laptop");
  assert.match(await visitor.page.getByRole("status").innerText(), /removed/);
  await signOut(visitor);
  await visitor.press("Sign in with a passkey");
  assert.match(await visitor.page.getByRole("alert").first().innerText(), /not accepted/, "the device still has it");
  await visitor.fill({ Email: email, Password: PASSWORD });
  await visitor.press("Sign in");
  await heading(visitor, "Applications");
});

scenario("a live key is made with a passkey, which answers for that act alone", async ({ keymint, visit }) => {
  const visitor = await visit(undefined, byName());
  const { page } = visitor;
  const email = fresh("stepup");
  const merchant = await signUp(visitor, email);
  await keymint.api("PUT", `/merchants/${merchant}/activation`, { state: "approved", reason: "checked" });
  const form = { product: "keymint", name: "Till", email: "a@b.example", address: "1", country: "IN", postal_code: "1" };
  const { id: app } = await keymint.api("POST", `/merchants/${merchant}/apps`, form);
  await withPasskeys(visitor);
  await addPasskey(visitor, "Laptop");
  await visitor.goto(`/apps/${app}/keys?mode=live`);
  await page.locator("form.inline input[name=name]").fill("till 1");
  await visitor.press("Generate API Key");
  await heading(visitor, "Confirm it is you");
  await tamper(page, "reply.response.signature = reply.response.signature.slice(0, -6) + 'AAAAAA'");
  await visitor.press("Generate the Live key");
  assert.match(await page.getByRole("alert").first().innerText(), /not accepted/);
  await visitor.press("Generate the Live key");
  const keyId = await page.locator("#key-id").innerText();
  assert.match(keyId, /^km_live_/);
  await page.getByRole("link", { name: "I have saved the key" }).click();
  assert.match(await visitor.row(keyId).innerText(), /till 1/, "what was typed before the challenge is not lost");
});

scenario("whoever has an authenticator app or a phone as well may use that instead", async ({ visit }) => {
  const visitor = await visit(undefined, byName());
  const email = fresh("instead");
  await signUp(visitor, email);
  const phone = `+9198766${String(Date.now()).slice(-5)}`;
  await visitor.goto("/security");
  await visitor.page.getByLabel("Phone number").fill(phone);
  await visitor.page.locator("form[action='/security/phone'] input[name=password]").fill(PASSWORD);
  await visitor.press("Send a code");
  await visitor.page.locator("input[name=code]").fill(await codeTo(visitor, phone, 6));
  await visitor.press("Confirm");
  await withPasskeys(visitor);
  await beginPasskey(visitor, "Laptop");
  await visitor.page.getByLabel("Code").fill(await codeTo(visitor, phone, 6));
  await visitor.press("Confirm it is you");
  await addPasskey(visitor, "Laptop");

  await signOut(visitor);
  await enter(visitor, email);
  await visitor.press("Send a code to my phone instead");
  await visitor.page.getByLabel("Code").fill(await codeTo(visitor, phone, 6));
  await visitor.press("Sign in");
  await heading(visitor, "Applications");
  const secret = await setUpAuthenticator(visitor);
  await signOut(visitor);
  await enter(visitor, email);
  await visitor.page.getByLabel("Code").fill("000000");
  await visitor.press("Sign in");
  assert.match(await visitor.page.getByRole("alert").first().innerText(), /not right/);
  assert.ok(await visitor.page.getByRole("button", { name: "Use your passkey" }).isVisible(), "it may still be used");
  await visitor.page.getByLabel("Code").fill(totp(secret, 1));
  await visitor.press("Sign in");
  await heading(visitor, "Applications");
});

scenario("a device that has the passkey already adds no other one, and says so", async ({ visit }) => {
  const visitor = await visit(undefined, byName());
  const { page } = visitor;
  await signUp(visitor, fresh("device"));
  const device = await withPasskeys(visitor);
  await addPasskey(visitor, "Laptop");
  await beginPasskey(visitor, "Again");
  await visitor.press("Confirm it is you");
  await page.waitForURL(/\/security$/);
  await beginPasskey(visitor, "Again");
  await visitor.press("Create the passkey");
  await page.getByText("is on this device already").waitFor();
  assert.equal((await device.keys()).length, 1);
});

scenario("a device that does not verify its user lets nobody in, though the browser is told that it need not", async ({ visit }) => {
  const visitor = await visit(undefined, byName());
  const { page } = visitor;
  const email = fresh("unverified");
  await signUp(visitor, email);
  const device = await withPasskeys(visitor);
  await addPasskey(visitor, "Laptop");
  await signOut(visitor);
  await enter(visitor, email);
  await device.send("setUserVerified", { isUserVerified: false });
  await visitor.press("Use your passkey");
  await page.getByText("Nothing was confirmed").waitFor();
  await page.evaluate(() => {
    const form = document.querySelector("form.passkey");
    form.dataset.options = form.dataset.options.replace('"required"', '"discouraged"');
  });
  await visitor.press("Use your passkey");
  await page.getByText("This passkey was not accepted").waitFor();
  await device.send("setUserVerified", { isUserVerified: true });
  await visitor.press("Use your passkey");
  await heading(visitor, "Applications");
});

scenario("whoever has lost the device signs in with a recovery code, once", async ({ visit }) => {
  const visitor = await visit(undefined, byName());
  const { page } = visitor;
  const email = fresh("lost");
  await signUp(visitor, email);
  await withPasskeys(visitor);
  await addPasskey(visitor, "Laptop");
  await visitor.press("Make new recovery codes");
  await visitor.press("Make new recovery codes");
  const code = await page.locator("#recovery code").first().innerText();
  const give = async () => {
    await signOut(visitor);
    await enter(visitor, email);
    await page.getByText("Use a recovery code").click();
    await page.getByLabel("Recovery code").fill(code);
    await visitor.press("Sign in");
  };
  await give();
  await heading(visitor, "Applications");
  await give();
  assert.match(await page.getByRole("alert").first().innerText(), /not right/);
});

scenario("what another browser has overheard lets nobody in", async ({ visit }) => {
  const visitor = await visit(undefined, byName());
  await signUp(visitor, fresh("overheard"));
  await withPasskeys(visitor);
  await addPasskey(visitor, "Laptop");
  await signOut(visitor);
  const sent = visitor.page.waitForRequest((request) => request.url().endsWith("/sign-in/passkey"));
  await visitor.press("Sign in with a passkey");
  const heard = Object.fromEntries(new URLSearchParams((await sent).postData()));
  await heading(visitor, "Applications");
  const thief = await visit(undefined, byName());
  await thief.goto("/sign-in");
  await thief.page.evaluate((heard) => {
    const form = document.querySelector("form.passkey");
    for (const [name, value] of Object.entries(heard)) form.elements[name].value = value;
    form.submit();
  }, heard);
  await thief.page.getByText("This passkey was not accepted").waitFor();
  await thief.goto("/");
  assert.equal(thief.path(), "/sign-in");
});

scenario("under an address without a name the pages lead to the one that has passkeys", async ({ keymint, visit }) => {
  const visitor = await visit("owner");
  await visitor.goto("/security");
  assert.equal(await visitor.page.getByLabel("Name of the passkey").count(), 0);
  await visitor.follow(keymint.named);
  await visitor.page.waitForURL(`${keymint.named}/sign-in`);
  const { email, password } = keymint.user("viewer");
  await visitor.fill({ Email: email, Password: password });
  await visitor.press("Sign in");
  await heading(visitor, "Applications");
});

scenario("a browser without passkeys or without scripts is told so", async ({ visit }) => {
  const visitor = await visit(undefined, { ...byName(), javaScriptEnabled: false });
  await visitor.goto("/sign-in");
  assert.ok(await visitor.page.getByText("you need a browser that has them").isVisible());
  assert.equal(await visitor.page.getByRole("button", { name: "Sign in with a passkey" }).isVisible(), false);
});
