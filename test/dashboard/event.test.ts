import assert from "node:assert/strict";
import { test } from "node:test";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { wordsOf } from "../support/markup.ts";
import { HOSTILE, HOSTILE_ID, openNight, VIDEO } from "../support/newsroom.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

test("an event's page tells why an endpoint lacks it, in the words of the rules, and retries it where it stands", async (t) => {
  const night = await openNight(t);
  const id = await night.play();
  await night.login();
  const { status, text } = await night.page(`/events/${id}`);
  assert.equal(status, 200);
  const words = wordsOf(text);
  assert.match(words, /Why 2 endpoints do not have it/);
  assert.match(words, /It answered 422 to all 5 attempts, the last (.* ago|now): \{"error":"unknown rubric/);
  assert.match(words, /It waits: the next attempt is at \d\d:\d\d:\d\d in .*\. 2 attempts are left; nothing is lost/);
  // However far its deliveries have come by now.
  assert.match(words, /search-indexIt (has not been asked yet|is being sent now|answered )/);

  const table = text.slice(text.indexOf('aria-labelledby="deliveries"'));
  const cms = (await night.stateAt(id, "cms")).id;
  assert.match(table, new RegExp(`href="/confirm\\?do=cancel&amp;id=${cms}&amp;to=%2Fevents%2F${id}"`));

  // The same request again, once the app is mended.
  night.refused.clear();
  const path = `/deliveries/${cms}/retry`;
  assert.ok(table.includes(`action="${path}"><input type="hidden" name="to" value="/events/${id}"`), table);
  const done = await night.form(path, { to: `/events/${id}` });
  assert.deepEqual([done.status, done.headers.location], [303, `/events/${id}?done=retried`]);
  await waitFor(async () => (await night.stateAt(id, "cms")).state === "delivered");
  const after = wordsOf((await night.page(done.headers.location!)).text);
  assert.match(after, /It is tried again now/);
  assert.match(after, /Why search-index does not have it/);
  assert.match(after, /cms delivered: 200 in/);
});

test("its timeline goes from arrival through the mirror to each attempt with its answer", async (t) => {
  const night = await openNight(t);
  const id = await night.play();
  await night.login();
  const { text } = await night.page(`/events/${id}`);
  const line = wordsOf(/<ol class="line card">[\s\S]*?<\/ol>\n?<\/section>/.exec(text)![0]);
  const order = [
    /Received from 127\.0\.0\.1/,
    /Video download begins/,
    /Video secured/,
    /Video mirrored/,
    /Gate opened: its media are settled/,
    /cms answered 422 in \d/,
    /cms: 4 more attempts, all HTTP 422/,
    /cms, attempt 6 of 7/,
  ].map((words) => line.search(words));
  assert.ok(!order.includes(-1), `${order} ${line}`);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.match(
    text,
    /aria-label="What cms answered to attempt 1">[^<]*<bdi>|aria-label="What cms answered to attempt 1">\{/,
  );
  assert.match(wordsOf(text), /Mirrored\s?2 files, (at once|after)/);
  assert.equal(line.match(/Gate opened/g)?.length, 1, "what opened at once is one step");
  // Where the copies are for good.
  assert.match(text, new RegExp(`href="http://127\\.0\\.0\\.1:\\d+/media/${VIDEO}/video\\.mp4\\?sig=`));
});

test("the received body is shown and can be had as it came; what an endpoint would get is marked where it differs", async (t) => {
  const night = await openNight(t);
  const id = await night.event({ wochitVideoId: "v1", videoContext: "page-1", title: HOSTILE.script });
  await night.login();
  const plain = await night.page(`/events/${id}`);
  assert.match(plain.text, /<span class="k">&quot;wochitVideoId&quot;<\/span>: <span class="s">&quot;v1&quot;<\/span>/);
  assert.doesNotMatch(plain.text, /class="added"/);
  const bytes = await night.page(`/events/${id}/body`);
  assert.deepEqual(
    [bytes.headers["content-type"], bytes.headers["content-disposition"], bytes.headers["x-content-type-options"]],
    ["application/octet-stream", `attachment; filename="${id}"`, "nosniff"],
  );
  assert.equal(JSON.parse(bytes.text).title, HOSTILE.script);

  const { text } = await night.page(`/events/${id}?preview=cms`);
  const marked = [...text.matchAll(/<span class="added"><span class="k">&quot;(\w+)&quot;/g)].map(([, name]) => name);
  assert.deepEqual(marked, ["relay"]);
  assert.match(text, /webhook-id: <bdi>|webhook-id<\/bdi>: <bdi>evt_/);
  assert.doesNotMatch(text, /whsec_|webhook-signature/);
  assert.match(
    wordsOf((await night.page(`/events/${id}?preview=cmz`)).text),
    /no endpoint "cmz" in the config.*did you mean "?cms/,
  );
});

test("a large body is shown by its beginning, and one that is no longer kept leaves its event", async (t) => {
  const night = await openNight(t);
  const id = await night.event({ wochitVideoId: "v1", filler: "ü".repeat(200_000), last: "at-the-end" });
  await night.login();
  const { text } = await night.page(`/events/${id}`);
  assert.match(text, /the other [\d.]+ KiB are in the download/);
  assert.doesNotMatch(text, /at-the-end|\uFFFD/);
  assert.ok(text.length < 450_000, String(text.length));
  await waitFor(
    async () =>
      (await night.shown(id)).status !== "waiting" || (await night.stateAt(id, "archive")).state === "delivered",
  );
  await night.post("/videos/v1/forget", { confirm: "v1" });
  const gone = await night.page(`/events/${id}`);
  assert.equal(gone.status, 200);
  assert.match(gone.text, /Its bytes are no longer kept/);
  assert.doesNotMatch(gone.text, /Replay…/);
  assert.equal((await night.page(`/events/${id}/body`)).status, 410);
});

test("whatever stands in titles, contexts, ids and answers is text on an event's page", async (t) => {
  const night = await openNight(t);
  await night.login();
  night.archive.answer({ status: 400, body: `${HOSTILE.script}${HOSTILE.turned}` });
  for (const [n, words] of Object.values(HOSTILE).entries()) {
    // One lane each.
    const videoId = `${HOSTILE_ID.slice(0, -1)}${n}`;
    const id = await night.event({
      wochitVideoId: videoId,
      title: words,
      videoContext: words,
      type: words.slice(0, 60),
    });
    await waitFor(async () => (await night.stateAt(id, "archive")).attempts > 0);
    for (const path of [
      `/events/${id}`,
      `/events/${id}?preview=cms`,
      `/events/${id}?preview=${encodeURIComponent(words)}`,
    ]) {
      const { status, text } = await night.page(path);
      assert.equal(status, 200);
      // What a button copies is exactly what it names, and never shown.
      const shown = text.replace(/ data-copy="[^"]*"/g, "");
      assert.doesNotMatch(shown, /<b>"|<img src=x|alert\("owned"\)|[\u202E\u202C\u200b\u0000]/, path);
      assert.match(
        text,
        new RegExp(`href="/videos/${encodeURIComponent(videoId).replace("'", "&#39;").replace(/[.*]/g, "\\$&")}"`),
      );
    }
  }
});

test("an event that is not there is a page that says so, and who may only read has no buttons", async (t) => {
  const { login, page, event } = await openDashboard(t);
  const id = await event({ wochitVideoId: "v1" });
  await login(READER);
  for (const path of [
    "/events/evt_none",
    "/events/evt_none/body",
    "/events/%2e%2e%2f",
    `/events/${encodeURIComponent(HOSTILE.script)}`,
  ]) {
    assert.equal((await page(path)).status, 404, path);
  }
  const { text } = await page(`/events/${id}`);
  assert.doesNotMatch(text, /Retry now|Cancel it|Replay…|action="\/deliveries/);
  assert.match(text, /No endpoint asked for it/);
});

test("with twenty apps only the one that lacks an event is named, and what arrived is one step", async (t) => {
  const [well, ill] = await Promise.all([openReceiver(), openReceiver({ status: 400, body: "no" })]);
  for (const app of [well, ill]) t.after(() => app.close());
  const endpoints = Array.from({ length: 20 }, (_, n) =>
    endpointTo(n === 7 ? ill.url : well.url, { id: `app-${n}`, retry: [] }),
  );
  const { login, page, event, get } = await openDashboard(t, { endpoints });
  const id = await event({ wochitVideoId: "v1" });
  await waitFor(async () => (await get(`/events/${id}`)).json.status === "dead");
  await waitFor(async () => (await get(`/deliveries?eventId=${id}&state=delivered`)).json.data.length === 19);
  await login();
  const { text } = await page(`/events/${id}`);
  const way = wordsOf(/<section id="part-way"[\s\S]*?<\/section>/.exec(text)![0]);
  assert.match(way, /Its wayReceived\d\d:\d\d:\d\dapp-71 × 400, dead19 endpointshave it/);
  assert.match(wordsOf(text), /Why app-7 does not have it/);
  const line = /<section id="part-timeline"[\s\S]*?<\/section>/.exec(text)![0];
  assert.ok(
    line.match(/<span class="dot">/g)!.length <= 8,
    "received, the failed one, at most five before or after it, and the rest as one",
  );
  const video = wordsOf((await page("/videos/v1")).text);
  assert.match(video, /video\.ready #1app-719 delivered/);
});

test("the relay's own notices, events of every type, and what was deleted have their pages", async (t) => {
  const app = await openReceiver(({ json }) => (json.type === "draft.new" ? 400 : 200));
  t.after(() => app.close());
  const endpoints = [endpointTo(app.url, { retry: [] }), endpointTo(app.url, { id: "ops", events: ["relay.*"] })];
  const { login, page, event, get } = await openDashboard(t, { endpoints });
  for (const type of ["draft.new", "draft.update", "video.ready", "video.delete", "", undefined, 7]) {
    await event({ wochitVideoId: "v1", type });
  }
  await event({ wochitVideoId: "v2", errorMessage: "it broke" });
  await waitFor(async () => (await get("/events?type=relay.delivery.dead")).json.data.length === 1);
  await login();
  type Listed = { id: string; type: string | null }[];
  const notices = (await get("/events?type=relay.*")).json.data as Listed;
  const all = [...((await get("/events?limit=100")).json.data as Listed), ...notices];
  assert.ok(all.length >= 7);
  for (const { id, type } of all) {
    for (const path of [`/events/${id}`, `/events/${id}?preview=ops`, `/events/${id}/replay`]) {
      assert.equal((await page(path)).status, 200, `${type} ${path}`);
    }
  }
  assert.match(wordsOf((await page(`/events/${notices[0]!.id}`)).text), /Made by the relay itself/);
});
