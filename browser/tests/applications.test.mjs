// Add App and what belongs to an app: every field that is refused says so itself, and nothing typed is lost; logo,
// list, domains and the company.

import assert from "node:assert/strict";

import { scenario, scenarioWithAndWithoutScripts } from "../scenario.mjs";

const GOOD = {
  "App Name": "Second shop",
  Email: "dev@shop.example",
  "Phone Number": "+91 98765 43210",
  Address: "12 MG Road",
  Country: "IN",
  State: "Karnataka",
  City: "Bengaluru",
  "Zip Code/Postal Code": "560001",
};

/** Their labels say so. */
const OPTIONAL = ["Phone Number", "State", "City"];

/** One off, or empty: each is refused, and its neighbour in `GOOD` or here is not. */
const REFUSED = [
  ["App Name", "ab", "must have 3 to 256 characters"],
  ["App Name", "n".repeat(257), "must have 3 to 256 characters"],
  ["App Name", "Demo app", "is taken: another app of this product has it"],
  ["Email", "dev", "must be an email address"],
  ["Email", "dev@shop", "must be an email address"],
  ["Phone Number", "1".repeat(33), "must have 1 to 32 characters"],
  ["Address", "", "must have 1 to 500 characters"],
  ["Address", "a".repeat(501), "must have 1 to 500 characters"],
  ["Country", "XX", "must be a country code"],
  ["State", "s".repeat(101), "must have 1 to 100 characters"],
  ["City", "c".repeat(101), "must have 1 to 100 characters"],
  ["Zip Code/Postal Code", "", "must have 1 to 20 characters"],
  ["Zip Code/Postal Code", "1".repeat(21), "must have 1 to 20 characters"],
];

const field = (page, label) => page.getByLabel(label, { exact: label !== "Country" && !OPTIONAL.includes(label) });

async function type(visitor, values) {
  for (const [label, value] of Object.entries(values)) await field(visitor.page, label).fill(value);
}

async function openForm(visitor) {
  await visitor.goto("/");
  await visitor.follow("Add App");
  await visitor.page.getByLabel("Product").selectOption("razorpay");
}

scenarioWithAndWithoutScripts("what is wrong with an app stands beside its field", async ({ visit }) => {
  const visitor = await visit("owner");
  const { page } = visitor;
  await openForm(visitor);
  for (const [label, value, problem] of REFUSED) {
    const typed = { ...GOOD, [label]: value };
    await type(visitor, typed);
    await visitor.press("Add App");
    const invalid = page.locator("[aria-invalid=true]");
    await page.locator(".error").filter({ hasText: problem }).waitFor();
    assert.equal(await invalid.count(), 1, `${label} alone`);
    const described = await invalid.getAttribute("aria-describedby");
    assert.match(await page.locator(`#${described}`).innerText(), new RegExp(`^${label}.* ${problem}`));
    assert.equal(await field(page, label).getAttribute("aria-describedby"), described, `${label}: beside its own field`);
    for (const [other, before] of Object.entries(typed)) {
      assert.equal(await field(page, other).inputValue(), before, `${other} is kept when ${label} is refused`);
    }
    assert.equal(await page.getByLabel("Product").inputValue(), "razorpay");
    await page.locator(":focus").waitFor();
    const focused = await page.evaluate(() => document.activeElement.getAttribute("aria-describedby"));
    assert.equal(focused, described, "the person stands at the field to mend");
  }
});

scenarioWithAndWithoutScripts("the longest and the shortest that is right is taken", async ({ visit, hasScripts }) => {
  const visitor = await visit("developer");
  for (const name of [`n${hasScripts ? "1" : "2"}`.padEnd(256, "x"), `s${hasScripts ? "1" : "2"}x`]) {
    await openForm(visitor);
    await type(visitor, { ...GOOD, "App Name": name, "Phone Number": "1".repeat(32), State: "", City: "c".repeat(100) });
    await visitor.press("Add App");
    await visitor.page.getByRole("heading", { name: "No Test keys" }).waitFor();
    await visitor.page.getByRole("status").getByText("The application is registered.").waitFor();
    assert.ok(await visitor.page.getByLabel("Breadcrumb").getByText(name).isVisible());
    await visitor.goto("/");
    await visitor.page.getByRole("link", { name, exact: true }).waitFor();
  }
});

scenario("Add App is filled in by keyboard, in the order in which it is read", async ({ visit }) => {
  const visitor = await visit("owner");
  const { page } = visitor;
  await openForm(visitor);
  await page.getByLabel("Product").focus();
  const order = [];
  for (let step = 0; step < 12; step += 1) {
    order.push(await page.evaluate(() => document.activeElement.name || document.activeElement.textContent));
    await page.keyboard.press("Tab");
  }
  const fields = ["product", "name", "email", "phone", "address", "country", "state", "city", "postal_code"];
  assert.deepEqual(order, [...fields, "logo", "Add App", "Cancel"]);
});

