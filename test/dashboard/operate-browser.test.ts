import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { login, noBrowser, openTab } from "../support/browser.ts";
import { openDashboard } from "../support/dashboard.ts";
import { send } from "../support/front-door.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

// What an operator does to many, to an endpoint and to what was refused: with scripts, and without.

/** A relay with one endpoint "app", and a tab that is logged in at `path`. */
async function open(t: TestContext, path: string, { scripts, ...more }: { scripts: boolean } & Partial<ConfigInput>) {
  const app = await openReceiver();
  t.after(() => app.close());
  const endpoints = [endpointTo(app.url, { retry: [], send: "immediately", order: "none" })];
  const dashboard = await openDashboard(t, { mirror: { enabled: false }, endpoints, ...more });
  const tab = await openTab(t, { javaScriptEnabled: scripts });
  const count = async (query: string) => (await dashboard.get(`${query}&limit=500`)).json.data.length;
  return { ...dashboard, ...tab, app, login: () => login(tab, dashboard.port(), path), count };
}

for (const scripts of [true, false]) {
  const name = scripts ? "with scripts" : "without scripts";

  test(`30 dead deliveries are retried by their count, ${name}`, { skip: noBrowser }, async (t) => {
    const { page, login, event, count, app, wrong } = await open(t, "/deliveries?state=dead", { scripts });
    app.answer(413);
    for (let n = 0; n < 30; n++) await event({ wochitVideoId: `v${n}`, title: `Title ${n} <b>` });
    await waitFor(async () => (await count("/deliveries?state=dead")) === 30);
    await login();
    app.answer(200);
    await page.getByRole("link", { name: "Retry all 30 dead…" }).click();
    await page.getByRole("heading", { name: "Retry 30 deliveries?" }).waitFor();
    await page.getByRole("button", { name: "Retry 30 deliveries" }).click();
    await page.getByRole("heading", { name: "Retry deliveries" }).waitFor();
    await waitFor(async () => (await count("/deliveries?state=delivered")) === 30);
    if (scripts) {
      await page.getByText("30 of 30 retried").waitFor();
      // The numbers on the side are of a few seconds ago at most, also when nothing happens any more.
      await page.locator("#pages").getByText("30 dead").waitFor({ state: "detached" });
    } else {
      await page.reload();
      assert.equal(await page.getByText("30 of 30 retried").count(), 1);
    }
    await page.getByRole("link", { name: "See the list" }).click();
    await page.getByRole("heading", { name: "No delivery is like that" }).waitFor();
    assert.deepEqual(wrong, []);
  });

  test(`some of them are chosen by their boxes, ${name}`, { skip: noBrowser }, async (t) => {
    const { page, login, event, count, app, wrong } = await open(t, "/deliveries?state=dead", { scripts });
    app.answer(413);
    for (let n = 0; n < 5; n++) await event({ wochitVideoId: `v${n}` });
    await waitFor(async () => (await count("/deliveries?state=dead")) === 5);
    await login();
    app.answer(200);
    const boxes = page.getByRole("checkbox", { name: /^Select dlv_/ });
    await boxes.nth(0).check();
    await boxes.nth(3).check();
    await page.getByRole("button", { name: scripts ? "Retry 2 selected…" : "Retry selected" }).click();
    await page.getByRole("button", { name: "Retry 2 deliveries" }).click();
    await waitFor(async () => (await count("/deliveries?state=delivered")) === 2);
    assert.equal(await count("/deliveries?state=dead"), 3);
    assert.deepEqual(wrong, []);
  });

  test(`an endpoint is paused with a reason, holds what comes, and goes on, ${name}`, {
    skip: noBrowser,
  }, async (t) => {
    const { page, login, event, app, wrong, count } = await open(t, "/endpoints/app", { scripts });
    await login();
    await page.getByRole("link", { name: "Pause…" }).click();
    await page.getByLabel(/^Why\?/).fill("migration <b>until</b> 4");
    await page.getByRole("button", { name: "Pause it" }).click();
    await page.getByText("migration <b>until</b> 4").waitFor();
    await event({ wochitVideoId: "v1" });
    if (!scripts) await page.reload();
    await page.getByText("1 delivery waits and uses up no attempts").waitFor();
    assert.equal(app.requests.length, 0);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByText("It is sent to again").waitFor();
    await waitFor(async () => (await count("/deliveries?state=delivered")) === 1);
    assert.equal(await page.getByRole("heading", { name: "Why nothing is sent" }).count(), 0);
    assert.deepEqual(wrong, []);
  });

  test(`an endpoint is tested, and shows what it answered, ${name}`, { skip: noBrowser }, async (t) => {
    const { page, login, app, wrong } = await open(t, "/endpoints/app", { scripts });
    app.answer({ status: 418, body: "<script>alert(1)</script>" });
    await login();
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await page.getByText("HTTP 418").waitFor();
    await page.getByText("<script>alert(1)</script>").waitFor();
    assert.deepEqual(wrong, []);
  });

  test(`what was refused is taken in, one by one and all that match, ${name}`, { skip: noBrowser }, async (t) => {
    const receive = { allowFrom: ["10.1.2.3"] };
    const { page, login, relay, count, wrong } = await open(t, "/quarantine", { scripts, receive });
    for (let n = 0; n < 4; n++) {
      const body = JSON.stringify({
        type: "video.ready",
        wochitVideoId: `v${n}`,
        title: "<img src=x onerror=alert(1)>",
      });
      await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, body);
    }
    await login();
    await page.getByRole("link", { name: "video.ready" }).first().click();
    await page.getByRole("heading", { name: "It reads as an event" }).waitFor();
    await page.getByRole("button", { name: "Reprocess it" }).click();
    await page.getByText("It was taken in: it is an event now").waitFor();
    assert.equal(await count("/quarantine?reason=source"), 3);

    await page
      .getByRole("link", { name: /^Quarantine/ })
      .last()
      .click();
    await page.getByRole("link", { name: "Reprocess…" }).click();
    await page.getByRole("button", { name: "Reprocess 3 refused bodies" }).click();
    await waitFor(async () => (await count("/quarantine?reason=source")) === 0);
    assert.equal(await count("/events?type=video.ready"), 4);
    assert.deepEqual(wrong, []);
  });
}
