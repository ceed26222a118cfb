import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { TOKEN } from "../support/admin.ts";
import { login, noBrowser, openTab } from "../support/browser.ts";
import { openDashboard } from "../support/dashboard.ts";
import { send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { realPorts } from "../support/real-ports.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

// What only a browser can tell. What pages say is tested without one.

/** A browser that hangs ends no test by itself. */
const options = { skip: noBrowser, timeout: 300_000 };

const HOUR = 3_600_000;

for (const javaScriptEnabled of [true, false]) {
  const with_ = javaScriptEnabled ? "with" : "without";
  test(`a link leads through the login to its page, and out again, ${with_} scripts`, options, async (t) => {
    const { port } = await openDashboard(t);
    const tab = await openTab(t, { javaScriptEnabled });
    await login(tab, port(), "/events?status=dead");
    assert.equal(await tab.page.locator("h1").innerText(), "Events");
    await tab.page.getByRole("button", { name: "Log out" }).click();
    await tab.page.getByText("You are logged out.").waitFor();
    await tab.page.goto(`http://127.0.0.1:${port()}/events`);
    await tab.page.getByLabel("Admin token").waitFor();
    assert.deepEqual(tab.wrong, []);
  });
}

test("a link from another site leads to its page, with the login that there is", options, async (t) => {
  const { port } = await openDashboard(t);
  const tab = await openTab(t, { javaScriptEnabled: false });
  await login(tab, port(), "/events");
  const chat = await listen(
    t,
    createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<a href="http://127.0.0.1:${port()}/events?type=video.ready">the event</a>`);
    }),
  );
  // Another site, not only another port of this one.
  await tab.page.goto(chat.url.replace("127.0.0.1", "localhost"));
  await tab.page.getByText("the event").click();
  await tab.page.locator("h1", { hasText: "Events" }).waitFor();
  assert.match(tab.page.url(), /\/events\?type=video\.ready$/);
});

test("a form, and JSON, of another site change nothing", options, async (t) => {
  const { port, get } = await openDashboard(t, { endpoints: [endpointTo("http://127.0.0.1:9/")] });
  const own = `http://127.0.0.1:${port()}`;
  const target = `${own}/api/v1/endpoints/app/pause`;
  const evil = await listen(
    t,
    createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<form method="post" action="${target}" enctype="text/plain"><button>win</button></form>
        <form method="post" action="${own}/settings/log-out-everywhere"><button>more</button></form>`);
    }),
  );
  // The same site as the dashboard's at another port, whose requests have its cookies; and another one.
  const sites = [evil.url, evil.url.replace("127.0.0.1", "localhost")];

  const forms = await openTab(t, { javaScriptEnabled: false });
  await login(forms, port(), "/events");
  for (const at of sites) {
    for (const name of ["win", "more"]) {
      await forms.page.goto(at);
      await forms.page.getByText(name).click();
      const ends = /another origin|Another page asked|needs the header Authorization|Settings and doctor/;
      await forms.page.getByText(ends).first().waitFor();
    }
  }
  await forms.page.goto(`${own}/events`);
  assert.equal(await forms.page.locator("h1").innerText(), "Events", "the session holds");

  const scripts = await openTab(t);
  await login(scripts, port(), "/events");
  for (const at of sites) {
    await scripts.page.goto(at);
    for (const type of ["application/json", "text/plain"]) {
      const answer = await scripts.page.evaluate(
        ({ target, type }) =>
          fetch(target, {
            ...{ method: "POST", body: "{}", credentials: "include", headers: { "content-type": type } },
            signal: AbortSignal.timeout(30_000),
          }).then(
            ({ status }) => status,
            ({ name }) => (name === "TypeError" ? "refused" : name),
          ),
        { target, type },
      );
      assert.equal(answer, "refused");
    }
  }
  assert.equal((await get("/endpoints")).json.data[0].state, "active");
});

test("hostile text runs nowhere, and asks nobody", options, async (t) => {
  const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>`;
  const { port, event } = await openDashboard(t);
  await event({ wochitVideoId: `v${hostile}`, title: hostile, videoContext: hostile, type: hostile });
  const tab = await openTab(t);
  await login(tab, port());
  const find = encodeURIComponent(hostile);
  for (const path of [
    "/",
    "/events",
    `/events?context=${find}`,
    `/events?type=${find}`,
    `/find?q=${find}`,
    `/${find}`,
  ]) {
    await tab.page.goto(`http://127.0.0.1:${port()}${path}`);
    await tab.page.waitForLoadState("networkidle");
    assert.equal(await tab.page.locator("img, main script, svg[onload]").count(), 0, path);
  }
  assert.deepEqual(tab.wrong, []);
});

test("an open page takes what is new by itself, and nothing under the reader's hand", options, async (t) => {
  const app = await listen(
    t,
    createServer((_, response) => response.writeHead(isWell ? 200 : 500).end()),
  );
  let isWell = false;
  const { port, event, get, post } = await openDashboard(t, {
    endpoints: [endpointTo(app.url, { retry: ["1h"] })],
    mirror: { enabled: false },
  });
  const first = await event({ wochitVideoId: "v1", title: "First" });
  await waitFor(async () => (await get("/deliveries")).json.data[0]?.attempts === 1);
  const tab = await openTab(t);
  const { page } = tab;
  await login(tab, port(), "/events");
  const row = page.locator(`#row-${first}`);
  await row.getByRole("img", { name: "retrying" }).waitFor();
  await page.getByRole("button", { name: "Live" }).waitFor();

  // A further event is offered, and its row does not push the others down.
  const second = await event({ wochitVideoId: "v2", title: "Second" });
  await page.getByRole("link", { name: "1 newer: show them" }).waitFor();
  assert.equal(await page.locator(`#row-${second}`).count(), 0);

  // The row that has the focus stays as it is until it loses it.
  await row.getByRole("link").first().focus();
  isWell = true;
  const [{ id }] = (await get(`/deliveries?eventId=${first}`)).json.data;
  assert.equal((await post(`/deliveries/${id}/retry`)).status, 200);
  await waitFor(async () => (await get(`/deliveries/${id}`)).json.state === "delivered");
  await page.waitForTimeout(2_500);
  assert.equal(await row.getByRole("img", { name: "retrying" }).count(), 1);
  await page.locator("#find").focus();
  await row.getByText("delivered").waitFor();

  // Paused, it asks for nothing.
  await page.getByRole("button", { name: "Live" }).click();
  await page.getByRole("button", { name: "Paused" }).waitFor();
  let asked = 0;
  page.on("request", () => asked++);
  await event({ wochitVideoId: "v3", title: "Third" });
  await page.waitForTimeout(2_500);
  assert.equal(asked, 0);
  await page.getByRole("button", { name: "Paused" }).click();
  await page.getByRole("link", { name: "2 newer: show them" }).waitFor();
  assert.deepEqual(tab.wrong, []);
});

test("open pages of a login that has ended ask for one, but for one that is being typed into", options, async (t) => {
  const { port, form, login: other, page: ask } = await openDashboard(t);
  const tab = await openTab(t);
  await login(tab, port(), "/events?status=dead");
  const typing = await tab.context.newPage();
  await typing.goto(`http://127.0.0.1:${port()}/videos`);
  for (const page of [tab.page, typing]) await page.getByRole("button", { name: "Live" }).waitFor();
  await typing.getByLabel("Part of the title").fill("flood");
  await other();
  assert.equal((await ask("/events")).status, 200);
  await form("/settings/log-out-everywhere");
  await tab.page.getByLabel("Admin token").waitFor();
  await typing.getByRole("button", { name: "Logged out" }).waitFor();
  assert.equal(await typing.getByLabel("Part of the title").inputValue(), "flood");
  // It leads back to where it was.
  await tab.page.getByLabel("Admin token").fill(TOKEN);
  await tab.page.getByRole("button", { name: "Log in" }).click();
  await tab.page.waitForURL("**/events?status=dead");
});

for (const javaScriptEnabled of [true, false]) {
  const with_ = javaScriptEnabled ? "with" : "without";
  test(
    `a login lasts for twelve hours, and a page of after that asks for another, ${with_} scripts`,
    options,
    async (t) => {
      const ports = realPorts();
      const { clock } = ports;
      let ahead = 0;
      const { port, event } = await openDashboard(
        t,
        {},
        { ...ports, clock: { ...clock, now: () => clock.now() + ahead } },
      );
      const tab = await openTab(t, { javaScriptEnabled });
      const { page } = tab;
      await login(tab, port(), "/events?status=dead");
      ahead = 12 * HOUR - 60_000;
      await page.reload();
      assert.equal(await page.locator("h1").innerText(), "Events");
      if (javaScriptEnabled) await page.getByRole("button", { name: "Live" }).waitFor();
      ahead = 12 * HOUR + 1_000;
      if (javaScriptEnabled) await event({ wochitVideoId: "v1" });
      else await page.getByRole("link", { name: "Videos" }).first().click();
      await page.getByLabel("Admin token").fill(TOKEN);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.waitForURL(javaScriptEnabled ? "**/events?status=dead" : "**/videos");
      assert.deepEqual(tab.wrong, []);
    },
  );
}

test("a page whose thing has gone says so, and is not half of it and half of an error", options, async (t) => {
  const { port, get, post, event, relay } = await openDashboard(t);
  const refused = { method: "POST", path: "/webhooks/none" };
  await send(relay.port, refused, JSON.stringify({ type: "video.ready", wochitVideoId: "v1" }));
  const [{ id }] = (await get("/quarantine")).json.data;
  const tab = await openTab(t);
  await login(tab, port(), `/quarantine/${id}`);
  await tab.page.getByRole("button", { name: "Live" }).waitFor();
  const taken = (await post(`/quarantine/${id}/reprocess`)).json;
  await tab.page.waitForURL(`**/events/${taken.id}`);
  // Of what is nowhere any more.
  await tab.page.evaluate("history.replaceState(null, '', '/quarantine/qrn_none')");
  await event({ wochitVideoId: "v2" });
  await tab.page.getByText("What was there stays").waitFor();
});

test("groups of a list are renewed as one, and the rows below them stay", options, async (t) => {
  const { port, relay } = await openDashboard(t);
  const refuse = (path: string, n: number) =>
    send(relay.port, { method: "POST", path }, JSON.stringify({ type: "video.ready", wochitVideoId: "v1", n }));
  await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, '{"title":"no video"}');
  const tab = await openTab(t);
  const { page } = tab;
  await login(tab, port(), "/quarantine");
  await page.getByRole("button", { name: "Live" }).waitFor();
  const groups = page.locator("#part-groups tbody tr");
  assert.equal(await groups.count(), 1);
  for (const n of [2, 3]) await refuse("/elsewhere", n);
  await page.locator("#part-groups").getByText("path", { exact: true }).waitFor();
  // The new group is the larger one, and the former has kept its own number.
  const shown = () =>
    groups.evaluateAll((rows) =>
      rows.map((row) => `${row.querySelector("a")?.textContent} ${row.querySelector("td.num")?.textContent}`).join(),
    );
  await waitFor(async () => (await shown()) === "path 2,invalid_event 1");
  await page.getByRole("link", { name: "2 newer: show them" }).waitFor();
  assert.deepEqual(tab.wrong, []);
});

test("times are shown in the browser's zone, also by the server from the second page on", options, async (t) => {
  const { port, event } = await openDashboard(t);
  await event({ wochitVideoId: "v1" });
  const tab = await openTab(t, { timezoneId: "Asia/Tokyo" });
  await login(tab, port(), "/events");
  // Without the day: under another clock than the browser's the relay's now is far away.
  const shown = (await tab.page.locator("td time").first().innerText()).slice(-8);
  assert.equal(await tab.page.locator("[data-zone]").innerText(), "Asia/Tokyo");
  const plain = await tab.context.request.get(`http://127.0.0.1:${port()}/events`);
  assert.ok((await plain.text()).includes(`${shown}</time>`));
});

test("ages are kept right by the time beside them, or by that of their row", options, async (t) => {
  const app = await listen(
    t,
    createServer((_, response) => response.writeHead(500).end()),
  );
  const { port, event, get } = await openDashboard(t, { endpoints: [endpointTo(app.url, { retry: ["1h"] })] });
  await event({ wochitVideoId: "v1" });
  const [{ createdAt }] = await waitFor(async () => {
    const { data } = (await get("/deliveries")).json;
    return data[0]?.attempts === 1 && data;
  });
  const tab = await openTab(t);
  const { page } = tab;
  await login(tab, port(), "/deliveries?state=pending");
  await page.clock.setFixedTime(Date.parse(createdAt) + 2 * HOUR + 300_000);
  await page.reload();
  const row = page.locator("[id^=row-dlv]");
  const agesIn = (within: string) => row.locator(`${within} [data-ago]`).allTextContents();
  assert.deepEqual(await row.locator("time + .under").allTextContents(), ["2 h 5 min ago"]);
  // On a phone the age alone; above it stands when it is tried again, which has an age of its own.
  assert.deepEqual(await agesIn(".under.narrow"), ["2 h 5 min ago"]);
  const [next, ...others] = await agesIn("div.narrow");
  assert.match(next!, /^(5\d min|1 h( \d min)?) ago$/);
  assert.deepEqual(others, []);
  assert.deepEqual(tab.wrong, []);
});

test("keys go to pages and rows, and can be turned off", options, async (t) => {
  const { port, event } = await openDashboard(t);
  await event({ wochitVideoId: "v1" });
  await event({ wochitVideoId: "v2" });
  const tab = await openTab(t);
  const { page } = tab;
  await login(tab, port());
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await page.waitForURL("**/events");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  assert.equal(await page.evaluate("document.activeElement.closest('tr').rowIndex"), 2);
  await page.keyboard.press("/");
  assert.equal(await page.evaluate("document.activeElement.id"), "find");
  await page.keyboard.press("Escape");
  await page.locator("h1").click();
  await page.keyboard.press("?");
  await page.getByLabel("Single keys are on").uncheck();
  await page.getByRole("button", { name: "Close" }).click();
  await page.reload();
  await page.keyboard.press("/");
  assert.notEqual(await page.evaluate("document.activeElement.id"), "find");
  assert.deepEqual(tab.wrong, []);
});

test("the theme is kept, and is there before the first paint", options, async (t) => {
  const { port } = await openDashboard(t);
  const tab = await openTab(t);
  await login(tab, port());
  const button = tab.page.getByRole("button", { name: /^Theme/ });
  await button.click();
  await button.click();
  assert.equal(await button.innerText(), "Theme: dark");
  await tab.page.reload();
  assert.equal(await tab.page.locator("html").getAttribute("data-theme"), "dark");
  assert.equal(await button.innerText(), "Theme: dark");
});

test("what was done is said once", options, async (t) => {
  const { port } = await openDashboard(t);
  const tab = await openTab(t);
  const { page } = tab;
  await login(tab, port(), "/settings");
  await page.getByRole("button", { name: "Examine everything" }).click();
  await page.getByText("Doctor looks at everything now").waitFor();
  assert.equal(page.url(), `http://127.0.0.1:${port()}/settings`);
  // It has not to be asked for again.
  await page.getByText("What doctor found").waitFor({ state: "attached" });
  await page.reload();
  assert.equal(await page.getByText("Doctor looks at everything now").count(), 0);
  await page.goto(`http://127.0.0.1:${port()}/login?to=/events`);
  await page.waitForURL("**/events");
  assert.deepEqual(tab.wrong, []);
});