scenarioWithAndWithoutScripts("Cancel goes back and registers nothing", async ({ keymint, visit }) => {
  const visitor = await visit("owner");
  const apps = async () => (await keymint.api("GET", `/merchants/${await keymint.merchant()}/apps`)).items.length;
  const before = await apps();
  await openForm(visitor);
  await type(visitor, GOOD);
  await visitor.follow("Cancel");
  assert.equal(await visitor.heading(), "Applications");
  assert.equal(await apps(), before);
});

/** A picture of the page itself: a PNG that this browser has made. */
const picture = (page) => page.screenshot({ clip: { x: 0, y: 0, width: 60, height: 40 } });

scenarioWithAndWithoutScripts("an app is added with a logo, which stands in the list and above the app", async ({ visit, hasScripts }) => {
  const visitor = await visit("owner");
  const { page } = visitor;
  const name = `With a logo ${hasScripts}`;
  await openForm(visitor);
  await type(visitor, { ...GOOD, "App Name": name });
  const file = { name: "logo.png", mimeType: "image/png", buffer: Buffer.from("GIF89a is no PNG") };
  await page.getByLabel("Logo").setInputFiles(file);
  await visitor.press("Add App");
  await page.locator("#logo-error").filter({ hasText: "must be a JPG or PNG picture" }).waitFor();
  assert.equal(await page.getByLabel("App Name").inputValue(), name);
  await page.getByLabel("Logo").setInputFiles({ ...file, buffer: await picture(page) });
  await visitor.press("Add App");
  await page.getByRole("heading", { name: "No Test keys" }).waitFor();
  const width = (selector) => page.locator(selector).evaluate((image) => image.decode().then(() => image.naturalWidth));
  assert.equal(await width(".tabs img.logo"), 60);
  await visitor.goto("/");
  assert.equal(await width(`tr:has-text("${name}") img.logo`), 60);
  assert.equal(await visitor.row("Demo app").first().locator("span.logo").getAttribute("data-initials"), "DA");
});

scenario("the list has the vendor's columns, and each of them on a telephone too", async ({ keymint, visit }) => {
  const app = await keymint.app("On a telephone");
  const visitor = await visit("viewer");
  const { page } = visitor;
  const heads = await page.getByRole("columnheader").allInnerTexts();
  assert.deepEqual(heads.slice(0, 4), ["App ID", "App Name", "Email", "Country"]);
  await page.setViewportSize({ width: 360, height: 740 });
  const row = visitor.row(app);
  for (const text of [app, "On a telephone", "Keymint", "enabled"]) {
    const box = await row.getByText(text, { exact: true }).first().boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 360, `${text}: ${JSON.stringify(box)}`);
  }
});

scenarioWithAndWithoutScripts("a domain is added, shown and removed", async ({ keymint, visit, hasScripts }) => {
  const app = await keymint.app(`Domains ${hasScripts}`);
  const visitor = await visit("developer");
  const { page } = visitor;
  await visitor.goto(`/apps/${app}/settings`);
  await page.getByLabel("New domain").fill("shop.example");
  await visitor.press("Add domain");
  await page.locator("#domain-error").filter({ hasText: "A domain must be an origin such as https://shop.example" }).waitFor();
  assert.equal(await page.getByLabel("New domain").inputValue(), "shop.example");
  await page.getByLabel("New domain").fill("https://shop.example");
  await visitor.press("Add domain");
  const list = page.getByRole("list", { name: "Domains" });
  await list.getByText("https://shop.example").waitFor();
  await visitor.press("Remove https://shop.example");
  await page.getByRole("status").getByText("The last domain is removed.").waitFor();
  assert.equal(await list.count(), 0);
});

scenarioWithAndWithoutScripts("the company is described by an owner and read by a viewer", async ({ visit, hasScripts }) => {
  const owner = await visit("owner");
  await owner.follow("Company");
  const name = `Shop Ltd ${hasScripts}`;
  await owner.fill({ "Company name": "ab" });
  await owner.press("Save");
  await owner.page.locator("#name-error").filter({ hasText: "must have 3 to 60 characters" }).waitFor();
  await owner.fill({ "Company name": name, Website: "https://shop.example" });
  await owner.press("Save");
  await owner.page.getByRole("status").getByText("Saved.").waitFor();
  const viewer = await visit("viewer");
  await viewer.follow("Company");
  await viewer.page.getByText(name, { exact: true }).waitFor();
  assert.equal(await viewer.page.getByRole("button", { name: "Save" }).count(), 0);
});
