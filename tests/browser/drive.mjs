// Opens the page of an export in headless Chromium, does what people do there, prints what it shows.
//   node drive.mjs JOB.json   {export, modules, chromium, texts, search, precision, screenshot, cdn}
// npm's packages stand in for the CDN. `cdn` maps names of files to what is put after their content, or null if they are absent.

import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const { chromium } = createRequire(path.join(job.modules, "_.js"))("playwright-core");
const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"];
const ALONE = ["--disable-background-networking", "--disable-component-update"];

const server = http.createServer((request, response) => {
  const file = path.join(job.export, decodeURIComponent(new URL(request.url, "http://x").pathname));
  if (!fs.existsSync(file) || fs.statSync(file).isDirectory()) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream" });
  return fs.createReadStream(file).pipe(response);
});
await new Promise((done) => server.listen(0, "localhost", done));

const browser = await chromium.launch({ executablePath: job.chromium, args: [...QUIET, ...ALONE] });
const page = await browser.newPage({ viewport: { width: 900, height: 1100 } });
const said = [];
page.on("pageerror", (error) => said.push(error.message));
page.on("console", (message) => message.type() === "error" && said.push(message.text()));
await page.route("https://cdn.jsdelivr.net/npm/**", (route) => {
  const wanted = new URL(route.request().url()).pathname.replace("/npm/", "");
  const [name, version] = wanted.split("/")[0].split("@");
  const installed = JSON.parse(fs.readFileSync(path.join(job.modules, name, "package.json"), "utf8"));
  const added = job.cdn[path.basename(wanted)];
  if (installed.version !== version || added === null) return route.abort();
  const file = path.join(job.modules, wanted.replace(`@${version}`, ""));
  const body = Buffer.concat([fs.readFileSync(file), Buffer.from(added ?? "")]);
  return route.fulfill({ body, contentType: TYPES[path.extname(file)], headers: { "access-control-allow-origin": "*" } });
});

const settled = () =>
  page.waitForFunction(() => !/^(Loading|Translating) \.\.\.$/.test(document.getElementById("status").textContent), null, {
    timeout: 120_000,
  });
const seen = async () => ({
  status: await page.textContent("#status"),
  isError: await page.locator("#status.error").count(),
  title: await page.textContent("#name"),
  examples: await page.locator("#examples button").allTextContents(),
  isShown: await page.isVisible("#output"),
  hypotheses: await page.locator("#hypotheses button").allTextContents(),
  scores: await page.locator("#hypotheses .score").allTextContents(),
  weights: await page.locator("#matrix td.shade").allTextContents(),
});

await page.goto(`http://localhost:${server.address().port}/browser/index.html`);
await settled();
const result = { first: await seen(), answers: [] };
if (!result.first.isError) {
  await page.selectOption("#search", job.search);
  await settled();
  if (await page.isVisible("#precision")) {
    await page.selectOption("#precision", job.precision);
    await settled();
  }
  for (const text of job.texts) {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
    await settled();
    result.answers.push(await seen());
  }
  await page.locator("#examples button").first().click();
  await settled();
  result.example = await page.inputValue("#text");
  if (await page.isVisible("#attention")) {
    await page.locator("#target button").first().focus();
    result.focused = await page.locator("#source .number").allTextContents();
    await page.keyboard.press("Tab");
    result.afterTab = await page.locator("#source .number").allTextContents();
    result.label = await page.locator("#target button").nth(1).getAttribute("aria-label");
    await page.locator("#target button").first().hover();
    result.hovered = await page.locator("#source .number").allTextContents();
    await page.click("summary");
  }
  await page.evaluate(fs.readFileSync(path.join(job.modules, "axe-core", "axe.min.js"), "utf8"));
  result.violations = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const found = await page.evaluate(() => axe.run());
    result.violations.push(...found.violations.map(({ id, nodes }) => `${id} (${colorScheme}): ${nodes[0].html}`));
    await page.screenshot({ path: `${job.screenshot}-${colorScheme}.png`, fullPage: true });
  }
}
result.pieces = await page.locator("#source .shade, #target button").evaluateAll((found) => found.map((one) => one.firstChild.textContent));
result.parts = await page.evaluate(() => [...document.querySelectorAll("*")].map((one) => one.tagName.toLowerCase()));
result.hasRun = await page.evaluate(() => "hasRun" in window);
result.said = said;
console.log(JSON.stringify(result));
await browser.close();
server.close();
