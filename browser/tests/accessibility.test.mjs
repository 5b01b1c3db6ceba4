// Every page, for everybody: axe finds nothing serious in either colour scheme and at either width, and nothing is
// wider than a phone.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import { furnish, inEveryLook, open, PAGES, windowOf } from "../pages.mjs";
import { scenario, stage } from "../scenario.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds that counts: rules of WCAG 2.2 AA and axe's own advice, serious or critical. */
async function findings(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 200)).join(" ")}`);
}

/** What sticks out of the page's body on its right. */
function stickingOut() {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const wide = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > clientWidth + 1);
  return [`${scrollWidth} px of ${clientWidth}`, ...wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120))];
}

let scene;
const furnished = async () => (scene ??= await furnish(stage.keymint));

for (const page of PAGES) {
  scenario(`the page ${page.name} is for everybody`, async ({ visit }) => {
    const scene = await furnished();
    const visitor = await visit(page.role, windowOf(page, stage.keymint));
    await open(visitor, page, scene);
    const found = {};
    await inEveryLook(visitor, async ({ width, scheme }) => {
      const all = [...(await findings(visitor.page)), ...(await visitor.page.evaluate(stickingOut))];
      if (all.length > 0) found[`${width} ${scheme}`] = all;
    });
    assert.deepEqual(found, {});
  });
}

scenario("what is wrong with a page is found", async ({ visit }) => {
  const visitor = await visit("owner");
  assert.deepEqual(await findings(visitor.page), []);
  await visitor.page.evaluate(() => {
    document.querySelector("h1").textContent = "";
    document.querySelector("main").insertAdjacentHTML("beforeend", "<input>");
  });
  assert.match((await findings(visitor.page)).join("\n"), /^label: /m);
  await visitor.page.setViewportSize({ width: 360, height: 740 });
  assert.deepEqual(await visitor.page.evaluate(stickingOut), []);
  await visitor.page.evaluate(() => {
    document.querySelector("h1").textContent = "W".repeat(200);
  });
  assert.match((await visitor.page.evaluate(stickingOut))[0], /px of 360/);
});
