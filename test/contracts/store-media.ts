import assert from "node:assert/strict";
import type { ConfigInput } from "../../src/config/schema.ts";
import { settingsOf } from "../../src/store/settings.ts";
import { endpoint } from "../support/config.ts";
import { nextDue } from "../support/next-due.ts";
import { answered } from "../support/outcomes.ts";
import { type Bench, checker, DEFAULTS, draft, type OpenStore, remove, video } from "./store.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const DELETES: ConfigInput = { ...DEFAULTS, mirror: { onDelete: "delete", deleteAfter: "7d" } };

/** One endpoint whose deliveries pass each other. */
const UNORDERED: ConfigInput = { endpoints: [endpoint("cms", { order: "none" })] };

/** The same file under another signature. */
const signed = (name: string, signature: number) => `https://h/${name}?X-Amz-Signature=${signature}`;

const picture = (name: string, videoId = "v1") => draft(videoId, { thumbnailUrl: `https://h/${name}.jpg` });

/** What every store engine must do by the rules of CONTRACT, "Media": links, deletion, late events, keys, thumbnails. */
export function storeMediaContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  // Links

  check(
    "an event feeds the downloads of its links, and the deletions where it plans one",
    async ({ post }) => {
      const fed = async (body: string) => (await post(body)).feeds.media;
      const film = video("v1", signed("a.mp4", 1));
      assert.deepEqual(await fed(film), ["download"]);
      assert.deepEqual(await fed(film), ["download"], "a duplicate may bring a fresher link");
      assert.deepEqual(await fed(draft("v2")), []);
      assert.deepEqual(await fed(remove("v1")), ["delete"]);
    },
    DELETES,
  );

  for (const state of ["pending", "running", "spooled", "mirrored", "expired"] as const) {
    check(`a link that dies earlier takes no other's place, of a medium that is ${state}`, async (at) => {
      const { post, download, store, clock } = at;
      const early = clock.now();
      clock.set(early + 2 * DAY);
      await post(video("v1", signed("a.mp4", 2), { title: "2" }));
      const { deadline } = (await store.media({ limit: 1 }))[0]!;
      if (state !== "pending") await bringTo(at, state);
      await post(video("v1", signed("a.mp4", 1), { title: "1" }), early);
      const [medium] = await store.media({ limit: 1 });
      assert.deepEqual([medium?.sourceUrl, medium?.deadline], [signed("a.mp4", 2), deadline]);
      if (state === "pending" || state === "expired") assert.equal((await download())[0]?.url, signed("a.mp4", 2));
      await post(video("v1", signed("a.mp4", 3), { title: "3" }));
      assert.equal(
        (await store.media({ limit: 1 }))[0]?.sourceUrl,
        signed("a.mp4", 3),
        "one of the same deadline does",
      );
    });
  }

  check("a download is not begun before its link came, though its worker had asked before", async (at) => {
    const { post, store, clock } = at;
    await post(video("v1", signed("a.mp4", 1)));
    await store.claimDownloads({ now: clock.now() - 300, limit: 1, leaseFor: MINUTE, busyHosts: [] });
    const [medium] = await store.media({ limit: 1 });
    assert.deepEqual([medium?.state, medium?.firstTriedAt], ["running", clock.now()]);
  });

  check("a duplicate's link that dies earlier takes no other's place", async ({ post, download, clock }) => {
    const begun = clock.now();
    await post(video("v1", signed("a.mp4", 2)));
    assert.equal((await post(video("v1", signed("a.mp4", 1)), begun - MINUTE)).status, "duplicate");
    assert.equal((await download())[0]?.url, signed("a.mp4", 2));
  });

  check("a fresher link puts nothing at risk that has a copy", async ({ post, download, settle, store, clock }) => {
    await post(video("v1", signed("a.mp4", 1)));
    const [job] = await download();
    await settle(job!, "v1/video.mp4");
    await store.mendMedium(job!.mediumId, clock.now());
    await download();
    await post(video("v1", signed("a.mp4", 2), { title: "2" }));
    assert.equal(await store.nextRisk(), null);
  });

  // Mirroring off and on

  check("what was skipped while mirroring was off is downloaded when it is on again", async (at) => {
    const { post, download, store, clock } = at;
    await post(video("v1", signed("waits.mp4", 1)));
    switchMirroring(at, false);
    await store.skipMedia(clock.now());
    const off = planned(at, { enabled: false });
    await off(video("v2", signed("came.mp4", 1)));
    await off(video("v3", "ftp://h/never.mp4"));
    assert.equal(await nextDue(store, "download"), null);
    assert.deepEqual(await download(), []);
    switchMirroring(at, true);
    assert.equal(await nextDue(store, "download"), 0);
    assert.deepEqual((await download()).map(({ url }) => url).sort(), [signed("came.mp4", 1), signed("waits.mp4", 1)]);
    assert.equal((await nextDue(store, "download"))! > clock.now(), true, "nothing is left to take up");
    const [never] = await store.media({ limit: 9, videoId: "v3" });
    assert.deepEqual([never?.state, never?.lastError], ["failed", "the link is not an http(s) address"]);
  });

  check("many are skipped, and taken up, some at a time", async (at) => {
    const { post, download, store, clock } = at;
    for (let n = 0; n < 250; n++) await post(video(`v${n}`, `https://h/${n}.mp4`));
    switchMirroring(at, false);
    for (const isMore of [true, true, false]) assert.deepEqual(await store.skipMedia(clock.now()), { isMore });
    assert.equal(await nextDue(store, "download"), null);
    switchMirroring(at, true);
    let found = 0;
    for (let jobs = await download(50); jobs.length > 0; jobs = await download(50)) found += jobs.length;
    assert.equal(found, 250);
  });

  check("the thumbnails that came while mirroring was off end as the newest of them", async (at) => {
    const { download, settle, store } = at;
    switchMirroring(at, false);
    const off = planned(at, { enabled: false });
    for (const name of ["a", "b", "a"]) await off(picture(name));
    switchMirroring(at, true);
    for (let jobs = await download(); jobs.length > 0; jobs = await download()) {
      await settle(jobs[0]!, "v1/thumbnail.jpg", { sha256: jobs[0]!.url });
    }
    assert.equal((await store.mediumByKey("v1/thumbnail.jpg"))?.sha256, "https://h/a.jpg");
  });

  for (const state of ["expired", "deleted", "mirrored", "spooled"] as const) {
    check(
      `a link that comes while mirroring is off is remembered, of a medium that is ${state}`,
      async (at) => {
        const { post, download, deletions, store, clock } = at;
        await post(video("v1", signed("a.mp4", 1)));
        await bringTo(at, state === "deleted" ? "mirrored" : state);
        if (state === "deleted") {
          await post(remove("v1"));
          await clock.advance(8 * DAY);
          await deletions();
        }
        await clock.advance(MINUTE);
        switchMirroring(at, false);
        await planned(at, { enabled: false })(video("v1", signed("a.mp4", 2), { title: "2" }));
        const [medium] = await store.media({ limit: 1 });
        assert.equal(medium?.sourceUrl, signed("a.mp4", 2));
        switchMirroring(at, true);
        const isKept = state === "mirrored" || state === "spooled";
        assert.deepEqual(
          (await download()).map(({ url }) => url),
          isKept ? [] : [signed("a.mp4", 2)],
        );
      },
      DELETES,
    );
  }

  // Deletion

  check(
    "under onDelete keep nothing goes, also what was planned before; what has begun to go goes on",
    async (at) => {
      const { post, deletions, store, clock } = at;
      for (const id of ["v1", "v2"]) {
        await post(video(id, `https://h/${id}.mp4`));
        await bringTo(at, "mirrored");
        await post(remove(id));
        await clock.advance(DAY);
      }
      await clock.advance(5 * DAY);
      const [begun, ...none] = await deletions();
      assert.deepEqual([begun?.videoId, none], ["v1", []]);
      await store.settleDeletion(begun!, { is: "retry", error: "down", at: clock.now() }, clock.now());
      store.configure({ ...settingsOf(at.config), mirror: { ...at.config.mirror, onDelete: "keep" } });
      await clock.advance(8 * DAY);
      assert.deepEqual(
        (await deletions()).map(({ videoId }) => videoId),
        ["v1"],
      );
      assert.equal((await store.media({ limit: 1, videoId: "v2" }))[0]?.state, "mirrored");
      store.configure(settingsOf(at.config));
      await clock.advance(8 * DAY);
      assert.deepEqual(
        (await deletions()).map(({ videoId }) => videoId),
        ["v1"],
        "its time is over",
      );
    },
    DELETES,
  );

  check(
    "what is on its way when its video is deleted is fetched, and goes when the time has come, unless it is announced again",
    async (at) => {
      const { post, download, settle, deletions, store, clock } = at;
      for (const id of ["v1", "v2"]) await post(video(id, `https://h/${id}.mp4`));
      for (const id of ["v1", "v2"]) await post(remove(id));
      for (const job of await download()) await settle(job, `${job.videoId}/video.mp4`);
      await post(video("v2", "https://h/v2.mp4", { title: "back" }));
      await clock.advance(7 * DAY);
      assert.deepEqual(
        (await deletions()).map(({ copy }) => copy?.key),
        ["v1/video.mp4"],
      );
      assert.equal((await store.mediumByKey("v2/video.mp4"))?.state, "mirrored");
    },
    DELETES,
  );

  check(
    "what was skipped while mirroring was off is not kept beyond its video's deletion",
    async (at) => {
      const { post, download, deletions, store, clock } = at;
      await post(video("v1", "https://h/a.mp4"));
      switchMirroring(at, false);
      await store.skipMedia(clock.now());
      await post(remove("v1"));
      await clock.advance(8 * DAY);
      await deletions();
      switchMirroring(at, true);
      assert.deepEqual(await download(), []);
      assert.equal((await store.media({ limit: 1 }))[0]?.state, "deleted");
    },
    DELETES,
  );

  check(
    "draft.delete takes no thumbnail of a video that was ready, also where an autosave has named it again or one has failed",
    async (at) => {
      const { post, download, settle, deletions, store, clock } = at;
      await post(video("v1", "https://h/a.mp4", { thumbnailUrl: "https://h/t.jpg" }));
      for (const job of await download()) await settle(job, `v1/${job.kind}`);
      await post(picture("t"));
      await settle((await download())[0]!, "v1/thumbnail");
      await post(JSON.stringify({ type: "draft.delete", wochitVideoId: "v1" }));
      await post(JSON.stringify({ type: "video.ready", wochitVideoId: "v1", errorMessage: "it went wrong" }));
      await post(JSON.stringify({ type: "draft.delete", wochitVideoId: "v1", title: "another" }));
      await clock.advance(30 * DAY);
      assert.deepEqual(await deletions(), []);
      assert.equal((await store.mediumByKey("v1/thumbnail"))?.state, "mirrored");
    },
    DELETES,
  );

  // Late events

  for (const state of ["pending", "running", "spooled", "mirrored"] as const) {
    check(
      `a late deletion deletes nothing that an event received after it announced, of a medium that is ${state}`,
      async (at) => {
        const { post, deletions, store, clock } = at;
        const early = clock.now();
        await clock.advance(8 * DAY);
        await post(video("v1", "https://h/a.mp4"));
        if (state !== "pending") await bringTo(at, state);
        await post(remove("v1"), early);
        await clock.advance(MINUTE);
        assert.deepEqual(await deletions(), []);
        const { state: after } = (await store.media({ limit: 1 }))[0]!;
        assert.equal(after, state === "spooled" ? "pending" : state);
      },
      DELETES,
    );
  }

  check(
    "a late deletion deletes what was announced before it, at its own time, and nothing that was announced again since",
    async (at) => {
      const { post, download, settle, deletions, clock } = at;
      for (const name of ["a", "b"]) {
        await post(video("v1", `https://h/${name}.mp4`, { title: name }));
        await settle((await download())[0]!, `v1/${name}.mp4`);
      }
      const between = clock.now() + HOUR;
      await clock.advance(2 * HOUR);
      await post(video("v1", "https://h/b.mp4", { title: "again" }));
      await clock.advance(7 * DAY);
      await post(remove("v1"), between);
      assert.deepEqual(
        (await deletions()).map(({ copy }) => copy?.key),
        ["v1/a.mp4"],
      );
    },
    DELETES,
  );

  for (const state of ["pending", "mirrored"] as const) {
    check(`a late thumbnail replaces no newer one, which is ${state}`, async (at) => {
      const { post, download, settle, store, clock } = at;
      const early = clock.now();
      await clock.advance(HOUR);
      await post(video("v1", "https://h/a.mp4", { thumbnailUrl: "https://h/new.jpg" }));
      for (const job of await download(state === "mirrored" ? 9 : 0)) await settle(job, `v1/${job.kind}`);
      const { id } = await post(picture("old"), early);
      for (const job of await download()) await settle(job, `v1/${job.kind}`);
      const shown = await store.mediumByKey("v1/thumbnail");
      assert.equal(shown?.sourceUrl, "https://h/new.jpg");
      assert.deepEqual(
        (await store.eventMedia(id)).map(({ id }) => id),
        [shown?.id],
        "its event is told of the one that is shown",
      );
    });
  }

  check("a clock that was ahead makes no event a late one", async ({ post, download, settle, store, clock }) => {
    clock.set(clock.now() + DAY);
    await post(picture("ahead"));
    await settle((await download())[0]!, "v1/thumbnail.jpg");
    clock.set(clock.now() - DAY);
    await store.bringForward(DAY, clock.now());
    await post(picture("next"));
    await settle((await download())[0]!, "v1/thumbnail.jpg", { sha256: "next" });
    assert.equal((await store.mediumByKey("v1/thumbnail.jpg"))?.sha256, "next");
  });

  // Keys

  check(
    "every key that a medium once had leads to its present copy, until it is forgotten",
    async ({ post, download, settle, store, clock }) => {
      await post(video("v1", "https://h/a.mp4", { thumbnailUrl: "https://h/t.jpg" }));
      for (const job of await download()) await settle(job, `v1/first.${job.kind}`);
      const ids = (await store.media({ limit: 9 })).map(({ id }) => id);
      for (const turn of ["second", "third"]) {
        for (const id of ids) await store.mendMedium(id, clock.now());
        for (const job of await download()) await settle(job, `v1/${turn}.${job.kind}`, { sha256: turn });
      }
      const linked = async (key: string) => (await store.mediumByKey(key))?.key;
      for (const kind of ["video", "thumbnail"]) {
        for (const turn of ["first", "second", "third"]) {
          assert.equal(await linked(`v1/${turn}.${kind}`), `v1/third.${kind}`);
        }
      }
      await store.forgetVideo("v1", clock.now());
      assert.equal(await linked("v1/first.video"), undefined);
      assert.equal(await linked("v1/first.thumbnail"), undefined);
    },
  );

  check("every key of a thumbnail leads to the one that took its place", async ({ post, download, settle, store }) => {
    await post(picture("a"));
    await settle((await download())[0]!, "v1/thumbnail.jpg");
    await post(picture("a"));
    await settle((await download())[0]!, "v1/thumbnail.png", { sha256: "2" });
    await post(picture("b"));
    await settle((await download())[0]!, "v1/thumbnail.webp", { sha256: "3" });
    for (const ext of ["jpg", "png", "webp"]) {
      assert.equal((await store.mediumByKey(`v1/thumbnail.${ext}`))?.key, "v1/thumbnail.webp");
    }
  });

  // Places of uploads

  check("every place that an upload was told goes once the file is elsewhere, or wanted no longer", async (at) => {
    const { post, download, spool, upload, deletions, store, clock } = at;
    const [one, two] = [
      await store.targetId({ type: "local", dir: "/1" }),
      await store.targetId({ type: "local", dir: "/2" }),
    ];
    for (const isForgotten of [false, true]) {
      const id = `v${isForgotten}`;
      await post(video(id, `https://h/${id}.mp4`));
      await spool((await download())[0]!);
      const [first] = await upload();
      await store.placeUpload(first!, { target: one, key: `${id}/template.mp4` });
      await store.placeUpload(first!, { target: one, key: `${id}/changed.mp4` });
      await store.freeLeases(clock.now()); // it was killed
      const [second] = await upload();
      await store.placeUpload(second!, { target: two, key: `${id}/taken.mp4` });
      await store.placeUpload(second!, { target: two, key: `${id}/video.mp4`, passed: [`${id}/taken.mp4`] });
      if (isForgotten) await store.forgetVideo(id, clock.now());
      else await store.settleUpload(second!, { is: "mirrored", target: two, key: `${id}/video.mp4` }, clock.now());
      const jobs = await deletions();
      for (const job of jobs) await store.settleDeletion(job, { is: "deleted" }, clock.now());
      assert.deepEqual(
        jobs.map(({ copy }) => [copy?.target, copy?.key, copy?.bytes]).sort(),
        [
          [one, `${id}/changed.mp4`, 3],
          [one, `${id}/template.mp4`, 3],
          ...(isForgotten ? [[two, `${id}/video.mp4`, 3]] : []),
        ].sort(),
      );
    }
  });

  // Who is told

  for (const status of ["expired", "failed", "skipped"] as const) {
    check(
      `who was last told that a medium is ${status} is told once it is mirrored after all`,
      async (at) => {
        const { post, download, settle, claim, store, clock } = at;
        const { id } = await post(video("v1", "https://h/a.mp4"));
        const [job] = await download();
        if (status === "skipped") await store.skipMedia(clock.now());
        else await store.settleDownload(job!, { is: status, error: "HTTP 403" }, clock.now());
        const [delivery] = await claim();
        const pending = [{ mediumId: job!.mediumId, status }];
        await store.settleDelivery(delivery!, answered(200, { at: clock.now(), pending }), clock.now());
        assert.deepEqual(await claim(), []);
        if (status !== "skipped") await store.retryMedium(job!.mediumId, clock.now());
        const [again] = await download();
        await store.settleDownload(again!, { is: "expired", error: "HTTP 403" }, clock.now());
        assert.deepEqual(await claim(), [], "it was told that there is no copy");
        await store.retryMedium(job!.mediumId, clock.now());
        await settle((await download())[0]!, "v1/video.mp4");
        const told = await claim();
        assert.deepEqual(
          told.map(({ event }) => event.type),
          ["relay.media.mirrored"],
        );
        const notice = JSON.parse(Buffer.from(await store.eventBody(told[0]!.event.id)).toString());
        assert.equal(notice.relay.aboutEventId, id);
        await store.mendMedium(job!.mediumId, clock.now());
        await settle((await download())[0]!, "v1/video.mp4");
        assert.deepEqual(await claim(), [], "once");
      },
      UNORDERED,
    );
  }

  check(
    "a notice that a medium has failed, or is at risk, is followed by one of how it ends, asked for or not",
    async (at) => {
      const { post, download, settle, store, clock } = at;
      await post(video("v1", "https://h/a.mp4"));
      await store.raiseRisks(clock.now() + 13 * HOUR);
      const [job] = await download();
      await store.settleDownload(job!, { is: "expired", error: "HTTP 403" }, clock.now());
      await store.retryMedium(job!.mediumId, clock.now());
      await settle((await download())[0]!, "v1/video.mp4");
      for (const { id } of at.config.endpoints) {
        const types: (string | null)[] = [];
        for (const each of (await store.deliveries({ limit: 9, endpoint: id })).reverse()) {
          types.push((await store.event(each.eventId)).type);
        }
        const first = id === "risks" ? ["relay.media.at_risk"] : [];
        assert.deepEqual(types, [...first, "relay.media.failed", "relay.media.mirrored"], id);
      }
    },
    {
      endpoints: [
        endpoint("risks", { events: ["relay.media.at_risk"] }),
        endpoint("failures", { events: ["relay.media.failed"] }),
      ],
    },
  );

  check(
    "who waits for a thumbnail that gives way to a mirrored one is told",
    async (at) => {
      const { post, download, settle, claim, store, clock } = at;
      await post(picture("x"));
      const [older] = await download();
      await clock.advance(31_000);
      const [delivery] = await claim();
      const pending = [{ mediumId: older!.mediumId, status: "pending" as const }];
      await store.settleDelivery(delivery!, answered(200, { at: clock.now(), pending }), clock.now());
      await post(picture("y"));
      const [running] = await download();
      await store.settleDownload(running!, { is: "retry", error: "HTTP 404", at: clock.now() + HOUR }, clock.now());
      await settle((await download())[0]!, "v1/thumbnail.jpg", { sha256: "y" });
      await clock.advance(HOUR);
      await download();
      assert.equal((await store.medium(older!.mediumId)).state, "superseded");
      const told = (await claim()).filter(({ event }) => event.dialect === "notice");
      assert.deepEqual(
        told.map(({ event, media }) => [event.type, media[0]?.sha256]),
        [["relay.media.mirrored", "y"]],
      );
    },
    UNORDERED,
  );

  // Thumbnails

  check("a thumbnail that is announced again is the newest again, while another is on its way", async (at) => {
    const { post, download, settle, spool, upload, store } = at;
    const ready = (name: string, title: string) =>
      post(JSON.stringify({ type: "video.ready", wochitVideoId: "v1", title, thumbnailUrl: `https://h/${name}.jpg` }));
    for (const isSpooled of [false, true]) {
      await ready("x", `1${isSpooled}`);
      for (const job of await download()) await settle(job, "v1/thumbnail.jpg", { sha256: "x" });
      await ready(`y${isSpooled}`, "2");
      const [between] = await download();
      if (isSpooled) await spool(between!, { sha256: "y" });
      await ready("x", `3${isSpooled}`);
      if (!isSpooled) await spool(between!, { sha256: "y" });
      assert.deepEqual(await upload(), [], "there is no use for it any longer");
      assert.equal((await store.medium(between!.mediumId)).state, "superseded");
      assert.equal((await store.mediumByKey("v1/thumbnail.jpg"))?.sha256, "x");
    }
  });

  check(
    "where one may have been put over the thumbnail that is the newest again, that is fetched again",
    async (at) => {
      const { post, download, settle, spool, upload, store } = at;
      const ready = (name: string, title: string) =>
        post(
          JSON.stringify({ type: "video.ready", wochitVideoId: "v1", title, thumbnailUrl: `https://h/${name}.jpg` }),
        );
      await ready("x", "1");
      const [x] = await download();
      await settle(x!, "v1/thumbnail.jpg", { sha256: "x", etag: '"x"' });
      await ready("y", "2");
      await spool((await download())[0]!, { sha256: "y" });
      const [y] = await upload();
      const target = await store.targetId({ type: "local", dir: "/media" });
      await store.placeUpload(y!, { target, key: "v1/thumbnail.jpg" });
      await ready("x", "3");
      assert.equal(await store.refreshUpload(y!, 30_000), null);
      const [again] = await download();
      assert.deepEqual([again?.mediumId, again?.previous], [x!.mediumId, null]);
    },
  );

  check("a thumbnail that has a copy takes over no other file's link", async ({ post, download, settle, store }) => {
    await post(picture("draft"));
    await settle((await download())[0]!, "v1/thumbnail.jpg", { sha256: "draft" });
    await post(picture("draft"));
    await post(picture("final"));
    const rows = await store.media({ limit: 9 });
    assert.deepEqual(
      rows.map(({ sourceUrl, sha256 }) => [sourceUrl, sha256]),
      [
        ["https://h/final.jpg", null],
        ["https://h/draft.jpg", "draft"],
      ],
    );
  });

  check("a copy over which another thumbnail was put is none any longer: it is fetched again", async (at) => {
    const { post, download, settle, spool, upload, store, clock } = at;
    const ready = (name: string, title: string) =>
      post(JSON.stringify({ type: "video.ready", wochitVideoId: "v1", title, thumbnailUrl: `https://h/${name}.jpg` }));
    await ready("a", "1");
    const [a] = await download();
    await settle(a!, "v1/thumbnail.jpg", { sha256: "a" });
    await ready("b", "2");
    await spool((await download())[0]!, { sha256: "b" });
    const [b] = await upload();
    await ready("a", "3"); // while b is being put
    const target = await store.targetId({ type: "local", dir: "/media" });
    await store.settleUpload(b!, { is: "mirrored", target, key: "v1/thumbnail.jpg" }, clock.now());
    assert.deepEqual(
      [(await store.medium(a!.mediumId)).key, (await store.mediumByKey("v1/thumbnail.jpg"))?.sha256],
      [null, "b"],
    );
    const [again] = await download();
    assert.equal(again?.mediumId, a!.mediumId);
    await settle(again!, "v1/thumbnail.jpg", { sha256: "a" });
    assert.equal((await store.mediumByKey("v1/thumbnail.jpg"))?.sha256, "a");
    assert.equal((await store.medium(b!.mediumId)).state, "superseded");
  });

  check(
    "of thumbnails that are due at once one is downloaded, also of one that is mended",
    async ({ post, download, settle, store, clock }) => {
      const living = (name: string, hours: number) =>
        `https://h/${name}.jpg?X-Amz-Date=20260101T000000Z&X-Amz-Expires=${hours * 3600}&X-Amz-Signature=1`;
      await post(draft("v1", { thumbnailUrl: living("old", 30) }));
      const [old] = await download();
      await settle(old!, "v1/thumbnail.jpg");
      await post(draft("v1", { thumbnailUrl: living("new", 2) }));
      await store.mendMedium(old!.mediumId, clock.now());
      const jobs = await download();
      assert.equal(jobs.length, 1);
      assert.deepEqual(await download(), []);
      await settle(jobs[0]!, "v1/thumbnail.jpg", { sha256: jobs[0]!.url });
      for (const job of await download()) await settle(job, "v1/thumbnail.jpg", { sha256: job.url });
      assert.equal((await store.mediumByKey("v1/thumbnail.jpg"))?.sha256, living("new", 2));
      assert.equal((await store.medium(old!.mediumId)).state, "superseded");
    },
  );

  check("of more than three thumbnails on their way the oldest gives way", async ({ post, store }) => {
    for (const name of ["1", "2", "3", "4", "5"]) await post(picture(name));
    assert.deepEqual((await store.media({ limit: 9 })).map(({ sourceUrl }) => sourceUrl).sort(), [
      "https://h/3.jpg",
      "https://h/4.jpg",
      "https://h/5.jpg",
    ]);
  });
}

function switchMirroring({ store, config }: Bench, enabled: boolean): void {
  store.configure({ ...settingsOf(config), mirror: { ...config.mirror, enabled } });
}

/** Posts as a relay with these options of `mirror` plans it. */
function planned({ config, post }: Bench, mirror: Partial<Bench["config"]["mirror"]>) {
  return async (text: string) => {
    const before = config.mirror;
    config.mirror = { ...before, ...mirror };
    try {
      return await post(text);
    } finally {
      config.mirror = before;
    }
  };
}

/** Brings what is to be downloaded to this state. */
async function bringTo(
  { download, settle, spool, store, clock }: Bench,
  state: "running" | "spooled" | "mirrored" | "expired",
): Promise<void> {
  for (const job of await download()) {
    if (state === "spooled") await spool(job);
    if (state === "mirrored") await settle(job, `${job.videoId}/${job.kind}`);
    if (state === "expired") await store.settleDownload(job, { is: "expired", error: "HTTP 403" }, clock.now());
  }
}
