// Every page of the console, one line each: its name, who looks, where it is, and what is done there first. The pictures,
// the accessibility tests and Lighthouse go through this table, so a new page is one line here and nothing else.

import { serve } from "./elsewhere.mjs";
import { addPasskey, beginMailCodes, beginPasskey, codeTo, fresh, PASSWORD, setUpAuthenticator, signUp, totp, withPasskeys } from "./person.mjs";

/** What most pages are shown with. Everything is made over the management API and the gateway, as it would be. */
export async function furnish(keymint) {
  const merchant = await keymint.merchant();
  const busy = await keymint.app("Checkout on the web");
  const quiet = await keymint.app("A point of sale that nobody has switched on yet, in the shop on the corner of Brigade Road and Residency Road");
  const fresh = await keymint.app("Subscriptions");
  const old = await keymint.key(busy, "first integration");
  for (let call = 0; call < 4; call += 1) await keymint.call(old);
  await keymint.api("POST", `/credentials/${old.keyId}/revoke`, { reason: "superseded" });
  await keymint.call(old);
  const retiring = await keymint.key(busy, "payments-worker-production-eu-central-1-with-a-very-long-name-that-somebody-chose");
  await keymint.call(retiring);
  const { credential } = await keymint.api("POST", `/credentials/${retiring.keyId}/roll`, { grace_seconds: 86_400 });
  const key = { keyId: credential.key_id, secret: credential.secret };
  await keymint.call(key);
  await keymint.call(key, "/v1/a/path/that/is/very/long/and/goes/on/and/on/and/ends/nowhere");
  await keymint.call(await keymint.key(busy));
  const momo = await keymint.app("Payments by phone", "kpay");
  const paying = await keymint.key(momo);
  const payments = [];
  for (let n = 1; n <= 4; n += 1) payments.push(await keymint.payment(paying, `ORDER-${n}`));
  const hooked = await webhooks(keymint, busy, momo);
  const wallet = await keymint.app("Payouts", "kwikpaisa");
  const cards = await keymint.app("Cards", "razorpay");
  const tokens = await keymint.app("Tokens", "kspay");
  return { keymint, merchant, busy, quiet, fresh, key, momo, payments, wallet, cards, tokens, ...hooked };
}

