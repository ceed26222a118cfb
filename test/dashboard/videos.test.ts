import assert from "node:assert/strict";
import { test } from "node:test";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { wordsOf } from "../support/markup.ts";
import { HOSTILE, HOSTILE_ID, openNight, VIDEO } from "../support/newsroom.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { openTinyBucket } from "../support/tiny-bucket.ts";
import { waitFor } from "../support/wait.ts";

test("a video's page says what its endpoints lack, shows its copies and its events in order", async (t) => {
  const night = await openNight(t);
  await night.play();
  await night.login();
  const { status, text, headers } = await night.page(`/videos/${VIDEO}`);
  assert.equal(status, 200);
  const words = wordsOf(text);
  assert.match(words, /2 endpoints do not have all of it/);
  assert.match(
    words,
    /cms lacks video\.ready: HTTP 422: \{"error":"unknown rubric.*; the next attempt is at \d\d:\d\d:\d\d in (1 h|\d+ min)/,
  );
  assert.match(words, /contexts?now?page-4711|nowpage-4711 since.*beforepage-4698/i);
  assert.ok(words.indexOf("video.ready #2") < words.indexOf("draft.new #1"));
  assert.match(words, /archivenewest: video\.ready, delivered ?2 delivered/);
  assert.match(text, /<video controls preload="none" poster="\/videos\/[\w]+\/media\/med_\w+"/);
  assert.match(String(headers["content-security-policy"]), /img-src 'self'/);
});

test("an endpoint that did not ask for a video has nothing of it, and the page says why", async (t) => {
  const deletes = endpointTo("http://127.0.0.1:9/", { id: "deletes", events: ["video.delete"] });
  const { login, page, event } = await openDashboard(t, { endpoints: [deletes] });
  await event({ type: "draft.new", wochitVideoId: "v1" });
  await login();
  const words = wordsOf((await page("/videos/v1")).text);
  assert.match(words, /deletes ?nothing was made for it: its events and filter did not ask for this video's ?nothing/);
});

test("of a file that has no copy yet it is said when it is tried next, when its link dies, and what to do", async (t) => {
  const night = await openNight(t);
  night.film.setFault({ name: "503" });
  await night.event({ type: "video.ready", wochitVideoId: VIDEO, videoUrl: night.film.link() });
  const medium = async () => (await night.get(`/media?videoId=${VIDEO}`)).json.data[0];
  const { id, nextAttemptAt } = await waitFor(async () => {
    const one = await medium();
    return one?.attempts >= 1 && one.state === "pending" && one;
  });
  assert.ok(Date.parse(nextAttemptAt) > 0);
  await night.login();
  for (const path of [`/videos/${VIDEO}`, `/media/${id}`]) {
    const words = wordsOf((await night.page(path)).text);
    assert.match(words, /tried (once|\d+ times)(, the next time \d\d:\d\d:\d\d|, now again)/, path);
    assert.match(
      words,
      /Its link dies .*Until then it is tried again.*A webhook that Wochit sends again brings a fresher link/,
    );
  }
  night.film.setFault(null);
  await night.post(`/media/${id}/retry`);
  await waitFor(async () => (await medium()).state === "mirrored");
  assert.doesNotMatch(wordsOf((await night.page(`/videos/${VIDEO}`)).text), /Its link dies/);
});

test("autosaves that all arrived are one line", async (t) => {
  const { login, page, event } = await openDashboard(t);
  for (let n = 0; n < 6; n++) await event({ type: "draft.update", wochitVideoId: "calm", n });
  await event({ type: "video.ready", wochitVideoId: "calm" });
  await login();
  const words = wordsOf((await page("/videos/calm")).text);
  assert.match(words, /video\.ready #7.*#6 to #1 ?6 autosaves, all delivered/);
  assert.doesNotMatch(words, /draft\.update #/);
});

test("a copy is served to who has logged in, whole or a range, and nothing in it may run", async (t) => {
  const night = await openNight(t);
  const id = await night.play();
  const { media } = await night.shown(id);
  const path = (kind: string) =>
    `/videos/${VIDEO}/media/${media.find((one: { kind: string }) => one.kind === kind).id}`;
  assert.equal((await night.page(path("video"))).status, 401);
  await night.login();
  const whole = await night.page(path("video"));
  assert.deepEqual(
    [
      "content-type",
      "content-length",
      "accept-ranges",
      "content-security-policy",
      "x-content-type-options",
      "access-control-allow-origin",
    ].map((name) => whole.headers[name]),
    ["video/mp4", "300000", "bytes", "default-src 'none'; sandbox", "nosniff", undefined],
  );
  assert.equal(whole.headers["cache-control"], "private, no-cache");
  const part = await night.page(path("video"), { range: "bytes=100-299" });
  assert.deepEqual(
    [part.status, part.headers["content-range"], part.headers["content-length"]],
    [206, "bytes 100-299/300000", "200"],
  );
  assert.equal((await night.page(path("video"), { range: "bytes=300000-" })).status, 416);
  const head = await night.send("HEAD", path("video"));
  assert.deepEqual([head.status, head.headers["content-length"], head.text], [200, "300000", ""]);
  const poster = await night.page(path("thumbnail"));
  assert.equal(poster.headers["content-type"], "image/jpeg");
  const again = await night.page(path("thumbnail"), { "if-none-match": String(poster.headers.etag) });
  assert.equal(again.status, 304);
  // Of another video, or of none.
  for (const wrong of [
    path("video").replace(VIDEO, "other"),
    `/videos/${VIDEO}/media/med_none`,
    `/videos/${VIDEO}/media/..%2f..%2fetc`,
  ]) {
    assert.equal((await night.page(wrong)).status, 404, wrong);
  }
});

test("of a copy in a bucket its page leads to the bucket, which pages with copies may load from, and no others", async (t) => {
  const bucket = await openTinyBucket(t);
  const night = await openNight(t, { mirror: { target: bucket.target } });
  const id = await night.play();
  await waitFor(async () =>
    (await night.shown(id)).media.every(({ state }: { state: string }) => state === "mirrored"),
  );
  await night.login();
  const [medium] = (await night.shown(id)).media;
  const { status, headers } = await night.page(`/videos/${VIDEO}/media/${medium.id}`);
  assert.equal(status, 307);
  assert.match(headers.location!, new RegExp(`^${bucket.url}/media/${VIDEO}/.*X-Amz-Signature=`));
  for (const [path, mayLoad] of [
    ["/videos", true],
    [`/videos/${VIDEO}`, true],
    ["/events", false],
    [`/events/${id}`, false],
  ] as const) {
    const policy = String((await night.page(path)).headers["content-security-policy"]);
    assert.equal(
      policy.includes(`img-src 'self' http://127.0.0.1:${night.relay.port} ${bucket.url}`),
      mayLoad,
      `${path} ${policy}`,
    );
  }
});

test("a download that came to nothing is begun again from its video's page", async (t) => {
  const night = await openNight(t);
  const id = await night.event({ wochitVideoId: "v1", thumbnailUrl: "not a link at all" });
  await night.login();
  const { media } = await waitFor(async () => {
    const found = await night.shown(id);
    return found.media[0].state === "failed" && found;
  });
  const { text } = await night.page("/videos/v1");
  assert.match(text, new RegExp(`action="/videos/v1/media/${media[0].id}/retry"`));
  const done = await night.form(`/videos/v1/media/${media[0].id}/retry`);
  assert.ok([303, 409].includes(done.status), String(done.status));
  assert.equal((await night.form("/videos/v1/media/med_none/retry")).status, 404);
});

test("videos are listed with their pictures, and found by title, context and state", async (t) => {
  const night = await openNight(t);
  await night.play();
  await night.event({ type: "draft.new", wochitVideoId: "v2", title: HOSTILE.arabic, videoContext: "desk/2" });
  await night.login();
  const { text } = await night.page("/videos");
  assert.equal(text.match(/<tr id="row-/g)?.length, 2);
  assert.match(text, new RegExp(`<img class="thumb" src="/videos/${VIDEO}/media/med_\\w+" alt="" loading="lazy"`));
  for (const [query, found] of [
    ["q=flood", VIDEO],
    ["context=desk%2F2", "v2"],
    ["state=draft", "v2"],
  ] as const) {
    const rows = [...(await night.page(`/videos?${query}`)).text.matchAll(/<tr id="row-([^"]+)"/g)].map(([, id]) => id);
    assert.deepEqual(rows, [found], query);
  }
  assert.match((await night.page("/videos?q=nothing-is-like-that")).text, /No video is like that/);
  assert.match((await night.page("/videos?state=lost")).text, /class="notice bad" role="alert"/);
});

test("without any video the list says what to do, and a video that is not there is a page that says so", async (t) => {
  const { login, page } = await openDashboard(t);
  await login();
  assert.match((await page("/videos")).text, /No video yet/);
  for (const path of ["/videos/none", "/videos/none/forget", `/videos/${encodeURIComponent(HOSTILE_ID)}`]) {
    const { status, text } = await page(path);
    assert.equal(status, 404, path);
    assert.doesNotMatch(text, /<b>"|\u202E/);
  }
});

test("whatever stands in its id, titles and contexts is text on a video's pages, which its address reaches", async (t) => {
  const night = await openNight(t);
  for (const words of Object.values(HOSTILE))
    await night.event({ wochitVideoId: HOSTILE_ID, title: words, videoContext: words, type: "draft.new" });
  await night.login();
  const list = await night.page("/videos");
  const href = /class="clip" dir="auto" href="([^"]+)"/
    .exec(list.text)![1]!
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
  for (const path of [href, `${href}/forget`, "/videos", `/videos?q=${encodeURIComponent(HOSTILE.script)}`]) {
    const { status, text } = await night.page(path);
    assert.equal(status, 200, path);
    const shown = text.replace(/ data-copy="[^"]*"/g, "");
    assert.doesNotMatch(shown, /<b>"|<img src=x|alert\("owned"\)|[\u202E\u202C\u200b\u0000]/, path);
  }
});

test("a video is erased only with its id once more, and its page then says so", async (t) => {
  const night = await openNight(t);
  await night.event({ type: "draft.new", wochitVideoId: HOSTILE_ID, title: "A person" });
  const own = `/videos/${encodeURIComponent(HOSTILE_ID)}`;
  await night.login();
  const asked = await night.page(`${own}/forget`);
  assert.match(wordsOf(asked.text), /This cannot be undone/);
  for (const confirm of ["", "yes", HOSTILE_ID.toUpperCase()]) {
    const refused = await night.form(`${own}/forget`, { confirm });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /role="alert".*nothing was erased/);
  }
  assert.equal((await night.get(own)).json.title, "A person");
  const done = await night.form(`${own}/forget`, { confirm: HOSTILE_ID });
  assert.deepEqual([done.status, done.headers.location], [303, `${own}?done=forgotten&n=1`]);
  await waitFor(async () => (await night.get(own)).json.title === null);
  const { text } = await night.page(done.headers.location!);
  assert.match(wordsOf(text), /It is erased: .* 1 events lost their bodies.*It was erased on request/);
  assert.doesNotMatch(text, /Forget…|Replay its events/);
});

test("who may only read sees a video without a button", async (t) => {
  const night = await openNight(t);
  await night.play();
  await night.login(READER);
  const { text } = await night.page(`/videos/${VIDEO}`);
  assert.doesNotMatch(text, /Forget…|Replay its|Try again/);
  assert.equal((await night.form(`/videos/${VIDEO}/forget`, { confirm: VIDEO })).status, 403);
});
