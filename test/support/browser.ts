import { existsSync } from "node:fs";
import process from "node:process";
import { after, type TestContext } from "node:test";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { TOKEN } from "./admin.ts";

/** Debian's Chromium, or the one that $CHROMIUM names. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** For whatever is waited for, in milliseconds: many tests run at once. */
const PATIENCE = 120_000;

/** Why there is no browser here; false: there is one. On Deno playwright's pipes do not work. */
export const noBrowser: string | false =
  "Deno" in globalThis ? "a browser is driven on Node" : existsSync(CHROMIUM) ? false : `there is no ${CHROMIUM}`;

let browser: Promise<Browser> | null = null;

async function start(): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  // It does not start under another clock than the machine's.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(LD_PRELOAD|.*FAKE.*)$/.test(name)));
  // In a container it has no sandbox of its own.
  const args = ["--no-sandbox", "--disable-gpu"];
  return chromium.launch({ executablePath: CHROMIUM, args, env: env as Record<string, string>, timeout: PATIENCE });
}

after(async () => (await browser)?.close());

/** What went wrong on a page: errors of the script, of the policy of content, and dialogs. */
export type Tab = { page: Page; context: BrowserContext; wrong: string[] };

/** A tab of its own browser profile. */
export async function openTab(t: Pick<TestContext, "after">, options: BrowserContextOptions = {}): Promise<Tab> {
  browser ??= start();
  const context = await (await browser).newContext({ viewport: { width: 1440, height: 900 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    // A status of 4xx or 5xx is no error of the page.
    if (message.type() === "error" && !/the server responded with a status of/.test(message.text())) {
      wrong.push(message.text());
    }
  });
  page.on("dialog", (dialog) => {
    wrong.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, context, wrong };
}

/** Logs in by the token on the way to a page, and is there then. */
export async function login({ page }: Tab, port: number, path = "/"): Promise<void> {
  await page.goto(`http://127.0.0.1:${port}${path}`);
  await page.getByLabel("Admin token").fill(TOKEN);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL((url) => url.pathname + url.search === path);
}