/** Endpoints: one that takes what it gets, one that is not there, and what was sent to them. */
async function webhooks(keymint, busy, momo) {
  const server = await serve({ "/hook": { body: "ok" } });
  const make = (app, body) => keymint.api("POST", `/apps/${app}/webhook-endpoints`, { mode: "test", ...body });
  const endpoint = await make(busy, { url: `${server.origin}/hook`, events: ["payment.captured", "refund.processed"] });
  const silent = await make(momo, { url: "http://127.0.0.1:9/a/path/that/is/long/and/goes/on/and/on/and/ends/nowhere" });
  const test = (id, event) => keymint.api("POST", `/webhook-endpoints/${id}/test`, { event });
  const { id: delivery } = await test(endpoint.id, "payment.captured");
  await test(endpoint.id, "refund.processed");
  const { id: waiting } = await test(silent.id, "payment.completed");
  for (const [id, tries] of [[delivery, 1], [waiting, 4]]) {
    for (let looks = 0; looks < 400; looks += 1) {
      if ((await keymint.api("GET", `/webhook-deliveries/${id}`)).tries >= tries) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  server.close();
  return { endpoint: endpoint.id, silent: silent.id, delivery, waiting };
}

const refusedEndpoint = async (visitor) => {
  await visitor.page.getByRole("textbox", { name: "URL" }).fill("https://10.0.0.1/");
  await visitor.page.getByText("All events").click();
  await visitor.page.getByLabel("payment.failed").check();
  await visitor.press("Add endpoint");
};
const endpointShown = async (visitor) => {
  await visitor.page.getByRole("textbox", { name: "URL" }).fill("https://shop.example/webhooks");
  await visitor.press("Add endpoint");
};

const testCode = async (visitor) => {
  await visitor.page.getByRole("textbox", { name: "URL" }).fill("https://shop.example/webhooks");
  await visitor.press("Add endpoint");
  await visitor.page.getByText("Test mode: no code is sent").waitFor();
};
const gatewayShown = async (visitor) => {
  await visitor.page.getByRole("button", { name: /^Make (a|another) secret$/ }).click();
  await visitor.page.locator("#secret").waitFor();
};
const gatewayMarked = (visitor) => visitor.press("Mark as done: Razorpay");
const itemMarked = (visitor) => visitor.press("Mark as done: Reconciliation: orders and payouts agree with your own books");

const refusedSignIn = async (visitor) => {
  await visitor.fill({ Email: "someone@shop.example", Password: "not the password" });
  await visitor.press("Sign in");
};
const withHeads = (visitor) => visitor.page.getByText("Header fields").first().click();
const refusedApp = async (visitor) => {
  await visitor.page.getByRole("textbox", { name: "App Name" }).fill("ab");
  await visitor.press("Add App");
};
const refusedLogo = async (visitor) => {
  await visitor.page.getByRole("textbox", { name: "App Name" }).fill("Shop");
  const file = { name: "logo.png", mimeType: "image/png", buffer: Buffer.from("GIF89a is no PNG") };
  await visitor.page.getByLabel("Logo").setInputFiles(file);
  await visitor.press("Add App");
};
const withDomains = async (visitor) => {
  for (const domain of ["https://shop.example", "http://localhost:3000", "shop.example"]) {
    await visitor.page.getByLabel("New domain").fill(domain);
    await visitor.press("Add domain");
  }
};
const withProviders = async (visitor) => {
  for (const provider of ["MTN_MOMO_CMR", "ORANGE_CMR"]) await visitor.page.getByLabel(provider).check();
  await visitor.press("Save providers");
};
const refusedCompany = async (visitor) => {
  await visitor.fill({ "Company name": "ab" });
  await visitor.press("Save");
};
const openMenu = (visitor, { key }) => visitor.row(key.keyId).getByText("Change", { exact: true }).click();
const generated = (visitor, { fresh }) => visitor.generate(fresh, "web shop");
const regenerated = async (visitor, scene) => {
  const key = await scene.keymint.key(scene.fresh, "to be rolled");
  await visitor.page.reload();
  await visitor.row(key.keyId).getByText("Change", { exact: true }).click();
  await visitor.press("Regenerate Key", visitor.row(key.keyId));
};
const revoked = async (visitor, scene) => {
  const key = await scene.keymint.key(scene.fresh, "to be revoked");
  await visitor.page.reload();
  await visitor.row(key.keyId).getByText("Change", { exact: true }).click();
  await visitor.press("Revoke key", visitor.row(key.keyId));
};
const staleForm = async (visitor) => {
  await visitor.page.locator("form.inline input[name=csrf]").evaluate((input) => input.setAttribute("value", "old"));
  await visitor.press("Generate API Key");
};

const refusedSignUp = async (visitor) => {
  await visitor.fill({ "Your name": "Ann", "Business name": "Shop", Phone: "123" });
  await visitor.press("Create account");
};
const askedForCode = async (visitor) => {
  await visitor.fill({ Email: "someone@shop.example" });
  await visitor.press("Send a code");
};
const settingUp = async (visitor, { keymint }) => {
  await visitor.page.locator("form[action='/security/authenticator'] input[name=password]").fill(keymint.user("admin").password);
  await visitor.press("Set up an authenticator app");
};

/** The codes that stand in for a lost authenticator, shown once. */
const recoveryCodes = async (visitor) => {
  await signUp(visitor, fresh("recovery"));
  await setUpAuthenticator(visitor);
};
const confirmingPhone = async (visitor) => {
  await signUp(visitor, fresh("phone"));
  await visitor.goto("/security");
  await visitor.page.locator("form[action='/security/phone'] input[name=phone]").fill("+919876500077");
  await visitor.page.locator("form[action='/security/phone'] input[name=password]").fill(PASSWORD);
  await visitor.page.locator("form[action='/security/phone'] button").click();
  await visitor.page.getByRole("heading", { name: "Confirm your phone" }).waitFor();
};
/** A live key of Razorpay's, whose addresses are about to be saved by somebody with a phone, or without. */
const savingAddresses = async (visitor, { keymint }, hasPhone) => {
  const merchant = await signUp(visitor, fresh("addresses"));
  await keymint.api("PUT", `/merchants/${merchant}/activation`, { state: "approved", reason: "checked" });
  const rest = { email: "dev@shop.example", address: "12 MG Road", country: "IN", postal_code: "560001" };
  const { id } = await keymint.api("POST", `/merchants/${merchant}/apps`, { product: "razorpay", name: "Payouts", ...rest });
  const { key_id: key } = await keymint.api("POST", `/apps/${id}/credentials`, { mode: "live" });
  const phone = "+919876500078";
  if (hasPhone) {
    await visitor.goto("/security");
    await visitor.page.locator("form[action='/security/phone'] input[name=phone]").fill(phone);
    await visitor.page.locator("form[action='/security/phone'] input[name=password]").fill(PASSWORD);
    await visitor.page.locator("form[action='/security/phone'] button").click();
    await visitor.page.getByLabel("Code").fill(await codeTo(visitor, phone, 6));
    await visitor.press("Confirm");
    await visitor.page.getByText("gets a code by text message").waitFor();
  }
  await visitor.goto(`/keys/${key}`);
  await visitor.fill({ "Allowed addresses": "203.0.113.7\n2001:db8:85a3:8d3:1319:8a2e:370:7348\n198.51.100.0/24" });
  await visitor.press("Save");
  if (!hasPhone) return;
  await visitor.page.getByLabel("Code").fill(await codeTo(visitor, phone, 6));
  await visitor.press("Change the Live key");
  await visitor.page.getByLabel("Code from the mail").waitFor();
};

/** A role of a merchant's own, about to be changed. */
const changingRole = async (visitor) => {
  const merchant = await signUp(visitor, fresh("role"));
  const secret = await setUpAuthenticator(visitor);
  await visitor.goto(`/merchants/${merchant}/roles?copy=developer`);
  await visitor.page.locator("form.stack input[name=name]").fill("Support on call in the evening and at night");
  await visitor.press("Make the role");
  await visitor.page.locator("input[name=code]").fill(totp(secret, 1));
  await visitor.page.locator("form input[name=code] ~ button, form button.primary").first().click();
  await visitor.page.getByText("The role is there.").waitFor();
  await visitor.page.locator("table.matrix thead a").click();
};

const turningMailCodesOn = (visitor, { keymint }) => beginMailCodes(visitor, keymint.user("admin").password);
/** A password that was set anew by mail, where codes by mail are all there is. */
const afterReset = async (visitor) => {
  const email = fresh("reset");
  await signUp(visitor, email);
  await beginMailCodes(visitor);
  await visitor.page.getByLabel("Code").fill(await codeTo(visitor, email, 6));
  await visitor.press("Turn on");
  await visitor.goto("/forgot");
  await visitor.fill({ Email: email });
  await visitor.press("Send a code");
  await visitor.fill({ Code: await codeTo(visitor, email, 8), "New password": "violin thirteen gravel moss" });
  await visitor.press("Set password");
  await visitor.fill({ Email: email, Password: "violin thirteen gravel moss" });
  await visitor.press("Sign in");
  await visitor.page.getByLabel("Code").fill(await codeTo(visitor, email, 6));
  await visitor.press("Sign in");
  await visitor.page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
  await visitor.goto("/security?needed=1");
};

const ownPasskeys = (act) => async (visitor, scene) => {
  await signUp(visitor, fresh("pictures"));
  await withPasskeys(visitor);
  await act(visitor, scene);
};
const addingPasskey = ownPasskeys((visitor) => beginPasskey(visitor, "A laptop whose owner has given it a name of sixty letters .."));
const havingPasskeys = ownPasskeys((visitor) => addPasskey(visitor, "A laptop whose owner has given it a name of sixty letters .."));
const provingByPasskey = ownPasskeys(async (visitor) => {
  await addPasskey(visitor, "Laptop");
  await visitor.press("Remove Laptop");
});
const enteringByPasskey = async (visitor) => {
  const email = fresh("pictures");
  await signUp(visitor, email);
  await withPasskeys(visitor);
  await addPasskey(visitor, "Laptop");
  await beginPasskey(visitor, "Another");
  await visitor.press("Confirm it is you");
  await visitor.page.getByText("You have confirmed that it is you").waitFor();
  await setUpAuthenticator(visitor);
  await visitor.goto("/security");
  await visitor.press("Sign out");
  await visitor.fill({ Email: email, Password: PASSWORD });
  await visitor.press("Sign in");
};

const firstRequest = async (visitor) => {
  await visitor.page.getByRole("link", { name: "GET /v1/whoami" }).first().click();
  await visitor.page.getByText("Request id").waitFor();
};

const openShortcuts = (visitor) => visitor.page.keyboard.press("?");

const openMenuOfThePhone = (visitor) => visitor.page.locator("#menu").evaluate((menu) => menu.showPopover());

const page = (name, role, path, act) => ({ name, role, path, act });
/** The same, under the name of the console, where browsers have passkeys. */
const named = (...line) => ({ ...page(...line), isNamed: true });

/** With what the window of a page is opened. */
export const windowOf = (page, keymint) => (page.isNamed ? { baseURL: keymint.named } : {});

export const PAGES = [
  page("sign-in", undefined, () => "/sign-in"),
  named("sign-in-named", undefined, () => "/sign-in"),
  page("sign-in-refused", undefined, () => "/sign-in", refusedSignIn),
  page("sign-up", undefined, () => "/sign-up"),
  page("sign-up-refused", undefined, () => "/sign-up", refusedSignUp),
  page("sign-up-invited", undefined, () => "/sign-up?invited=1"),
  page("forgot", undefined, () => "/forgot"),
  page("forgot-code", undefined, () => "/forgot", askedForCode),
  page("jump", "owner", () => "/jump?q=app"),
  page("jump-nothing", "owner", () => "/jump?q=zzz"),
  page("shortcuts", "owner", ({ merchant }) => `/merchants/${merchant}/apps`, openShortcuts),
  page("menu", "owner", ({ merchant }) => `/merchants/${merchant}/apps`, openMenuOfThePhone),
  page("outbox", undefined, () => "/outbox"),
  page("applications", "owner", ({ merchant }) => `/merchants/${merchant}/apps`),
  page("applications-viewer", "viewer", ({ merchant }) => `/merchants/${merchant}/apps`),
  page("add-app", "owner", ({ merchant }) => `/merchants/${merchant}/apps/new`),
  page("add-app-refused", "owner", ({ merchant }) => `/merchants/${merchant}/apps/new`, refusedApp),
  page("add-app-logo-refused", "owner", ({ merchant }) => `/merchants/${merchant}/apps/new`, refusedLogo),
  page("company", "owner", ({ merchant }) => `/merchants/${merchant}/profile`),
  page("company-refused", "owner", ({ merchant }) => `/merchants/${merchant}/profile?next=app`, refusedCompany),
  page("company-viewer", "viewer", ({ merchant }) => `/merchants/${merchant}/profile`),
  page("overview", "owner", ({ busy }) => `/apps/${busy}`),
  page("overview-empty", "owner", ({ quiet }) => `/apps/${quiet}`),
  page("start", "owner", ({ busy }) => `/apps/${busy}/start`),
  page("start-without-key", "owner", ({ quiet }) => `/apps/${quiet}/start`),
  page("settings", "owner", ({ busy }) => `/apps/${busy}/settings`),
  page("settings-domains", "owner", ({ quiet }) => `/apps/${quiet}/settings`, withDomains),
  page("settings-providers", "owner", ({ momo }) => `/apps/${momo}/settings`, withProviders),
  page("settings-viewer", "viewer", ({ busy }) => `/apps/${busy}/settings`),
  page("restrictions", "owner", ({ key }) => `/keys/${key.keyId}`),
  page("restrictions-without-phone", undefined, () => "/sign-in", (visitor, scene) => savingAddresses(visitor, scene, false)),
  page("address-codes", undefined, () => "/sign-in", (visitor, scene) => savingAddresses(visitor, scene, true)),
  page("go-live", "owner", ({ momo }) => `/apps/${momo}/go-live`),
  page("go-live-blocks", "owner", ({ wallet }) => `/apps/${wallet}/go-live`, itemMarked),
  page("go-live-viewer", "viewer", ({ wallet }) => `/apps/${wallet}/go-live`),
  page("gateways", "owner", ({ tokens }) => `/apps/${tokens}/gateways`, gatewayMarked),
  page("gateways-developer", "developer", ({ tokens }) => `/apps/${tokens}/gateways`),
  page("gateway-shown", "owner", ({ tokens }) => `/apps/${tokens}/gateways`, gatewayShown),
  page("team", "owner", ({ merchant }) => `/merchants/${merchant}/team`),
  page("team-viewer", "viewer", ({ merchant }) => `/merchants/${merchant}/team`),
  page("roles", "owner", ({ merchant }) => `/merchants/${merchant}/roles?copy=developer`),
  page("roles-viewer", "viewer", ({ merchant }) => `/merchants/${merchant}/roles`),
  page("role", undefined, () => "/sign-in", changingRole),
  page("activation", "owner", ({ merchant }) => `/merchants/${merchant}/activation`),
  page("audit", "owner", ({ merchant }) => `/merchants/${merchant}/audit`),
  page("invitations", "viewer", () => "/invitations"),
  page("security", "owner", () => "/security"),
  page("security-needed", "owner", () => "/security?needed=1"),
  named("passkey-new", undefined, () => "/sign-in", addingPasskey),
  named("passkey-list", undefined, () => "/sign-in", havingPasskeys),
  named("passkey-proof", undefined, () => "/sign-in", provingByPasskey),
  named("passkey-second", undefined, () => "/sign-in", enteringByPasskey),
  page("mail-codes", "admin", () => "/security", turningMailCodesOn),
  page("security-after-reset", undefined, () => "/sign-in", afterReset),
  page("recovery-codes", undefined, () => "/sign-in", recoveryCodes),
  page("phone", undefined, () => "/sign-in", confirmingPhone),
  page("authenticator", "admin", () => "/security", settingUp),
  page("keys", "owner", ({ busy }) => `/apps/${busy}/keys?mode=test`),
  page("keys-change", "owner", ({ busy }) => `/apps/${busy}/keys?mode=test`, openMenu),
  page("keys-empty", "owner", ({ quiet }) => `/apps/${quiet}/keys?mode=test`),
  page("keys-live", "owner", ({ busy }) => `/apps/${busy}/keys?mode=live`),
  page("keys-live-blocked", "owner", ({ wallet }) => `/apps/${wallet}/keys?mode=live`),
  page("keys-viewer", "viewer", ({ busy }) => `/apps/${busy}/keys?mode=test`),
  page("key-shown", "owner", ({ fresh }) => `/apps/${fresh}/keys?mode=test`, generated),
  page("key-regenerated", "owner", ({ fresh }) => `/apps/${fresh}/keys?mode=test`, regenerated),
  page("key-revoked", "owner", ({ fresh }) => `/apps/${fresh}/keys?mode=test`, revoked),
  page("webhooks", "owner", ({ busy }) => `/apps/${busy}/webhooks`),
  page("webhooks-empty", "owner", ({ quiet }) => `/apps/${quiet}/webhooks?mode=live`),
  page("webhooks-refused", "owner", ({ quiet }) => `/apps/${quiet}/webhooks`, refusedEndpoint),
  page("webhook-test-code", "owner", ({ cards }) => `/apps/${cards}/webhooks`, testCode),
  page("webhook-shown", "owner", ({ fresh }) => `/apps/${fresh}/webhooks`, endpointShown),
  page("endpoint", "owner", ({ endpoint }) => `/webhooks/${endpoint}`),
  page("endpoint-silent", "owner", ({ silent }) => `/webhooks/${silent}`),
  page("delivery", "owner", ({ delivery }) => `/deliveries/${delivery}`, withHeads),
  page("delivery-failed", "owner", ({ waiting }) => `/deliveries/${waiting}`),
  page("logs", "owner", ({ busy }) => `/apps/${busy}/logs`),
  page("logs-denied", "owner", ({ busy }) => `/apps/${busy}/logs?mode=test&reason=revoked`),
  page("log-entry", "owner", ({ busy }) => `/apps/${busy}/logs?mode=test&reason=revoked`, firstRequest),
  page("logs-empty", "owner", ({ quiet }) => `/apps/${quiet}/logs`),
  page("logs-live", "owner", ({ busy }) => `/apps/${busy}/logs`, (visitor) => visitor.press("Live")),
  page("transactions", "owner", ({ momo }) => `/apps/${momo}/transactions`),
  page("transactions-refused", "owner", ({ momo }) => `/apps/${momo}/transactions?from=2027-01-01&to=2027-04-01`),
  page("transactions-empty", "owner", ({ quiet }) => `/apps/${quiet}/transactions`),
  page("transactions-live", "owner", ({ momo }) => `/apps/${momo}/transactions?mode=live`),
  page("transaction", "owner", ({ momo, payments }) => `/apps/${momo}/transactions/${payments[0]}`),
  page("problem-not-found", "owner", () => "/apps/app_00000000000000000000000000/keys"),
  page("problem-not-allowed", "viewer", ({ merchant }) => `/merchants/${merchant}/apps/new`),
  page("problem-stale-form", "owner", ({ quiet }) => `/apps/${quiet}/keys`, staleForm),
  page("api-reference", undefined, () => "/docs"),
];

export const WIDTHS = [1280, 360];
export const SCHEMES = ["light", "dark"];
const HEIGHTS = { 1280: 800, 360: 740 };

/** Opens a page in a window and does there what its line says. */
export async function open(visitor, page, scene) {
  await visitor.page.setViewportSize({ width: WIDTHS[0], height: HEIGHTS[WIDTHS[0]] });
  await visitor.goto(page.path(scene));
  await page.act?.(visitor, scene);
  await visitor.page.waitForLoadState("load");
}

/** Calls `look` with the page in each width and each colour scheme. */
export async function inEveryLook(visitor, look) {
  for (const width of WIDTHS) {
    for (const scheme of SCHEMES) {
      await visitor.page.setViewportSize({ width, height: HEIGHTS[width] });
      await visitor.page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await look({ width, scheme });
    }
  }
}
