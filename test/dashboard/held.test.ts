import assert from "node:assert/strict";
import { test } from "node:test";
import { openDashboard } from "../support/dashboard.ts";
import { wordsOf } from "../support/markup.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

test("an endpoint that refuses one event and takes all others does not look healthy anywhere", async (t) => {
  const app = await openReceiver(({ json }) => (json?.title === "wrong" ? 422 : 200));
  t.after(() => app.close());
  const endpoints = [endpointTo(app.url, { retry: ["1h"], laneHold: "3d" })];
  const { login, page, event, get } = await openDashboard(t, { mirror: { enabled: false }, endpoints });
  await login();
  const refused = await event({ type: "draft.new", wochitVideoId: "v1", title: "wrong" });
  await waitFor(async () => (await get("/deliveries")).json.data[0]?.attempts === 1);
  for (const title of ["second", "third"]) await event({ type: "draft.new", wochitVideoId: "v1", title });
  await event({ type: "draft.new", wochitVideoId: "v2", title: "another" });
  await waitFor(async () => (await get("/deliveries?state=delivered")).json.data.length === 1);
  const held = `1 video is held behind a refused event: ${refused} (HTTP 422).`;

  // What is on the side of each page is of a few seconds ago at most.
  const overview = await waitFor(async () => {
    const words = wordsOf((await page("/")).text);
    return words.includes(held) && words;
  });
  assert.ok(overview.includes(`For app ${held}`), overview);
  assert.match(overview, /Nothing needs you yet/);
  assert.doesNotMatch(overview, /All is well|Waiting/);
  assert.match(wordsOf((await page("/endpoints")).text), /active ?1 video is held/);
  const { text } = await page("/endpoints/app");
  const own = wordsOf(text);
  assert.ok(own.includes(`1 video is held up${held} 2 deliveries stand behind: they go when it is taken`), own);
  assert.match(text, new RegExp(`<a class="button primary" href="/events/${refused}">See why`));
  assert.doesNotMatch(own, /min to go/);
  assert.match(own, /Open ?3/);
});

test("a list of videos says which apps lack something of each", async (t) => {
  const cms = await openReceiver(({ json }) => (json?.title === "wrong" ? 413 : 200));
  t.after(() => cms.close());
  const endpoints = [endpointTo(cms.url, { id: "cms", retry: [] }), endpointTo("http://127.0.0.1:9/", { id: "far" })];
  const { login, page, event, get, post, relay } = await openDashboard(t, { mirror: { enabled: false }, endpoints });
  await login();
  await post("/endpoints/far/pause", {});
  await event({ wochitVideoId: "v1", title: "wrong" });
  await event({ wochitVideoId: "v2", title: "right" });
  await waitFor(async () => (await get("/deliveries?state=dead")).json.data.length === 1);
  await waitFor(async () => (await get("/deliveries?state=delivered")).json.data.length === 1);
  const { text } = await page("/videos");
  const rowOf = (id: string) => text.slice(text.indexOf(`id="row-${id}"`)).split("</tr>")[0]!;
  assert.match(rowOf("v1"), /aria-label="dead">.*cms<\/span>.*aria-label="pending">.*far<\/span>/);
  assert.match(rowOf("v2"), /aria-label="pending">.*far<\/span>/);
  assert.doesNotMatch(rowOf("v2"), /cms/);
  await post("/deliveries/cancel", { endpoint: "far" });
  await waitFor(async () => /nothing is missing/.test((await page("/videos")).text));
  await relay.reload({ endpoints: [] });
  assert.doesNotMatch((await page("/videos")).text, /nothing is missing/, "without an app there is nothing to lack");
});

test("of a video that apps lack the retry comes before the replay, and it is said which is when", async (t) => {
  const app = await openReceiver(413);
  t.after(() => app.close());
  const { login, page, event, get, post } = await openDashboard(t, {
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { retry: [] })],
  });
  await login();
  await event({ wochitVideoId: "v1" });
  await waitFor(async () => (await get("/deliveries?state=dead")).json.data.length === 1);
  const { text } = await page("/videos/v1");
  assert.match(text, /primary" href="\/confirm\?do=retry&amp;videoId=v1&amp;state=dead">Retry 1 dead…/);
  assert.match(text, /"button" href="\/confirm\?do=replay&amp;videoId=v1">Replay its events…/);
  assert.match(wordsOf(text), /A retry sends again what is dead.*A replay sends all of its events once more/);
  app.answer(200);
  const [{ id }] = (await get("/deliveries")).json.data;
  await post(`/deliveries/${id}/retry`);
  await waitFor(async () => !/Retry 1 dead/.test((await page("/videos/v1")).text));
});

test("the audit leads to what was acted on, and says what came of it", async (t) => {
  const app = await openReceiver(500);
  t.after(() => app.close());
  const { login, page, event, get, post, form } = await openDashboard(t, {
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { retry: ["1h"] })],
  });
  await login();
  const eventId = await event({ wochitVideoId: "v 1<b>" });
  await waitFor(async () => (await get("/deliveries")).json.data[0]?.attempts === 1);
  const [{ id }] = (await get("/deliveries")).json.data;
  await form("/endpoints/app/test");
  app.answer(200);
  await form("/endpoints/app/test");
  await post(`/deliveries/${id}/retry`);
  await post(`/events/${eventId}/replay`, { endpoint: "app" });
  await waitFor(async () => (await get(`/deliveries/${id}`)).json.state === "delivered");
  await post(`/deliveries/${id}/retry`);
  await post("/videos/v%201%3Cb%3E/forget", { confirm: "v 1<b>" });
  const { text } = await page("/audit");
  const rows = [...text.matchAll(/<tr id="row-aud_[^>]+>(.*?)<\/tr>/gs)].map(([, row]) => row!);
  const row = (verb: string, n = 0) => rows.filter((one) => one.includes(`<bdi>${verb}</bdi>`))[n]!;
  const came = (tone: string, words: string) =>
    new RegExp(`<td class="mid"><span class="state plain ${tone}">.*${words}`);
  assert.match(row("deliveries retry"), new RegExp(`href="/deliveries/${id}"`));
  assert.match(row("deliveries retry"), came("bad", "is delivered"));
  assert.match(row("deliveries retry", 1), came("good", "done"));
  assert.match(row("events replay"), new RegExp(`href="/events/${eventId}">${eventId}</a> to app`));
  assert.match(row("endpoints test"), /href="\/endpoints\/app"/);
  assert.match(row("endpoints test"), came("good", "answered 200"));
  assert.match(row("endpoints test", 1), came("bad", "HTTP 500"));
  assert.match(row("videos forget"), /href="\/videos\/v%201%3Cb%3E">v 1&lt;b&gt;<\/a>/);
  assert.doesNotMatch(row("log in"), /<a /);
});
