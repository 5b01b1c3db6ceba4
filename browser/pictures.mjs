// `cargo xtask pictures`: a picture of every page, at both widths and in both colour schemes.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { Keymint } from "./keymint.mjs";
import { furnish, inEveryLook, open, PAGES, windowOf } from "./pages.mjs";
import { launch, Visitor } from "./visitor.mjs";

const folder = process.env.KEYMINT_PICTURES;
if (!folder) throw new Error("KEYMINT_PICTURES is not set; run `cargo xtask pictures`");
mkdirSync(folder, { recursive: true });
const wanted = PAGES.filter((page) => page.name.includes(process.argv[2] ?? ""));
if (wanted.length === 0) throw new Error(`no page is called ${process.argv[2]}; they are ${PAGES.map((page) => page.name).join(", ")}`);

const keymint = await Keymint.start();
const browser = await launch();
try {
  const scene = await furnish(keymint);
  for (const page of wanted) {
    const visitor = await Visitor.open(browser, keymint, windowOf(page, keymint));
    if (page.role !== undefined) await visitor.signIn(page.role);
    await open(visitor, page, scene);
    await inEveryLook(visitor, ({ width, scheme }) =>
      visitor.page.screenshot({ path: join(folder, `${page.name}-${width}-${scheme}.png`), fullPage: page.name !== "api-reference" }),
    );
    await visitor.context.close();
    visitor.check();
    console.log(`${page.name}: ${folder}/${page.name}-*.png`);
  }
} finally {
  await browser.close();
  await keymint.stop();
}
