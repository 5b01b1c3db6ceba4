// What every file of scenarios begins with: one Keymint, one browser, and a fresh visitor for each scenario, who is
// checked and goes when it ends. `node:test` runs them one after the other.

import { after, before, test } from "node:test";

import { Keymint } from "./keymint.mjs";
import { launch, Visitor } from "./visitor.mjs";

/** The Keymint and the browser of this file, once `before` has run. */
export const stage = {};

before(async () => {
  [stage.keymint, stage.browser] = await Promise.all([Keymint.start(), launch()]);
});

after(async () => {
  await stage.browser?.close();
  await stage.keymint?.stop();
});

/**
 * A scenario: a sentence, and what happens. It is given `keymint` and `visit(role, options)`, which opens a window and
 * signs in there as that role; with no role nobody is signed in.
 */
export function scenario(sentence, play) {
  test(sentence, () => perform(play, {}));
}

/** The same scenario twice: with scripts, and in a browser that runs none. */
export function scenarioWithAndWithoutScripts(sentence, play) {
  test(sentence, () => perform(play, {}));
  test(`${sentence}, without scripts`, () => perform(play, { javaScriptEnabled: false }));
}

async function perform(play, base) {
  const visitors = [];
  const { keymint, browser } = stage;
  const visit = async (role, options) => {
    const visitor = await Visitor.open(browser, keymint, { ...base, ...options });
    visitors.push(visitor);
    if (role !== undefined) await visitor.signIn(role);
    return visitor;
  };
  try {
    await play({ keymint, browser, visit, hasScripts: base.javaScriptEnabled !== false });
  } finally {
    for (const visitor of visitors) await visitor.context.close();
  }
  for (const visitor of visitors) visitor.check();
}
