// Other sites: whatever they send with a visitor's cookies, from another port of this machine or from another name of
// it, nothing changes. They are given what they could not know, the ids and the token of the visitor's forms.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { serve } from "../elsewhere.mjs";
import { encoded, Session } from "../keymint.mjs";
import { scenario } from "../scenario.mjs";

/**
 * Every unsafe route of the pages, and a form that it takes from its own page. What ends or changes the session is last:
 * taken, it would spoil the forms behind it.
 */
const NOBODY = "0".repeat(26);
const PASSWORD = "otter battery lamp canyon";

const FORMS = {
  "/merchants/{id}/apps/new": ({ merchant, app }) => [
    `/merchants/${merchant}/apps/new`,
    { product: "keymint", name: `Forged ${app}`, email: "a@b.example", address: "1", country: "IN", postal_code: "1" },
    303,
  ],
  "/apps/{id}/settings": ({ app }) => [
    `/apps/${app}/settings`,
    { name: `Renamed ${app}`, email: "a@b.example", address: "1", country: "IN", postal_code: "1" },
    303,
  ],
  "/merchants/{id}/profile": ({ merchant }) => [
    `/merchants/${merchant}/profile`,
    { name: "Forged", address: "1", country: "IN", postal_code: "1" },
    303,
  ],
  "/apps/{id}/domains": ({ app }) => [`/apps/${app}/domains`, { domain: "https://forged.example" }, 303],
  "/apps/{id}/domains/remove": ({ app }) => [`/apps/${app}/domains/remove`, { domain: "https://forged.example" }, 303],
  // The product of this application has no list of providers, so its empty one is saved.
  "/apps/{id}/providers": ({ app }) => [`/apps/${app}/providers`, {}, 303],
  // It has no gateways either, and whatever its checklist has is seen.
  "/apps/{id}/gateways": ({ app }) => [`/apps/${app}/gateways`, { gateway: "razorpay", state: "done" }, 422],
  "/apps/{id}/gateways/secret": ({ app }) => [`/apps/${app}/gateways/secret`, { gateway: "razorpay" }, 422],
  "/apps/{id}/go-live": ({ app }) => [`/apps/${app}/go-live`, { item: "test-key", state: "done" }, 422],
  "/apps/{id}/keys": ({ app }) => [`/apps/${app}/keys`, { once: "forged", mode: "test", name: "forged" }, 201],
  "/apps/{id}/webhooks": ({ app }) => [`/apps/${app}/webhooks`, { once: "forged", mode: "test", url: "https://b.example/" }, 201],
  "/webhooks/{id}": ({ endpoint }) => [`/webhooks/${endpoint}`, { url: "https://forged.example/" }, 303],
  "/webhooks/{id}/secret": ({ endpoint }) => [`/webhooks/${endpoint}/secret`, { secret: "", overlap_seconds: "0" }, 201],
  "/webhooks/{id}/test": ({ endpoint }) => [`/webhooks/${endpoint}/test`, { event: "payment.captured" }, 303],
  "/webhooks/{id}/resend": ({ endpoint }) => [`/webhooks/${endpoint}/resend`, { hours: "1" }, 303],
  "/deliveries/{id}/resend": ({ delivery }) => [`/deliveries/${delivery}/resend`, {}, 303],
  "/webhooks/{id}/state": ({ endpoint }) => [`/webhooks/${endpoint}/state`, { state: "enabled" }, 303],
  "/webhooks/{id}/delete": ({ endpoint }) => [`/webhooks/${endpoint}/delete`, {}, 303],
  "/keys/{key_id}": ({ key }) => [`/keys/${key.keyId}`, { name: "forged", allowed_ips: "203.0.113.1" }, 303],
  "/keys/{key_id}/roll": ({ key }) => [`/keys/${key.keyId}/roll`, { once: "forged", grace_seconds: "60" }, 201],
  "/keys/{key_id}/end": ({ key }) => [`/keys/${key.keyId}/end`, { once: "forged", grace_seconds: "0" }, 303],
  "/keys/{key_id}/revoke": ({ key }) => [`/keys/${key.keyId}/revoke`, { reason: "unused" }, 303],
  "/apps/{id}/state": ({ app }) => [`/apps/${app}/state`, { state: "disabled" }, 303],
  // The owner has no second factor, so the forms of the team lead to setting one up.
  "/merchants/{id}/team": ({ merchant }) => [
    `/merchants/${merchant}/team`,
    { email: "forged@b.example", role: "owner" },
    303,
  ],
  "/merchants/{id}/team/invitations/{invitation}/withdraw": ({ merchant }) => [
    `/merchants/${merchant}/team/invitations/inv_${NOBODY}/withdraw`,
    {},
    303,
  ],
  "/merchants/{id}/team/members/{user}": ({ merchant }) => [
    `/merchants/${merchant}/team/members/usr_${NOBODY}`,
    { role: "owner" },
    303,
  ],
  "/merchants/{id}/team/members/{user}/unlock": ({ merchant }) => [
    `/merchants/${merchant}/team/members/usr_${NOBODY}/unlock`,
    {},
    303,
  ],
  "/merchants/{id}/team/members/{user}/reset-factors": ({ merchant }) => [
    `/merchants/${merchant}/team/members/usr_${NOBODY}/reset-factors`,
    {},
    303,
  ],
  "/merchants/{id}/team/rule": ({ merchant, keymint }) => [
    `/merchants/${merchant}/team/rule`,
    { needs_factor: "yes", password: keymint.user("owner").password },
    303,
  ],
  "/merchants/{id}/roles": ({ merchant }) => [`/merchants/${merchant}/roles`, { name: "Forged", act: "see_audit" }, 303],
  "/merchants/{id}/roles/{role}": ({ merchant }) => [
    `/merchants/${merchant}/roles/rol_${NOBODY}`,
    { name: "Forged" },
    303,
  ],
  "/merchants/{id}/roles/{role}/delete": ({ merchant }) => [
    `/merchants/${merchant}/roles/rol_${NOBODY}/delete`,
    {},
    303,
  ],
  "/merchants/{id}/team/leave": ({ merchant }) => [`/merchants/${merchant}/team/leave`, {}, 422],
  "/invitations/{id}": () => [`/invitations/inv_${NOBODY}`, { answer: "accept" }, 404],
  "/security/prove": () => ["/security/prove", {}, 303],
  "/security/authenticator": ({ keymint }) => [
    "/security/authenticator",
    { password: keymint.user("owner").password },
    200,
  ],
  "/security/authenticator/confirm": () => ["/security/authenticator/confirm", { code: "000000" }, 422],
  "/security/recovery-codes": () => ["/security/recovery-codes", {}, 404],
  "/security/authenticator/remove": () => ["/security/authenticator/remove", {}, 303],
  "/security/passkeys": ({ keymint }) => [
    "/security/passkeys",
    { name: "forged", password: keymint.user("owner").password },
    200,
  ],
  "/security/passkeys/confirm": () => ["/security/passkeys/confirm", { challenge: `chl_${NOBODY}`, code: "{}" }, 422],
  "/security/passkeys/{id}/remove": () => [`/security/passkeys/psk_${NOBODY}/remove`, {}, 404],
  "/security/phone": ({ keymint }) => [
    "/security/phone",
    { phone: "+919876500009", password: keymint.user("owner").password },
    200,
  ],
  "/security/phone/confirm": () => ["/security/phone/confirm", { challenge: `chl_${NOBODY}`, code: "000000" }, 422],
  "/security/mail-codes": ({ keymint }) => [
    "/security/mail-codes",
    { password: keymint.user("owner").password },
    200,
  ],
  "/security/mail-codes/confirm": () => [
    "/security/mail-codes/confirm",
    { challenge: `chl_${NOBODY}`, code: "000000" },
    422,
  ],
  "/security/mail-codes/remove": () => ["/security/mail-codes/remove", {}, 303],
  "/sign-up": () => [
    "/sign-up",
    { name: "A", business: "B", country: "IN", email: "forged@b.example", phone: "", password: PASSWORD },
    200,
  ],
  "/sign-up/confirm": () => ["/sign-up/confirm", { challenge: `chl_${NOBODY}`, code: "00000000" }, 422],
  "/forgot": ({ keymint }) => ["/forgot", { email: keymint.user("owner").email }, 200],
  "/forgot/confirm": () => [
    "/forgot/confirm",
    { challenge: `chl_${NOBODY}`, code: "00000000", password: PASSWORD },
    422,
  ],
  "/sign-in/second": () => ["/sign-in/second", { challenge: `chl_${NOBODY}`, code: "000000" }, 422],
  "/sign-in/passkey/begin": () => ["/sign-in/passkey/begin", {}, 200],
  "/sign-in/passkey": () => ["/sign-in/passkey", { challenge: `chl_${NOBODY}`, code: "{}" }, 422],
  "/security/password": () => ["/security/password", { password: "wrong", new_password: PASSWORD }, 422],
  "/security/sessions/{id}/end": () => [`/security/sessions/ses_${NOBODY}/end`, {}, 404],
  "/security/sessions/end-others": () => ["/security/sessions/end-others", {}, 303],
  "/sign-out": () => ["/sign-out", {}, 303],
  "/sign-in": ({ keymint }) => ["/sign-in", keymint.user("viewer"), 303],
};

