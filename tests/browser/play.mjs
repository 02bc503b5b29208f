// Opens docs/play in headless Chromium, from the disk and with the net off, does what a learner does, prints what comes back.
//   node play.mjs JOB.json   {page, modules, chromium, actions}
// An action is the name of a method of Playwright's page, or of one below, and its arguments.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const { chromium } = createRequire(path.join(job.modules, "_.js"))("playwright-core");
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"];
const ALONE = ["--disable-background-networking", "--disable-component-update"];

const browser = await chromium.launch({ executablePath: job.chromium, args: [...QUIET, ...ALONE] });
const context = await browser.newContext({ offline: true, viewport: { width: 1100, height: 900 }, hasTouch: true });
const page = await context.newPage();
const said = [];
page.on("pageerror", (error) => said.push(error.message));
page.on("console", (message) => message.type() === "error" && said.push(message.text()));
page.on("request", (request) => /^(file|blob|about):/.test(request.url()) || said.push(request.url()));

const own = {
  async open(state = "") {
    await page.goto("about:blank"); // so that a new state is a new page
    await page.goto(`${pathToFileURL(job.page)}${state}`);
  },
  texts: (selector) => page.locator(selector).allInnerTexts(),
  values: (selector, name) => page.locator(selector).evaluateAll((found, name) => found.map((one) => one.getAttribute(name)), name),
  type: (text) => page.keyboard.press(text),
  async drag(selector, from, to) {
    await page.locator(selector).scrollIntoViewIfNeeded();
    const box = await page.locator(selector).boundingBox();
    const at = (share) => [box.x + box.width * share, box.y + box.height / 2];
    await page.mouse.move(...at(from));
    await page.mouse.down();
    await page.mouse.move(...at(to), { steps: 5 });
    await page.mouse.up();
  },
  async touch(selector, share) {
    await page.locator(selector).scrollIntoViewIfNeeded();
    const box = await page.locator(selector).boundingBox();
    await page.touchscreen.tap(box.x + box.width * share, box.y + box.height / 2);
  },
  async saved(selector) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
    return fs.readFileSync(await download.path(), "utf8");
  },
  async axe() {
    await page.evaluate(fs.readFileSync(path.join(job.modules, "axe-core", "axe.min.js"), "utf8"));
    const { violations } = await page.evaluate(() => axe.run({ preload: false }));
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
  },
  picture: (file) => page.screenshot({ path: file, fullPage: true }).then(() => null),
};

const results = [];
for (const [name, ...rest] of job.actions) {
  results.push((await (own[name] ?? page[name].bind(page))(...rest)) ?? null);
}
fs.writeFileSync(job.out, JSON.stringify({ results, said }));
await browser.close();
