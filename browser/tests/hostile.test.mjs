// Hostile text through every text field there is: it is shown as text. Most goes over HTTP, and every page that comes
// back is taken apart by the browser's own parser; then the browser shows them for real.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { serve } from "../elsewhere.mjs";
import { entries, textOf, written } from "../hostile-strings.mjs";
import { encoded, send, Session } from "../keymint.mjs";
import { scenario } from "../scenario.mjs";

const STRINGS = entries().map(textOf);
/** Requests under way at once. */
const AT_ONCE = 6;
/** Fields that the form for an app takes text in. */
const FIELDS = ["name", "email", "phone", "address", "country", "state", "city", "postal_code"];
/** What the console reads of a form. */
const BODY_BYTES_MAX = 64 * 1024;
/** Pages that are taken apart in one go. */
const BATCH = 100;

/** Calls `act` with each, some at a time, and gives what it gave, in order. */
async function forEach(list, act) {
  const results = [];
  let next = 0;
  const work = async () => {
    while (next < list.length) {
      const index = next++;
      results[index] = await act(list[index], index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

/** What becomes of a text on its way: half a character cannot be sent, and an HTML parser knows one line end and no NUL. */
const arrived = (text) => text.toWellFormed().replace(/\r\n?/g, "\n").replaceAll("\0", "\ufffd");

/** The same of a text that does not stand in an attribute: there the parser leaves NUL out. */
const asText = (text) => arrived(text.replaceAll("\0", ""));

/** Takes pages apart: in the browser, by its own parser, running nothing. */
function takeApart(pages) {
  // Our own icons, to the letter; whatever differs is looked at.
  const isIcon = (element) => /^<svg class="icon" aria-hidden="true"><use href="\/assets\/icons\.svg#[a-z0-9-]+"(><\/use>|\/>)<\/svg>$/.test(element.outerHTML);
  return pages.map((page) => {
    const parsed = new DOMParser().parseFromString(page, "text/html");
    for (const svg of [...parsed.querySelectorAll("svg")].filter(isIcon)) svg.remove();
    const shape = [...parsed.querySelectorAll("*")].map((element) => {
      const names = element.getAttributeNames().sort().join(" ");
      return `${element.localName}[${names}]`;
    });
    const values = [...parsed.querySelectorAll("main input[name], .alone input[name]")];
    const value = (input) => [input.name, input.getAttribute("value")];
    return { shape, values: Object.fromEntries(values.map(value)), title: parsed.title };
  });
}

async function apart(visitor, pages) {
  const results = [];
  for (let at = 0; at < pages.length; at += BATCH) {
    results.push(...(await visitor.page.evaluate(takeApart, pages.slice(at, at + BATCH))));
  }
  return results;
}

/** Shows pages for real, under the console's address and policy: what would run, runs. */
async function show(visitor, replies) {
  let reply;
  await visitor.page.route("**/shown", (route) =>
    route.fulfill({ status: 200, contentType: "text/html; charset=utf-8", headers: { "content-security-policy": reply.headers["content-security-policy"] }, body: reply.text }),
  );
  for (reply of replies) {
    assert.ok(reply.headers["content-security-policy"]);
    await visitor.page.goto("/shown");
    assert.equal(await visitor.page.evaluate(() => window.hostile), undefined);
  }
}

const isAnswered = (reply, text) => assert.ok(reply.status < 500, `${reply.status} for ${JSON.stringify(text).slice(0, 200)}`);

/** An answer that is no page says so, and no browser takes it for one. */
function isPageOrPlain(reply, text) {
  isAnswered(reply, text);
  const type = reply.headers["content-type"] ?? "";
  if (reply.text === "" || type.startsWith("text/html")) return;
  assert.match(type, /^(text\/plain|application\/(problem\+)?json)/, JSON.stringify(text));
}

scenario("the list is long, and is what it was made from", async () => {
  const file = await readFile(new URL("../hostile-strings.json", import.meta.url), "utf8");
  assert.equal(file, written(entries()), "run `node browser/hostile-strings.mjs` and commit the file");
  assert.deepEqual(JSON.parse(file).map(textOf), STRINGS);
  assert.ok(STRINGS.length >= 500 && new Set(STRINGS).size === STRINGS.length);
});

scenario("in Add App, each string in every field comes back as the text it was", async ({ keymint, visit }) => {
  const session = await Session.open(keymint, "owner");
  const form = `/merchants/${await keymint.merchant()}/apps/new`;
  const visitor = await visit("owner");
  const sent = STRINGS.map((_, index) =>
    Object.fromEntries(FIELDS.map((field, shift) => [field, STRINGS[(index + shift * 61) % STRINGS.length]])),
  );
  const [calm] = await apart(visitor, [(await session.post(form, { product: "kpay", country: "XX", name: "calm" })).text]);
  const known = new Set([...calm.shape, ...errorShapes(calm.shape)]);
  const all = await forEach(sent, async (fields, index) => {
    const typed = { product: index % 2 ? "kpay" : STRINGS[index], ...fields };
    return { fields: typed, reply: await session.post(form, typed) };
  });
  for (const { fields, reply } of all) {
    const isTooLong = encoded(fields).length > BODY_BYTES_MAX - 1000;
    assert.ok(reply.status === 422 || (isTooLong && reply.status === 413), `${reply.status}: ${JSON.stringify(fields).slice(0, 500)}`);
  }
  const shown = all.filter(({ reply }) => reply.status === 422);
  assert.ok(shown.length > all.length * 0.9);
  const pages = await apart(visitor, shown.map(({ reply }) => reply.text));
  pages.forEach(({ shape, values, title }, index) => {
    const { fields } = shown[index];
    assert.deepEqual(shape.filter((element) => !known.has(element)), [], JSON.stringify(fields));
    assert.equal(title, "Add App · Keymint");
    for (const field of FIELDS) assert.equal(values[field], arrived(fields[field]), field);
  });
  await show(visitor, shown.filter((_, index) => index % FIELDS.length === 0).map(({ reply }) => reply));
});

/** A form's elements as they are when their field is the wrong one, or none is. */
function errorShapes(shape) {
  const inputs = shape.filter((element) => element.startsWith("input["));
  const plain = "input[name type value]";
  const required = "input[name required type value]";
  const wrong = "input[aria-describedby aria-invalid autofocus name type value]";
  const both = "input[aria-describedby aria-invalid autofocus name required type value]";
  return [...inputs, plain, required, wrong, both, "p[autofocus class role tabindex]", "span[class id]"];
}

/** Fields of the company's profile, and of an app's settings, whose text comes back when another one is refused. */
const COMPANY = ["carried", "name", "website", "address", "state", "city", "postal_code", "phone"];

scenario("the company's profile, an app's domains and its endpoints give each string back as the text it was", async ({ keymint, visit }) => {
  const session = await Session.open(keymint, "owner");
  const visitor = await visit("owner");
  const app = await keymint.app("Hostile domains");
  const profile = `/merchants/${await keymint.merchant()}/profile`;
  const company = (index) => Object.fromEntries(COMPANY.map((field, shift) => [field, STRINGS[(index + shift * 61) % STRINGS.length]]));
  const forms = [
    [profile, (index) => ({ ...company(index), country: "XX" }), "Company · Keymint"],
    [`/apps/${app}/domains`, (index) => ({ domain: STRINGS[index] }), "Settings of Hostile domains · Keymint"],
    [
      `/apps/${app}/webhooks`,
      (index) => ({ mode: "test", url: STRINGS[index], alert_email: STRINGS[(index + 61) % STRINGS.length] }),
      "Webhooks of Hostile domains · Keymint",
    ],
  ];
  for (const [path, fields, title] of forms) {
    const all = await forEach(STRINGS, async (_, index) => ({ typed: fields(index), reply: await session.post(path, fields(index)) }));
    const shown = all.filter(({ reply }) => reply.status === 422);
    for (const { typed, reply } of all) {
      const isTooLong = encoded(typed).length > BODY_BYTES_MAX - 1000;
      assert.ok(reply.status === 422 || (isTooLong && reply.status === 413), `${reply.status}: ${JSON.stringify(typed).slice(0, 500)}`);
    }
    assert.ok(shown.length > STRINGS.length * 0.9);
    const pages = await apart(visitor, shown.map(({ reply }) => reply.text));
    const odd = /^(img|svg|iframe|style|base|object|video|math|b)\[|\bon\w+/;
    pages.forEach(({ shape, values, title: said }, index) => {
      const { typed } = shown[index];
      const known = shape.filter((element) => element !== "img[alt class height src width]");
      assert.deepEqual(known.filter((element) => odd.test(element)), [], JSON.stringify(typed));
      assert.equal(said, title);
      for (const [field, text] of Object.entries(typed)) {
        // Without anything to carry there is no field for it.
        if (field !== "country" && !(field === "carried" && text === "")) assert.equal(values[field], arrived(text), field);
      }
    });
    await show(visitor, shown.filter((_, index) => index % 10 === 0).map(({ reply }) => reply));
  }
});

scenario("an app of any name is listed by that name", async ({ keymint, visit }) => {
  const session = await Session.open(keymint, "owner");
  const merchant = await keymint.merchant();
  const rest = { product: "kpay", email: "dev@shop.example", country: "IN" };
  const replies = await forEach(STRINGS, (text) => {
    const [long, short] = [text.slice(0, 256).padEnd(3, "."), text.slice(0, 20) || "-"];
    const fields = { name: long, address: long, state: text.slice(0, 100), city: text.slice(0, 100), postal_code: short };
    return session.post(`/merchants/${merchant}/apps/new`, { ...rest, ...fields });
  });
  replies.forEach((reply, index) => isAnswered(reply, STRINGS[index]));
  const made = replies.filter((reply) => reply.status === 303);
  assert.ok(made.length > 300, `${made.length} were taken`);
  const items = [];
  for (let cursor = ""; cursor !== null; ) {
    const page = await keymint.api("GET", `/merchants/${merchant}/apps?limit=100${cursor && `&cursor=${cursor}`}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  const visitor = await visit("viewer");
  const listed = await visitor.page.locator("tbody td.name a").allTextContents();
  assert.deepEqual(listed, items.slice(0, listed.length).map((app) => app.name));
  assert.ok(listed.length >= Math.min(made.length, 400), `${listed.length} are shown`);
  for (const reply of made.filter((_, index) => index % 10 === 0)) await visitor.goto(reply.headers.location);
  assert.equal(await visitor.page.evaluate(() => window.hostile), undefined);
});

scenario("a key of any name is listed by that name", async ({ keymint, visit }) => {
  const session = await Session.open(keymint, "developer");
  const app = await keymint.app("Hostile keys");
  const names = STRINGS.map((text) => [...text].slice(0, 100).join(""));
  const replies = await forEach(names, async (name, index) => {
    const made = await session.post(`/apps/${app}/keys`, { once: `h${index}`, mode: "test", name });
    const keyId = made.text.match(/id="key-id">([^<]+)</)?.[1];
    if (keyId !== undefined) await session.post(`/keys/${keyId}/revoke`, { reason: "unused" });
    return made;
  });
  replies.forEach((reply, index) => isAnswered(reply, names[index]));
  assert.ok(replies.filter((reply) => reply.status === 201).length > 300);
  const visitor = await visit("viewer");
  const refused = replies.map((reply, index) => [reply, names[index]]).filter(([reply]) => reply.status === 422);
  assert.ok(refused.length > 20, "control characters are refused");
  const pages = await apart(visitor, refused.map(([reply]) => reply.text));
  pages.forEach(({ values }, index) => assert.equal(values.name, arrived(refused[index][1])));

  await visitor.goto(`/apps/${app}/keys?mode=test`);
  const rows = [];
  for (;;) {
    const listed = await visitor.page.locator("tbody tr").evaluateAll((rows) =>
      rows.map((row) => [row.querySelector("code").textContent, row.querySelector(".named")?.textContent ?? ""]),
    );
    rows.push(...listed);
    if ((await visitor.page.getByRole("link", { name: "Older" }).count()) === 0) break;
    await visitor.follow("Older");
    await visitor.page.waitForLoadState();
  }
  assert.ok(rows.length > 300);
  const kept = new Map();
  for (let cursor = ""; cursor !== null; ) {
    const page = await keymint.api("GET", `/apps/${app}/credentials?limit=100${cursor && `&cursor=${cursor}`}`);
    for (const key of page.items) kept.set(key.key_id, key.name ?? "");
    cursor = page.next_cursor;
  }
  for (const [keyId, name] of rows) assert.equal(name, arrived(kept.get(keyId)));
  assert.equal(await visitor.page.evaluate(() => window.hostile), undefined);
});

scenario("a sign-in of any email is refused, and the email comes back as the text it was", async ({ keymint, visit }) => {
  const nobody = new Session();
  nobody.keymint = keymint;
  const visitor = await visit();
  await visitor.goto("/sign-in");
  const calm = await nobody.post("/sign-in", { email: "a@b.example", password: "calm" });
  const [{ shape: known }] = await apart(visitor, [calm.text]);
  // A password that is too long for any account costs no hash; with a hash for each this would take a minute.
  const passwords = (index) => (index % 8 === 0 ? STRINGS[(index + 61) % STRINGS.length] : "x".repeat(257));
  const replies = await forEach(STRINGS, (email, index) => nobody.post("/sign-in", { email, password: passwords(index) }));
  replies.forEach((reply, index) => {
    isAnswered(reply, STRINGS[index]);
    assert.ok([422, 429].includes(reply.status), `${reply.status}`);
    assert.equal(reply.headers["set-cookie"], undefined);
  });
  const pages = await apart(visitor, replies.map((reply) => reply.text));
  pages.forEach(({ shape, values }, index) => {
    assert.deepEqual(shape, known, JSON.stringify(STRINGS[index]));
    assert.equal(values.email, arrived(STRINGS[index]));
    assert.equal(values.password, null);
  });
  await show(visitor, replies.filter((_, index) => index % 10 === 0));
});

/** A text in an address. */
const code = (text) => encodeURIComponent(text.toWellFormed()).slice(0, 6000).replace(/%[0-9A-F]?$/, "");

/** Asks for each address, and expects pages without a foreign element. */
async function askCalmly(session, visitor, asked) {
  const replies = await forEach(asked, (path) => session.get(path));
  replies.forEach((reply, index) => isPageOrPlain(reply, asked[index]));
  const pages = replies.filter((reply) => reply.headers["content-type"]?.startsWith("text/html"));
  const found = await apart(visitor, [...new Set(pages.map((reply) => reply.text.replaceAll(/value="[0-9a-f]{32,64}"/g, "")))]);
  const elements = new Set(found.flatMap(({ shape }) => shape));
  const logo = "img[alt class height src width]";
  const odd = [...elements].filter((element) => element !== logo && /^(img|svg|iframe|style|base|object|video|math|b)\[/.test(element) || /\bon\w+/.test(element));
  assert.deepEqual(odd, []);
  return replies;
}

scenario("lists of transactions and what is newer in the log are answered calmly", async ({ keymint, visit }) => {
  const app = await keymint.app("Hostile lists", "kpay");
  await keymint.payment(await keymint.key(app), "ORDER-1");
  const paths = (text) => [
    `/apps/${app}/logs/newer?after=0&key=${code(text)}&status=${code(text)}`,
    `/apps/${app}/transactions?id=${code(text)}`,
    `/apps/${app}/transactions?status=${code(text)}&before=${code(text)}`,
    `/apps/${app}/transactions?from=${code(text)}&to=${code(text)}`,
    `/apps/${app}/transactions/${code(text)}`,
  ];
  await askCalmly(await Session.open(keymint, "owner"), await visit("owner"), STRINGS.flatMap(paths));
});

scenario("filters, addresses and whatever else is asked for are answered calmly", async ({ keymint, visit }) => {
  const session = await Session.open(keymint, "owner");
  const app = await keymint.app("Hostile questions");
  const paths = (text) => [
    `/apps/${app}/logs?mode=${code(text)}&reason=${code(text)}`,
    `/apps/${app}/logs?before=${code(text)}`,
    `/apps/${app}/keys?done=${code(text)}`,
    `/apps/${app}/keys?mode=${code(text)}`,
    `/apps/${code(text)}/keys`,
    `/merchants/${code(text)}/apps`,
  ];
  const asked = STRINGS.flatMap(paths);
  const visitor = await visit("owner");
  const replies = await askCalmly(session, visitor, asked);
  for (const [index, reply] of replies.entries()) {
    if (reply.status === 400 && index % 40 === 0) await visitor.goto(asked[index]);
  }
});

scenario("a transaction's JSON is the text it was, whatever the merchant put into it", async ({ keymint, visit }) => {
  // A key of KPay makes a hundred calls a minute.
  const shops = await forEach(Array.from({ length: Math.ceil((STRINGS.length + 1) / 90) }), async (_, number) => {
    const app = await keymint.app(`Hostile payments ${number}`, "kpay");
    return { app, key: await keymint.key(app) };
  });
  const shop = (index) => shops[Math.floor(index / 90)];
  const session = await Session.open(keymint, "owner");
  const payment = (text, index) =>
    keymint.payment(shop(index).key, `ORDER-${index}`, { metadata: { text: text.toWellFormed() } });
  const made = await forEach(["calm", ...STRINGS], payment);
  const pages = await forEach(made, (id, index) => session.get(`/apps/${shop(index).app}/transactions/${id}`));
  const visitor = await visit("owner");
  const [calm, ...hostile] = await apart(visitor, pages.map((page) => page.text));
  hostile.forEach(({ shape }, index) => assert.deepEqual(shape, calm.shape, JSON.stringify(STRINGS[index])));
  for (let index = 0; index < STRINGS.length; index += 10) {
    await visitor.goto(`/apps/${shop(index + 1).app}/transactions/${made[index + 1]}`);
    const shown = JSON.parse(await visitor.page.locator("#transaction-body").textContent());
    assert.equal(shown.metadata.text, STRINGS[index].toWellFormed());
  }
  assert.equal(await visitor.page.evaluate(() => window.hostile), undefined);
});

scenario("a delivery shows what was sent and what came back as the text it was", async ({ keymint, visit }) => {
  const answers = ["calm", ...STRINGS].map((text) => text.toWellFormed());
  const byBody = new Map(answers.map((text) => [text, text]));
  const elsewhere = await serve({ "/hook": (body) => byBody.get(body) ?? "calm" });
  try {
    const app = await keymint.app("Hostile deliveries");
    const hook = { mode: "test", url: `${elsewhere.origin}/hook` };
    const { id: endpoint } = await keymint.api("POST", `/apps/${app}/webhook-endpoints`, hook);
    await forEach(answers, (body) => keymint.api("POST", `/apps/${app}/events`, { mode: "test", name: "payment.captured", body }));
    const deliveries = [];
    for (let looks = 0; ; looks += 1) {
      deliveries.length = 0;
      for (let cursor = ""; cursor !== null; ) {
        const page = await keymint.api("GET", `/webhook-endpoints/${endpoint}/deliveries?limit=100${cursor && `&cursor=${cursor}`}`);
        deliveries.push(...page.items);
        cursor = page.next_cursor;
      }
      if (deliveries.length === answers.length && deliveries.every(({ status }) => status === "delivered")) break;
      assert.ok(looks < 1200, `${deliveries.filter(({ status }) => status === "delivered").length} of ${deliveries.length}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const session = await Session.open(keymint, "owner");
    const visitor = await visit("owner");
    const pages = await forEach(deliveries, ({ id }) => session.get(`/deliveries/${id}`));
    const found = await apart(visitor, pages.map((page) => page.text));
    // Without an answer there is no place for it.
    const shape = (list) => list.filter((element) => element !== "code[class]");
    for (const one of found) assert.deepEqual(shape(one.shape), shape(found[0].shape));
    for (let index = 0; index < deliveries.length; index += 10) {
      const { body, attempts } = await keymint.api("GET", `/webhook-deliveries/${deliveries[index].id}`);
      await visitor.goto(`/deliveries/${deliveries[index].id}`);
      assert.equal(await visitor.page.locator("#sent-body").textContent(), asText(body));
      if (attempts[0].answer !== "") assert.equal(await visitor.page.locator("td .answer").textContent(), asText(attempts[0].answer));
    }
    assert.equal(await visitor.page.evaluate(() => window.hostile), undefined);
  } finally {
    elsewhere.close();
  }
});

scenario("the logs show the path of any request as the text it was", async ({ keymint, visit }) => {
  const app = await keymint.app("Hostile requests");
  const { secret } = await keymint.key(app);
  const headers = { authorization: `Bearer ${secret}` };
  const targets = STRINGS.flatMap((text) => {
    const raw = [...text].filter((char) => char > " " && char < "\u007f" && char !== "#").join("").slice(0, 1000);
    return [`/keymint/v1/${raw}`, `/keymint/v1/${encodeURIComponent(text.toWellFormed()).slice(0, 999)}`];
  });
  await forEach(targets, (target) => send(keymint.gateway, "GET", target, { headers }));
  const visitor = await visit("owner");
  await visitor.goto(`/apps/${app}/logs`);
  let seen = 0;
  for (;;) {
    const cells = await visitor.page.locator("tbody td:nth-child(3)").evaluateAll((cells) => cells.map((cell) => cell.innerHTML));
    for (const cell of cells) {
      assert.match(cell, /^<a href="[^"<]*"><code>[^<]*<\/code><\/a>(<small class="advice"><strong>[^<]*<\/strong>[^<]*<\/small>)?$/);
    }
    seen += cells.length;
    if ((await visitor.page.getByRole("link", { name: "Older" }).count()) === 0) break;
    await visitor.follow("Older");
    await visitor.page.waitForLoadState();
  }
  assert.ok(seen > 300, `${seen} requests are in the logs`);
  assert.equal(await visitor.page.evaluate(() => window.hostile), undefined);
});