/** Runs in the other site's page: each form by fetch, by a form in a frame, and as an image. */
async function attack(forms) {
  const settled = (element, event) =>
    new Promise((resolve) => {
      for (const name of event) element.addEventListener(name, resolve, { once: true });
    });
  for (const { url, fields } of forms) {
    const body = new URLSearchParams(fields);
    await fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body }).catch(() => {});
    await fetch(url, { method: "POST", mode: "cors", credentials: "include", body }).catch(() => {});
    const frame = document.createElement("iframe");
    frame.name = `frame${Math.random()}`;
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: url, target: frame.name });
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name, value });
      form.append(input);
    }
    document.body.append(form);
    const answered = settled(frame, ["load"]);
    form.submit();
    await answered;
    const image = new Image();
    const seen = settled(image, ["load", "error"]);
    image.src = `${url}?${body}`;
    await seen;
  }
}

scenario("the list of forms that other sites try is the list of routes", async () => {
  const source = await readFile(new URL("../../crates/web/src/pages/mod.rs", import.meta.url), "utf8");
  const routes = [...source.matchAll(/\.route\(\s*"([^"]+)",([^;]*?)\)\s*(?=\.route|\.layer|;|\})/gs)];
  const unsafe = routes.filter(([, , handler]) => /\b(post|put|patch|delete)\(/.test(handler)).map(([, path]) => path);
  assert.ok(unsafe.length >= 6, "the routes are found");
  assert.deepEqual(unsafe.filter((path) => !(path in FORMS)), [], "each needs a form here");
});

for (const [site, host] of [["a page on another port", "127.0.0.1"], ["a page of another name", "localhost"]]) {
  scenario(`${site} changes nothing`, async ({ keymint, visit }) => {
    const elsewhere = await serve({ "/": "<!doctype html><title>Other</title><link rel=icon href='data:,'><body>" });
    try {
      const app = await keymint.app(`Target of ${host}`);
      const hook = { mode: "test", url: "http://127.0.0.1:9/" };
      const { id: endpoint } = await keymint.api("POST", `/apps/${app}/webhook-endpoints`, hook);
      const event = { event: "payment.captured" };
      const { id: delivery } = await keymint.api("POST", `/webhook-endpoints/${endpoint}/test`, event);
      const merchant = await keymint.merchant();
      const setting = { keymint, app, merchant, key: await keymint.key(app), endpoint, delivery };
      const session = await Session.open(keymint, "owner");
      const visitor = await visit(undefined, { others: [`${host}:${elsewhere.port}`] });
      const [name, value] = session.cookie.split("=");
      await visitor.context.addCookies([{ name, value, url: keymint.console, httpOnly: true, sameSite: "Lax" }]);

      const state = async () => ({
        apps: (await keymint.api("GET", `/merchants/${setting.merchant}/apps`)).items,
        keys: (await keymint.api("GET", `/apps/${app}/credentials`)).items,
        endpoints: (await keymint.api("GET", `/apps/${app}/webhook-endpoints?mode=test`)).items,
        deliveries: await keymint.api("GET", `/webhook-endpoints/${endpoint}/deliveries`).then((page) => page.items.length, () => "deleted"),
        isSignedIn: (await session.get("/")).headers.location,
        letters: (await session.get("/outbox")).text,
      });
      const before = await state();
      const forms = Object.values(FORMS).map((form) => {
        const [path, fields, status] = form(setting);
        return { url: keymint.console + path, fields: { csrf: session.csrf, ...fields }, status };
      });
      const sent = [];
      visitor.context.on("request", (request) => {
        if (request.url().startsWith(keymint.console)) sent.push(request.allHeaders());
      });
      await visitor.goto(`http://${host}:${elsewhere.port}/`);
      await visitor.page.evaluate(attack, forms);
      assert.deepEqual(await state(), before);
      assert.ok(sent.length >= 4 * forms.length, `${sent.length} requests were made`);
      const carried = (await Promise.all(sent)).filter((headers) => headers.cookie?.includes(value)).length;
      // The other port is the same site to a browser, so the cookie goes along: the origin alone refuses it there.
      if (host === "127.0.0.1") assert.ok(carried >= forms.length, `${carried} carried the session`);
      else assert.equal(carried, 0, "the cookie stays at home");
      const cookies = await visitor.context.cookies();
      // What the browser says of the refusals comes late: only a closed window has said everything.
      await visitor.context.close();
      visitor.takeFaults();

      const later = await visit();
      await later.context.addCookies(cookies);
      await later.goto("/");
      assert.equal(await later.heading(), "Applications", "the visitor is still who they were");
      assert.match(await later.page.locator(".who").innerText(), /Demo owner/);
      await theSameFormsFromTheirOwnPage(session, forms, keymint);
      assert.notDeepEqual(await state(), before);
    } finally {
      elsewhere.close();
    }
  });
}

/** What refuses the forms is where they come from, not what is in them. */
async function theSameFormsFromTheirOwnPage(session, forms, keymint) {
  for (const { url, fields, status } of forms) {
    const path = url.slice(keymint.console.length);
    const reply = await session.post(path, encoded(fields));
    assert.equal(reply.status, status, `${path}: ${reply.text}`);
  }
}
