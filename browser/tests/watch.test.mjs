// The watch over every scenario: what it must notice, and what it must let pass.

import assert from "node:assert/strict";

import { serve } from "../elsewhere.mjs";
import { scenario } from "../scenario.mjs";
import { Visitor } from "../visitor.mjs";

const POLICY = { "content-security-policy": "default-src 'none'; script-src 'self'" };
const html = (inside) => `<!doctype html><html lang="en"><title>Page</title><link rel="icon" href="data:,">${inside}`;

/** A page, and what is said of it; nothing for one that behaves. */
const PAGES = {
  "/calm": [html("<p>Calm</p><script>console.warn('a warning')</script>"), []],
  "/gone": [{ status: 404, body: html("Gone") }, []],
  "/inline": [{ headers: POLICY, body: html("<script>window.ran = 1</script>") }, [/^the console said: .*inline script/, /policy: script-src-elem stopped inline/]],
  "/handler": [{ headers: POLICY, body: html("<img src='data:,' onerror='window.ran = 1'>") }, [/Content Security Policy/, /policy: img-src stopped data/]],
  "/complains": [html("<script>console.error('on fire')</script>"), [/^the console said: on fire/]],
  "/throws": [html("<script>throw new Error('broken')</script>"), [/^a script failed: .*broken/]],
  "/asks": [html("<script>alert('hello')</script>"), [/^a dialog said: hello/]],
  "/lacks": [html("<script src='/nothing.js'></script>"), [/status of 404/]],
  "/fails": [{ status: 500, body: html("Failed") }, [/^status 500/, /status of 500/]],
};

scenario("what a page should not do is noticed, and nothing else", async ({ browser }) => {
  const site = await serve(Object.fromEntries(Object.entries(PAGES).map(([path, [page]]) => [path, page])));
  try {
    for (const [path, [, expected]] of Object.entries(PAGES)) {
      const visitor = await Visitor.open(browser, { console: site.origin });
      await visitor.goto(path);
      await visitor.context.close();
      const faults = visitor.takeFaults().join("\n");
      for (const fault of expected) assert.match(faults, new RegExp(fault, "m"), path);
      if (expected.length === 0) assert.equal(faults, "", path);
    }
  } finally {
    site.close();
  }
});

scenario("a breach is noticed in a browser that runs no scripts", async ({ browser }) => {
  const site = await serve({ "/": { headers: POLICY, body: html("<style>p { color: red }</style>") } });
  try {
    const visitor = await Visitor.open(browser, { console: site.origin }, { javaScriptEnabled: false });
    await visitor.goto("/");
    await visitor.context.close();
    assert.match(visitor.takeFaults().join("\n"), /Content Security Policy/);
  } finally {
    site.close();
  }
});

scenario("a request to another host is noticed, also to another port", async ({ browser }) => {
  const other = await serve({ "/": "" });
  const site = await serve({ "/": html(`<img src="${other.origin}/" alt="">`), "/own": html("<img src='/' alt=''>") });
  try {
    const visitor = await Visitor.open(browser, { console: site.origin });
    await visitor.goto("/own");
    visitor.check();
    await visitor.goto("/");
    assert.deepEqual(visitor.takeFaults(), [`a request to ${other.origin}/`]);
    assert.throws(() => {
      throw visitor.check() ?? new Error("nothing is left to notice");
    }, /nothing is left/);
    await visitor.context.close();
  } finally {
    site.close();
    other.close();
  }
});
