// Signing in and out, and what is left in the browser afterwards.

import assert from "node:assert/strict";

import { scenario, scenarioWithAndWithoutScripts } from "../scenario.mjs";

/** What has the focus: a page that has just come gives it with its first frame. */
const focused = async (page) => {
  await page.locator(":focus").waitFor();
  return page.evaluate(() => document.activeElement.name || document.activeElement.textContent.trim());
};

scenarioWithAndWithoutScripts("a person signs in by keyboard alone", async ({ keymint, visit }) => {
  const { page } = await visit();
  const { email, password } = keymint.user("owner");
  await page.goto("/sign-in");
  assert.equal(await focused(page), "email", "the first field waits for the person");
  await page.keyboard.type(email);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "password");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Skip to content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Add App", "behind the side bar");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Add App", level: 1 }).waitFor();
});

scenarioWithAndWithoutScripts("a wrong password is refused, and what was typed stays but the password", async ({ keymint, visit }) => {
  const visitor = await visit();
  const { page } = visitor;
  const { email, password } = keymint.user("admin");
  await page.goto("/sign-in");
  await visitor.fill({ Email: email, Password: `${password}x` });
  await visitor.press("Sign in");
  assert.equal(await page.getByRole("alert").innerText(), "Email and password do not belong together.");
  assert.equal(await page.getByLabel("Email").inputValue(), email);
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  assert.equal(await focused(page), "password", "the field to mend");
  await page.keyboard.type(password);
  await visitor.press("Sign in");
  await page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
});

scenarioWithAndWithoutScripts("after signing out the back button shows nothing", async ({ keymint, visit }) => {
  const app = await keymint.app(`Left open ${Date.now()}`);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/keys`);
  await visitor.press("Sign out");
  await visitor.page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  await visitor.page.goBack();
  await visitor.page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  assert.equal(visitor.path(), "/sign-in");
  assert.ok(!(await visitor.holds("Left open")));
});

scenarioWithAndWithoutScripts("a session that was ended elsewhere leads to the sign-in page", async ({ visit }) => {
  const here = await visit("developer");
  const elsewhere = await visit();
  await elsewhere.context.addCookies(await here.context.cookies());
  await elsewhere.goto("/");
  await elsewhere.press("Sign out");
  await elsewhere.page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  await here.follow("Add App");
  await here.page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  assert.equal(here.path(), "/sign-in");
});

scenario("one session's end leaves another session of the same person alone", async ({ visit }) => {
  const [one, other] = [await visit("owner"), await visit("owner")];
  await one.press("Sign out");
  await one.page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  await other.page.reload();
  assert.equal(await other.heading(), "Applications");
});

scenarioWithAndWithoutScripts("a form of an earlier session changes nothing", async ({ keymint, visit }) => {
  const app = await keymint.app(`Stale form ${Date.now()}`);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/keys`);
  const later = await visit("owner");
  await visitor.context.clearCookies();
  await visitor.context.addCookies(await later.context.cookies());
  await visitor.press("Generate API Key");
  await visitor.page.getByRole("heading", { name: "Form out of date" }).waitFor();
  assert.deepEqual((await keymint.api("GET", `/apps/${app}/credentials`)).items, []);
});
