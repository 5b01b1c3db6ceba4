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
const FORMS = {
  "/merchants/{id}/apps/new": ({ merchant, app }) => [
    `/merchants/${merchant}/apps/new`,
    { product: "keymint", name: `Forged ${app}`, email: "a@b.example", address: "1", country: "IN", postal_code: "1" },
  ],
  "/apps/{id}/keys": ({ app }) => [`/apps/${app}/keys`, { once: "forged", mode: "test", name: "forged" }],
  "/keys/{key_id}/roll": ({ key }) => [`/keys/${key.keyId}/roll`, { once: "forged", grace_seconds: "0" }],
  "/keys/{key_id}/revoke": ({ key }) => [`/keys/${key.keyId}/revoke`, { reason: "unused" }],
  "/sign-out": () => ["/sign-out", {}],
  "/sign-in": ({ keymint }) => ["/sign-in", keymint.user("viewer")],
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
      const setting = { keymint, app, merchant: await keymint.merchant(), key: await keymint.key(app) };
      const session = await Session.open(keymint, "owner");
      const visitor = await visit(undefined, { others: [`${host}:${elsewhere.port}`] });
      const [name, value] = session.cookie.split("=");
      await visitor.context.addCookies([{ name, value, url: keymint.console, httpOnly: true, sameSite: "Lax" }]);

      const state = async () => ({
        apps: (await keymint.api("GET", `/merchants/${setting.merchant}/apps`)).items,
        keys: (await keymint.api("GET", `/apps/${app}/credentials`)).items,
        isSignedIn: (await session.get("/")).headers.location,
      });
      const before = await state();
      const forms = Object.values(FORMS).map((form) => {
        const [path, fields] = form(setting);
        return { url: keymint.console + path, fields: { csrf: session.csrf, ...fields } };
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
  const expected = { "/sign-in": 303, new: 303, keys: 201, roll: 201, revoke: 303, "/sign-out": 303 };
  for (const { url, fields } of forms) {
    const path = url.slice(keymint.console.length);
    const reply = await session.post(path, encoded(fields));
    const status = expected[path] ?? expected[path.split("/").at(-1)];
    assert.equal(reply.status, status, `${path}: ${reply.text}`);
  }
}
