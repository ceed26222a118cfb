import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { pages } from "../../src/dashboard/pages/table.ts";
import { TOKEN } from "../support/admin.ts";
import { noBrowser, openTab } from "../support/browser.ts";
import { addressesOf, openNewsroom } from "../support/newsroom.ts";
import { isWhole } from "../support/whole.ts";

// Every page in every form: whether all can read it and use it (WCAG 2.2 AA by axe-core), and whether it fits a small screen.

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Each violation in a line, with the first places. */
const RUN = `axe.run({ runOnly: ${JSON.stringify(RULES)} }).then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")))`;

/** How wide the narrowest cell is that says what its row is about, in pixels. */
const NARROWEST = "Math.min(9999, ...[...document.querySelectorAll('td.main')].map((cell) => cell.clientWidth))";

/** How each page is looked at: in the short form each width and each scheme of colours once. */
const LOOKS: Record<number, readonly ("light" | "dark")[]> = isWhole
  ? { 1440: ["light", "dark"], 390: ["light", "dark"] }
  : { 1440: ["light"], 390: ["dark"] };

/** What has no markup: bytes, and redirects. */
const NO_PAGES = ["/events/:id/body", "/videos/:id/media/:medium"];

/** The most bytes of a page with the sheet and the script, compressed. */
const MOST = 15_000;

test("each page can be read and used by all, at any width, and is light", {
  skip: noBrowser,
  timeout: 1_200_000,
}, async (t) => {
  const newsroom = await openNewsroom(t);
  const addresses = await addressesOf(newsroom);
  await newsroom.login();
  const unknown = pages.filter(({ path }) => !NO_PAGES.includes(path) && addresses[path] === undefined);
  assert.deepEqual(
    unknown.map(({ path }) => path),
    [],
    "addressesOf has an address of each page",
  );
  const asked = pages.flatMap(({ path }) => addresses[path] ?? []);
  const tab = await openTab(t);
  const { page } = tab;
  const base = `http://127.0.0.1:${newsroom.port()}`;
  const cdp = await tab.context.newCDPSession(page);
  const found: string[] = [];

  /** The policy of content lets no script of ours in but by the debugger. */
  async function look(name: string): Promise<void> {
    await cdp.send("Runtime.evaluate", { expression: AXE });
    const { result, exceptionDetails } = await cdp.send("Runtime.evaluate", {
      ...{ expression: RUN, awaitPromise: true, returnByValue: true },
    });
    if (exceptionDetails) found.push(`${name}: ${exceptionDetails.text}`);
    for (const line of (result.value ?? []) as string[]) found.push(`${name}: ${line}`);
  }

  async function lookAtAll(address: string): Promise<void> {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(base + address);
    for (const width of [1440, 1100, 1000, 390, 320]) {
      await page.setViewportSize({ width, height: 800 });
      const over = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      if (over > 0) found.push(`${address} at ${width}: ${over} px too wide`);
      const narrowest = await page.evaluate<number>(NARROWEST);
      if (narrowest < 80) found.push(`${address} at ${width}: ${narrowest} px are left for what a row is about`);
      for (const colorScheme of LOOKS[width] ?? []) {
        await page.emulateMedia({ colorScheme });
        await look(`${address} at ${width}, ${colorScheme}`);
      }
    }
  }

  await lookAtAll("/login");
  await page.getByLabel("Admin token").fill(TOKEN);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL(`${base}/`);
  const assets = await Promise.all(
    [...(await newsroom.page("/login")).text.matchAll(/"(\/assets\/[^"]+\.(?:css|js))"/g)].map(([, at]) =>
      newsroom.page(at!),
    ),
  );
  const rest = assets.reduce((sum, { text }) => sum + gzipSync(text).length, 0);
  for (const address of [...asked, "/nowhere"]) {
    await lookAtAll(address);
    const { text } = await newsroom.page(address);
    const bytes = gzipSync(text).length + rest;
    if (bytes > MOST) found.push(`${address} has ${bytes} bytes`);
  }
  assert.deepEqual([...found, ...tab.wrong], []);
});
