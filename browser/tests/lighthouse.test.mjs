// Lighthouse's judgement of the pages that everybody sees first: accessibility and best practices.

import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";

import lighthouse from "lighthouse";

import { Session } from "../keymint.mjs";
import { furnish, PAGES } from "../pages.mjs";
import { scenario, stage } from "../scenario.mjs";
import { launch } from "../visitor.mjs";

const CATEGORIES = ["accessibility", "best-practices"];
/** Of 100. */
const SCORE_MIN = 95;
const JUDGED = ["sign-in", "applications", "keys", "logs"];

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** How long a page may take to come to rest; ours need a tenth, and Lighthouse would go on listening. Milliseconds. */
const REST_MS_MAX = 2_500;

async function scores(url, port, cookie) {
  const { lhr } = await lighthouse(url, {
    port,
    output: "json",
    logLevel: "silent",
    onlyCategories: CATEGORIES,
    throttlingMethod: "provided",
    disableFullPageScreenshot: true,
    maxWaitForLoad: REST_MS_MAX,
    extraHeaders: cookie === undefined ? undefined : { Cookie: cookie },
  });
  assert.equal(lhr.runtimeError, undefined);
  assert.equal(lhr.finalDisplayedUrl, url, "the page itself was judged");
  const failed = Object.values(lhr.audits).filter((audit) => audit.score !== null && audit.score < 1);
  const score = (name) => Math.round(lhr.categories[name].score * 100);
  return { all: CATEGORIES.map(score), failed: failed.map((audit) => `${audit.id}: ${audit.title}`) };
}

scenario(`${JUDGED.join(", ")} have at least ${SCORE_MIN} of 100`, async ({ keymint }) => {
  const scene = await furnish(stage.keymint);
  const port = await freePort();
  const browser = await launch([`--remote-debugging-port=${port}`]);
  try {
    for (const page of PAGES.filter(({ name }) => JUDGED.includes(name))) {
      const cookie = page.role && (await Session.open(keymint, page.role)).cookie;
      const { all, failed } = await scores(keymint.console + page.path(scene), port, cookie);
      for (const [index, score] of all.entries()) {
        assert.ok(score >= SCORE_MIN, `${page.name}: ${CATEGORIES[index]} ${score}\n${failed.join("\n")}`);
      }
      console.log(`${page.name}: ${CATEGORIES.map((name, index) => `${name} ${all[index]}`).join(", ")}`);
    }
  } finally {
    await browser.close();
  }
});
