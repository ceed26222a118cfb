import assert from "node:assert/strict";
import { test } from "node:test";
import { login, noBrowser, openTab } from "../support/browser.ts";
import { HOSTILE, HOSTILE_ID, openNight, VIDEO } from "../support/newsroom.ts";
import { openTinyBucket } from "../support/tiny-bucket.ts";

// The question of the night, in a browser: did it arrive, why does the app not have it, send it again.

const options = { skip: noBrowser };

for (const javaScriptEnabled of [true, false]) {
  const with_ = javaScriptEnabled ? "with" : "without";
  test(
    `by its context a video is found, why an app lacks it, and it is sent again: one search and two clicks, ${with_} scripts`,
    options,
    async (t) => {
      const night = await openNight(t);
      const id = await night.play();
      const tab = await openTab(t, { javaScriptEnabled });
      const { page } = tab;
      await login(tab, night.port());

      await page.getByRole("searchbox", { name: "Find" }).fill("page-4711");
      await page.keyboard.press("Enter");
      await page.waitForURL(`**/videos/${VIDEO}`);
      const lack = page.locator(".why .stack", { hasText: "cms" });
      assert.match(await lack.innerText(), /cms lacks video\.ready: HTTP 422: \{"error":"unknown rubric/);

      await lack.getByRole("link", { name: "See why" }).click();
      await page.waitForURL(`**/events/${id}`);
      const why = page.locator("#part-why .stack", { hasText: "cms" });
      assert.match(await why.innerText(), /answered 422 to all 5 attempts.*\n.*the next attempt is at/s);
      const station = page.locator("#part-way li", { hasText: "cms" });
      assert.match(await station.innerText(), /5 × 422/);

      night.refused.clear();
      await why.getByRole("button", { name: "Retry now" }).click();
      await page.getByText("It is tried again now.").waitFor();
      const arrived = station.filter({ hasText: "200" });
      if (javaScriptEnabled) await arrived.waitFor();
      else {
        while ((await arrived.count()) === 0) await page.reload();
      }
      assert.match(await page.locator("#part-timeline").innerText(), /cms delivered: 200/);
      assert.equal(await page.locator("#part-why", { hasText: "cms" }).count(), 0);
      assert.deepEqual(tab.wrong, []);
    },
  );

  test(`a replay and a cancel are asked first, and lead back, ${with_} scripts`, options, async (t) => {
    const night = await openNight(t);
    const id = await night.play();
    const tab = await openTab(t, { javaScriptEnabled });
    const { page } = tab;
    await login(tab, night.port(), `/events/${id}`);
    await page.getByRole("link", { name: "Replay…" }).click();
    await page.locator("select[name=endpoint]").selectOption("archive");
    await page.getByRole("button", { name: "Replay it" }).click();
    await page.getByText("as new deliveries: 1 made.").waitFor();
    assert.equal(new URL(page.url()).pathname, `/events/${id}`);
    assert.equal(await page.locator("main tbody tr", { hasText: "a replay" }).count(), 1);

    await page.locator("#part-why .stack", { hasText: "cms" }).getByRole("link", { name: "Cancel it…" }).click();
    assert.equal(await page.locator("h1").innerText(), "Cancel 1 delivery?");
    await page.getByRole("button", { name: "Cancel 1 delivery" }).click();
    await page.getByText("It is canceled").waitFor();
    assert.equal(new URL(page.url()).pathname, `/events/${id}`);
    assert.equal((await night.stateAt(id, "cms")).state, "canceled");
    assert.deepEqual(tab.wrong, []);
  });
}

test(
  "while its page is open, the box that says why goes once nothing is lacking, and the film comes once it is there",
  options,
  async (t) => {
    const night = await openNight(t);
    night.search.answer(200);
    night.film.setFault({ name: "503" });
    const tab = await openTab(t);
    const { page } = tab;
    const id = await night.event({
      type: "video.ready",
      wochitVideoId: VIDEO,
      videoContext: "page-4711",
      videoUrl: night.film.link(),
    });
    await login(tab, night.port(), `/videos/${VIDEO}`);
    assert.equal(await page.locator("video").count(), 0);
    await page.getByText("3 endpoints do not have all of it").waitFor();
    night.refused.clear();
    night.film.setFault(null);
    await night.post(`/media/${(await night.shown(id)).media[0].id}/retry`);
    await page.locator("video").waitFor();
    await page.locator("#part-why:empty").waitFor({ state: "attached" });
    assert.deepEqual(tab.wrong, []);
  },
);

for (const isInBucket of [false, true]) {
  test(
    `the mirrored film plays beside its events, ${isInBucket ? "from a bucket" : "from here"}, and is not loaded before that`,
    options,
    async (t) => {
      const bucket = await openTinyBucket(t);
      const night = await openNight(t, isInBucket ? { mirror: { target: bucket.target } } : {});
      await night.play();
      const tab = await openTab(t);
      const { page } = tab;
      const films: string[] = [];
      page.on("response", (answer) => {
        if (answer.headers()["content-type"] === "video/mp4") films.push(new URL(answer.url()).origin);
      });
      await login(tab, night.port(), `/videos/${VIDEO}`);
      const film = page.locator("video");
      await film.waitFor();
      assert.deepEqual(films, []);
      // Its length is read from the file.
      const seconds = await film.evaluate(
        (element) =>
          new Promise<number>((resolve, reject) => {
            const video = element as unknown as Film;
            video.onloadedmetadata = () => resolve(video.duration);
            video.onerror = () => reject(new Error("the film cannot be played"));
            video.preload = "metadata";
            video.load();
          }),
      );
      assert.ok(seconds > 1, String(seconds));
      const origin = isInBucket ? bucket.url : `http://127.0.0.1:${night.port()}`;
      assert.deepEqual([...new Set(films)], [origin]);
      assert.deepEqual(tab.wrong, []);
    },
  );
}

type Film = { onloadedmetadata(): void; onerror(): void; duration: number; preload: string; load(): void };

test("hostile titles, contexts, ids and answers run nowhere, and widen no page", options, async (t) => {
  const night = await openNight(t);
  night.archive.answer({ status: 400, body: HOSTILE.script.repeat(30) });
  const ids: string[] = [];
  for (const [n, words] of Object.values(HOSTILE).entries()) {
    const videoId = `${HOSTILE_ID.slice(0, -1)}${n}`;
    ids.push(await night.event({ wochitVideoId: videoId, title: words, videoContext: words, type: "draft.new" }));
  }
  const tab = await openTab(t, { viewport: { width: 320, height: 800 } });
  const { page } = tab;
  await login(tab, night.port());
  const video = `/videos/${encodeURIComponent(`${HOSTILE_ID.slice(0, -1)}0`)}`;
  const find = encodeURIComponent(HOSTILE.script);
  const events = ids.flatMap((id) => [`/events/${id}?preview=archive`, `/events/${id}/replay`]);
  for (const path of [
    "/events",
    "/videos",
    video,
    `${video}/forget`,
    ...events,
    `/confirm?do=replay&context=${find}`,
  ]) {
    await page.goto(`http://127.0.0.1:${night.port()}${path}`);
    await page.waitForLoadState("networkidle");
    assert.equal(await page.locator("main script, main img[onerror], svg[onload]").count(), 0, path);
    assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth")) <= 0, path);
  }
  assert.deepEqual(tab.wrong, []);
});
