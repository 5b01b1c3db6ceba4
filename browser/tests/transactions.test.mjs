// Transactions as a person finds them: the list, one by its id, a range of days that is too long, and the file.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { scenario, scenarioWithAndWithoutScripts } from "../scenario.mjs";

let apps = 0;

/** An app of KPay with its test key and two payments of it. */
async function shop(keymint) {
  const app = await keymint.app(`Shop ${(apps += 1)}`, "kpay");
  const key = await keymint.key(app);
  return { app, key, first: await keymint.payment(key, "ORDER-1"), second: await keymint.payment(key, "ORDER-2") };
}

scenarioWithAndWithoutScripts("a payment stands in the list and is found by its id", async ({ keymint, visit }) => {
  const { app, first, second } = await shop(keymint);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}`);
  await visitor.follow("Transactions");
  assert.equal(await visitor.heading(), "Transactions");
  const row = await visitor.row(second).innerText();
  for (const told of ["MTN_MOMO_CMR", "XAF", "5000", "pending"]) assert.ok(row.toLowerCase().includes(told.toLowerCase()), row);
  await visitor.fill({ "Transaction ID": first });
  await visitor.press("Filter");
  await visitor.row(second).waitFor({ state: "detached" });
  await visitor.follow(first);
  assert.equal(await visitor.heading(), first);
  assert.match(await visitor.page.locator("#transaction-body").innerText(), /"externalId": "ORDER-1"/);
  await visitor.goto(`/apps/${app}/transactions?id=${first.slice(0, -1)}`);
  await visitor.page.getByRole("heading", { name: "No transactions match these filters" }).waitFor();
  await visitor.follow("Live");
  await visitor.page.getByRole("heading", { name: "No upstream is configured for live mode" }).waitFor();
});

scenarioWithAndWithoutScripts("a range of 91 days is refused and stays typed", async ({ keymint, visit }) => {
  const { app, first } = await shop(keymint);
  const visitor = await visit("developer");
  await visitor.goto(`/apps/${app}/transactions`);
  await visitor.fill({ "From (UTC)": "2027-01-01", To: "2027-04-01" });
  await visitor.press("Filter");
  const problem = visitor.page.getByRole("alert");
  assert.equal(await problem.innerText(), "A range has at most 90 days; this one has 91.");
  assert.equal(await visitor.page.getByLabel("From (UTC)").inputValue(), "2027-01-01");
  await visitor.fill({ To: "2027-03-31" });
  await visitor.press("Filter");
  await visitor.page.getByRole("heading", { name: "No transactions match these filters" }).waitFor();
  await visitor.follow("Show all transactions");
  await visitor.row(first).waitFor();
});

scenario("what is listed is downloaded", async ({ keymint, visit }) => {
  const { app, first, second } = await shop(keymint);
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/transactions?id=${first}`);
  const [download] = await Promise.all([visitor.page.waitForEvent("download"), visitor.follow("CSV")]);
  assert.match(download.suggestedFilename(), /^transactions-app_.*\.csv$/);
  const saved = await readFile(await download.path(), "utf8");
  assert.ok(saved.includes(first) && !saved.includes(second), saved);
});
