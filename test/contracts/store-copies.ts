import assert from "node:assert/strict";
import type { ConfigInput } from "../../src/config/schema.ts";
import { endpoint } from "../support/config.ts";
import { answered } from "../support/outcomes.ts";
import { checker, DEFAULTS, draft, type OpenStore, ready, remove, video } from "./store.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A link that lives for so many hours from the test clock's beginning. */
const link = (name: string, hours: number) =>
  `https://h/${name}?X-Amz-Date=20260101T000000Z&X-Amz-Expires=${hours * 3600}&X-Amz-Signature=s`;

/** An app that asks for all notices of media by name. */
const READER: ConfigInput = { endpoints: [endpoint("ops", { events: ["relay.media.*"] })] };

/** What every store engine must do for copies: spool, uploads, deletions, risks, notices; in the words of CONTRACT. */
export function storeCopiesContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "a spooled file is secured: pending, off its link, until its upload is confirmed",
    async ({ post, download, spool, upload, store, clock }) => {
      await post(video("v1", link("a.mp4", 20)));
      const [job] = await download();
      await spool(job!);
      assert.deepEqual(await download(), []);
      assert.deepEqual(await store.media({ limit: 9, byDeadline: true }), []);
      assert.equal(await store.nextRisk(), null);
      const medium = await store.medium(job!.mediumId);
      assert.deepEqual([medium.state, medium.key], ["pending", null]);
      assert.deepEqual(await store.spooledMedia(), [{ mediumId: job!.mediumId, uploads: true }]);
      assert.equal(await store.isSpooled(job!.mediumId), true);

      const [first] = await upload();
      assert.deepEqual([first?.mediumId, first?.file.sha256, first?.attempts], [job!.mediumId, "ab", 0]);
      assert.deepEqual(await upload(), [], "one worker at a time");
      await store.settleUpload(first!, { is: "retry", error: "NoSuchBucket", at: clock.now() + MINUTE }, clock.now());
      assert.equal((await store.medium(job!.mediumId)).lastError, "NoSuchBucket");
      assert.deepEqual(await upload(), []);
      await clock.advance(3 * DAY);
      const [second] = await upload();
      assert.equal(second?.attempts, 1);
      const target = await store.targetId({ type: "local", dir: "/media" });
      await store.settleUpload(second!, { is: "mirrored", target, key: "v1/video.mp4" }, clock.now());
      const mirrored = await store.medium(job!.mediumId);
      assert.deepEqual(
        [mirrored.state, mirrored.key, mirrored.target, mirrored.bytes, mirrored.lastError],
        ["mirrored", "v1/video.mp4", target, 3, null],
      );
      assert.deepEqual(await store.spooledMedia(), []);
      assert.equal(await store.isSpooled(job!.mediumId), false);
    },
  );

  check("a late upload settles nothing", async ({ post, download, spool, upload, store, clock }) => {
    await post(video("v1", link("a.mp4", 20)));
    await spool((await download())[0]!);
    const [late] = await upload();
    await clock.advance(31_000);
    const [second] = await upload();
    const target = await store.targetId({ type: "local", dir: "/media" });
    const done = { is: "mirrored", target, key: "k" } as const;
    assert.equal(await store.renew(late!, 1), false);
    assert.deepEqual(await store.settleUpload(late!, done, clock.now()), { settled: false });
    assert.deepEqual(await store.settleUpload(second!, done, clock.now()), { settled: true });
    assert.deepEqual(await store.settleUpload(second!, done, clock.now()), { settled: false });
  });

  check(
    "the gate of a spooled medium stays shut until the target has it",
    async ({ post, download, spool, upload, claim, store, clock, seqs }) => {
      await post(video("v1", link("a.mp4", 20)));
      await spool((await download())[0]!);
      assert.deepEqual(seqs(await claim()), []);
      const target = await store.targetId({ type: "local", dir: "/media" });
      await store.settleUpload((await upload())[0]!, { is: "mirrored", target, key: "k" }, clock.now());
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
    },
  );

  check(
    "a spooled video that is announced again is not fetched again, a lost one is",
    async ({ post, download, spool, upload, store, clock }) => {
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=1", { title: "1" }));
      await spool((await download())[0]!);
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=2", { title: "2" }));
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=3", { title: "2" }));
      assert.deepEqual(await download(), []);
      await store.settleUpload((await upload())[0]!, { is: "lost", error: "the spool was emptied" }, clock.now());
      assert.deepEqual(await upload(), []);
      assert.equal((await download()).length, 1);
    },
  );

  check(
    "a newer thumbnail that is spooled ends the upload of the older one, and its download needs no bucket",
    async ({ post, download, spool, upload, deletions, store }) => {
      await post(draft("v1", { thumbnailUrl: "https://h/1.jpg" }));
      const [one] = await download();
      await spool(one!);
      const [running] = await upload();
      await post(draft("v1", { thumbnailUrl: "https://h/2.jpg" }));
      const [two] = await download();
      assert.equal(two?.url, "https://h/2.jpg");
      await spool(two!);
      assert.equal(await store.renew(running!, 1), false);
      assert.equal((await store.medium(one!.mediumId)).state, "superseded");
      assert.deepEqual(
        (await upload()).map((job) => job.mediumId),
        [two!.mediumId],
      );
      assert.deepEqual(
        (await deletions()).map((job) => [job.mediumId, job.copy]),
        [[one!.mediumId, null]],
        "what the spool holds of it goes",
      );
    },
  );

  check(
    "an older thumbnail that waits for its upload never comes over a newer one, also where it has a copy already",
    async ({ post, download, settle, spool, upload, store, clock }) => {
      const thumb = (name: string) => post(draft("v1", { thumbnailUrl: `https://h/${name}.jpg` }));
      await thumb("a");
      await settle((await download())[0]!, "v1/thumbnail.jpg", { etag: '"a"' });
      await thumb("a");
      await spool((await download())[0]!, { sha256: "a2" });
      const [older] = await upload();
      await store.settleUpload(older!, { is: "retry", error: "down", at: clock.now() + MINUTE }, clock.now());
      await thumb("b");
      await settle((await download())[0]!, "v1/thumbnail.jpg", { sha256: "b" });
      await clock.advance(HOUR);
      assert.deepEqual(await upload(), []);
      assert.equal((await store.mediumByKey("v1/thumbnail.jpg"))?.sha256, "b");
    },
  );

  check(
    "a thumbnail that is unchanged ends the upload of the one in between; where that may have been put, it is fetched again",
    async ({ post, download, settle, spool, upload, store, clock }) => {
      for (const isPut of [false, true]) {
        const id = `v${isPut}`;
        const thumb = (name: string) => post(draft(id, { thumbnailUrl: `https://h/${id}${name}.jpg` }));
        await thumb("a");
        await settle((await download())[0]!, `${id}/thumbnail.jpg`, { etag: '"a"' });
        await thumb("b");
        await spool((await download())[0]!, { sha256: "b" });
        const [between] = await upload();
        const target = await store.targetId({ type: "local", dir: "/media" });
        if (isPut) await store.placeUpload(between!, { target, key: `${id}/thumbnail.jpg` });
        await thumb("a");
        const [again] = await download();
        assert.equal(again?.previous?.etag, '"a"');
        await store.settleDownload(again!, { is: "unchanged", copy: again!.previous! }, clock.now());
        assert.equal(await store.renew(between!, 1), false);
        const [repair] = await download();
        assert.deepEqual(
          [repair?.mediumId, repair?.previous],
          isPut ? [again?.mediumId, null] : [undefined, undefined],
        );
      }
    },
  );

  check(
    "nobody is sent a thumbnail that an older one may have been put over, before it is fetched again",
    async ({ post, download, settle, spool, upload, claim, store, clock, seqs }) => {
      const thumb = (name: string) => post(draft("v1", { thumbnailUrl: `https://h/${name}.jpg` }));
      await thumb("a");
      await settle((await download())[0]!, "v1/thumbnail.jpg", { etag: '"a"' });
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
      await thumb("b");
      await spool((await download())[0]!, { sha256: "b" });
      const [between] = await upload();
      const target = await store.targetId({ type: "local", dir: "/media" });
      await store.placeUpload(between!, { target, key: "v1/thumbnail.jpg" });
      await thumb("a");
      const [again] = await download();
      await store.settleDownload(again!, { is: "unchanged", copy: again!.previous! }, clock.now());
      assert.deepEqual(seqs(await claim()), ["v1#2"], "what was in between is superseded");
      await settle((await download())[0]!, "v1/thumbnail.jpg", { etag: '"a"' });
      assert.deepEqual(seqs(await claim()), ["v1#3"]);
    },
    { endpoints: [endpoint("cms", { order: "none" })] },
  );

  check(
    "who was sent a thumbnail as pending that a newer one overtakes hears how that one ends",
    async ({ post, download, settle, claim, store, clock }) => {
      await post(draft("v1", { thumbnailUrl: "https://h/a.jpg" }));
      await settle((await download())[0]!, "v1/thumbnail.jpg", { etag: '"a"' });
      for (const delivery of await claim()) {
        await store.settleDelivery(delivery, answered(200, { at: clock.now() }), clock.now());
      }
      await post(draft("v1", { thumbnailUrl: "https://h/a.jpg" }));
      const [running] = await download();
      await clock.advance(31_000);
      const [delivery] = await claim();
      const pending = [{ mediumId: running!.mediumId, status: "pending" as const }];
      await store.settleDelivery(delivery!, answered(200, { at: clock.now(), pending }), clock.now());
      const { id } = delivery!.event;
      const [again] = await download();
      await store.settleDownload(again!, { is: "retry", error: "HTTP 404", at: clock.now() + HOUR }, clock.now());
      await post(draft("v1", { thumbnailUrl: "https://h/b.jpg" }));
      await settle((await download())[0]!, "v1/thumbnail.jpg", { sha256: "b" });
      await clock.advance(HOUR);
      assert.deepEqual(await download(), [], "it has been overtaken");
      const told = (await claim()).filter(({ event }) => event.dialect === "notice");
      assert.deepEqual(
        told.map(({ event, media }) => [event.type, media[0]?.sha256]),
        [["relay.media.mirrored", "b"]],
      );
      const notice = JSON.parse(Buffer.from(await store.eventBody(told[0]!.event.id)).toString());
      assert.equal(notice.relay.aboutEventId, id);
    },
    { endpoints: [endpoint("cms", { order: "none" })] },
  );

  check(
    "each copy remembers its target, whatever is said of how to get there",
    async ({ post, download, settle, store }) => {
      const bucket = { type: "s3", bucket: "b", endpoint: "https://s3.test", prefix: "p", region: null } as const;
      const before = await store.targetId({ type: "local", dir: "/media" });
      await post(video("v1", link("a.mp4", 20)));
      await settle((await download())[0]!, "v1/video.mp4");
      const now = await store.targetId({ ...bucket, pathStyle: true });
      assert.notEqual(now, before);
      assert.equal(await store.targetId({ ...bucket, pathStyle: false, region: "auto" }), now);
      assert.equal((await store.mediumByKey("v1/video.mp4"))?.target, before);
      assert.deepEqual(
        (await store.targets()).map(({ id, place }) => [id, place.type]),
        [
          [before, "local"],
          [now, "s3"],
        ],
      );
      assert.equal(await store.isCopyWanted({ target: before, key: "v1/video.mp4" }), true);
      assert.equal(await store.isCopyWanted({ target: now, key: "v1/video.mp4" }), false);
    },
  );

  check(
    "a copy that is missing is mended: fetched again, and put in its own place",
    async ({ post, download, settle, spool, upload, store, clock }) => {
      await post(video("v1", link("a.mp4", 20)));
      const [job] = await download();
      await settle(job!, "v1/video.mp4");
      await store.mendMedium(job!.mediumId, clock.now());
      const [again] = await download();
      assert.equal(again?.previous, null);
      await spool(again!);
      const [put] = await upload();
      assert.deepEqual([put?.own?.key, put?.own?.sha256], ["v1/video.mp4", "ab"]);
      await assert.rejects(store.mendMedium(job!.mediumId, clock.now()), { code: "conflict" });
    },
  );

  check("a mending that fails leaves the row as it was", async ({ post, download, settle, store, clock }) => {
    await post(video("v1", link("a.mp4", 20)));
    const [job] = await download();
    await settle(job!, "v1/video.mp4");
    await store.mendMedium(job!.mediumId, clock.now());
    await store.settleDownload((await download())[0]!, { is: "expired", error: "HTTP 403" }, clock.now());
    const { state, key } = await store.medium(job!.mediumId);
    assert.deepEqual([state, key], ["mirrored", "v1/video.mp4"]);
  });

  check(
    "a mending asks the freshest link that came since, and one that fails is told as a failure",
    async ({ post, download, settle, store, clock }) => {
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=1", { title: "1" }));
      const [job] = await download();
      await settle(job!, "v1/video.mp4");
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=2", { title: "2" }));
      await store.mendMedium(job!.mediumId, clock.now());
      const [again] = await download();
      assert.equal(again?.url, "https://h/a.mp4?X-Amz-Signature=2");
      await store.settleDownload(again!, { is: "expired", error: "HTTP 403" }, clock.now());
      const told = async (type: string) => (await store.events({ limit: 9, types: [type] })).length;
      assert.deepEqual([await told("relay.media.mirrored"), await told("relay.media.failed")], [1, 1]);
    },
    READER,
  );

  check(
    "a thumbnail that is fetched anew and gets another key leaves its old copy to be deleted",
    async ({ post, download, settle, deletions, store }) => {
      await post(draft("v1", { thumbnailUrl: "https://h/t.jpg" }));
      await settle((await download())[0]!, "v1/thumbnail.jpg");
      await post(draft("v1", { thumbnailUrl: "https://h/t.jpg" }));
      await settle((await download())[0]!, "v1/thumbnail.png");
      assert.deepEqual(
        (await deletions()).map((job) => job.copy?.key),
        ["v1/thumbnail.jpg"],
      );
      assert.equal((await store.media({ limit: 9 })).length, 1);
    },
  );

  check(
    "a download that made progress is counted from its first attempt again",
    async ({ post, download, store, clock }) => {
      await post(video("v1", link("a.mp4", 20)));
      for (const progressed of [false, false, true]) {
        const [job] = await download();
        await store.settleDownload(job!, { is: "retry", error: "cut", at: clock.now(), progressed }, clock.now());
      }
      assert.equal((await download())[0]?.attempts, 1);
    },
  );

  check(
    "onDelete delete: copies go when the time has come, with what is on its way, and nothing resurrects",
    async ({ post, download, settle, deletions, store, clock }) => {
      const first = await post(video("v1", link("a.mp4", 20)));
      await settle((await download())[0]!, "v1/video.mp4");
      await post(video("v1", link("b.mp4", 20), { title: "b" }));
      const [running] = await download();
      await post(remove("v1"));
      assert.equal(await store.renew(running!, HOUR), true, "it may come back within that time");
      assert.equal((await store.mediumByKey("v1/video.mp4"))?.state, "mirrored");
      await clock.advance(HOUR - 1);
      assert.deepEqual(await deletions(), []);
      await clock.advance(1);
      const [job, ...others] = await deletions();
      assert.deepEqual([job?.copy?.key, others], ["v1/video.mp4", []]);
      assert.equal(await store.renew(running!, 1), false);
      assert.equal((await store.medium(running!.mediumId)).state, "deleted");
      assert.equal(await store.mediumByKey("v1/video.mp4"), null);
      await store.settleDeletion(job!, { is: "retry", error: "down", at: clock.now() + MINUTE }, clock.now());
      await clock.advance(MINUTE);
      await store.settleDeletion((await deletions())[0]!, { is: "deleted" }, clock.now());
      await store.replay(first.id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      assert.deepEqual([await download(), await deletions()], [[], []]);
      assert.deepEqual(
        (await store.media({ limit: 9 })).map(({ state, key }) => [state, key]),
        [
          ["deleted", null],
          ["deleted", null],
        ],
      );
    },
    DELETES,
  );

  check(
    "a failed delete deletes nothing, and a video that comes back keeps its copy",
    async ({ post, download, settle, deletions, store, clock }) => {
      await post(video("v1", link("a.mp4", 20)));
      await settle((await download())[0]!, "v1/video.mp4");
      await post(JSON.stringify({ type: "video.delete", wochitVideoId: "v1", errorMessage: "no" }));
      await clock.advance(2 * HOUR);
      assert.deepEqual(await deletions(), []);
      await post(remove("v1"));
      await post(video("v1", link("a.mp4", 20)));
      await clock.advance(2 * HOUR);
      assert.deepEqual(await deletions(), []);
      assert.equal((await store.mediumByKey("v1/video.mp4"))?.state, "mirrored");
    },
    DELETES,
  );

  check(
    "a failure that names the link of a deleted video does not bring it back",
    async ({ post, download, settle, deletions, clock }) => {
      await post(video("v1", link("a.mp4", 20)));
      await settle((await download())[0]!, "v1/video.mp4");
      await post(remove("v1"));
      await post(video("v1", link("a.mp4", 20), { errorMessage: "no" }));
      await clock.advance(HOUR);
      assert.deepEqual(
        (await deletions()).map((job) => job.copy?.key),
        ["v1/video.mp4"],
      );
    },
    DELETES,
  );

  check(
    "a draft's thumbnail that was superseded before its erasure still leads to the one that took its place",
    async ({ post, download, settle, deletions, store, clock }) => {
      await post(draft("v1", { thumbnailUrl: "https://h/t.jpg" }));
      await settle((await download())[0]!, "v1/thumbnail.jpg");
      await post(JSON.stringify({ type: "draft.delete", wochitVideoId: "v1" }));
      await post(ready("v1", { videoUrl: undefined }));
      await settle((await download())[0]!, "v1/thumbnail.png");
      for (const job of await deletions()) await store.settleDeletion(job, { is: "deleted" }, clock.now());
      await clock.advance(2 * HOUR);
      await deletions();
      assert.equal((await store.mediumByKey("v1/thumbnail.jpg"))?.key, "v1/thumbnail.png");
    },
    DELETES,
  );

  check(
    "a deleted draft takes only its thumbnail along",
    async ({ post, download, settle, deletions, clock }) => {
      await post(JSON.stringify({ type: "draft.new", wochitVideoId: "v1", videoUrl: link("a.mp4", 20) }));
      await settle((await download())[0]!, "v1/video.mp4");
      await post(draft("v1", { thumbnailUrl: "https://h/t.jpg" }));
      await settle((await download())[0]!, "v1/thumbnail.jpg");
      await post(JSON.stringify({ type: "draft.delete", wochitVideoId: "v1" }));
      await clock.advance(HOUR);
      assert.deepEqual(
        (await deletions()).map((job) => job.copy?.key),
        ["v1/thumbnail.jpg"],
      );
    },
    DELETES,
  );

  check("onDelete keep: a delete takes nothing", async ({ post, download, settle, deletions, clock }) => {
    await post(video("v1", link("a.mp4", 20)));
    await settle((await download())[0]!, "v1/video.mp4");
    await post(remove("v1"));
    await clock.advance(30 * DAY);
    assert.deepEqual(await deletions(), []);
  });

  check(
    "a link that dies while nothing is secured is told at 50, 75 and 90 % of its life, each once",
    async ({ post, store, clock, config }) => {
      await post(video("v1", link("a.mp4", 20)));
      const told: [number, number][] = [];
      const began = clock.now();
      for (let hour = 0; hour <= 24; hour++) {
        for (const { share } of await store.raiseRisks(clock.now())) told.push([(clock.now() - began) / HOUR, share]);
        await clock.advance(HOUR);
      }
      assert.deepEqual(told, [
        [10, 0.5],
        [15, 0.75],
        [18, 0.9],
      ]);
      assert.equal(await store.nextRisk(), null);
      const notices = await store.events({ limit: 9, types: ["relay.media.at_risk"] });
      assert.deepEqual(
        notices.map(({ dialect, sequence, videoId }) => [dialect, sequence, videoId]),
        Array(3).fill(["notice", null, "v1"]),
      );
      assert.equal((await store.events({ limit: 9 })).length, 1, "not among the provider's events");
      assert.equal((await store.deliveries({ limit: 9, endpoint: config.endpoints[0]!.id })).length, 3);
      const body = JSON.parse(Buffer.from(await store.eventBody(notices[0]!.id)).toString());
      assert.deepEqual(Object.keys(body), ["type", "wochitVideoId", "videoContext", "relay"]);
      assert.match(body.relay.reason, /^90 % of the link's life is over/);
    },
    READER,
  );

  check(
    "what nobody asks for by name is not stored, and the outcome goes to whoever was sent it as pending",
    async ({ post, download, settle, spool, claim, store, clock }) => {
      const { id } = await post(video("v1", link("a.mp4", 20)));
      const [job] = await download();
      await clock.advance(2 * HOUR);
      const [delivery] = await claim();
      await store.settleDelivery(
        delivery!,
        answered(200, { at: clock.now(), pending: [{ mediumId: job!.mediumId, status: "pending" }] }),
        clock.now(),
      );
      assert.deepEqual(await claim(), []);
      await store.raiseRisks(clock.now() + 30 * DAY);
      assert.deepEqual(await store.events({ limit: 9, types: ["relay.media.at_risk"] }), []);
      const [again] = await download();
      await settle(again!, "v1/video.mp4");
      const [notice] = await claim();
      assert.deepEqual([notice?.event.type, notice?.event.dialect], ["relay.media.mirrored", "notice"]);
      assert.equal(JSON.parse(Buffer.from(await store.eventBody(notice!.event.id)).toString()).relay.aboutEventId, id);
      assert.deepEqual(
        notice?.media.map(({ state, key }) => [state, key]),
        [["mirrored", "v1/video.mp4"]],
      );
      void spool;
    },
  );

  check(
    "a medium that ended while its event was being delivered is told at once",
    async ({ post, download, settle, claim, store, clock }) => {
      await post(video("v1", link("a.mp4", 20)));
      const [job] = await download();
      await clock.advance(HOUR);
      const [delivery] = await claim();
      const [again] = await download();
      assert.equal(again?.mediumId, job?.mediumId);
      await store.settleDownload(again!, { is: "expired", error: "HTTP 403" }, clock.now());
      await store.settleDelivery(
        delivery!,
        answered(200, { at: clock.now(), pending: [{ mediumId: job!.mediumId, status: "pending" }] }),
        clock.now(),
      );
      assert.deepEqual(
        (await claim()).map(({ event }) => event.type),
        ["relay.media.failed"],
      );
      void settle;
    },
  );

  check(
    "who asks by name is told how each medium ended, once, with the reason",
    async ({ post, download, settle, store, clock }) => {
      await post(ready("v1"));
      const [one, two] = await download();
      await settle(one!, "v1/video.mp4", { suspect: "too short" });
      await store.settleDownload(two!, { is: "failed", error: "it is larger than mirror.maxSize" }, clock.now());
      const wish = { endpoint: "ops", now: clock.now(), limit: 9, leaseFor: 1 };
      const [first] = (await store.claimDeliveries(wish)).jobs;
      assert.equal(first?.event.type, "relay.media.mirrored");
      assert.equal(
        JSON.parse(Buffer.from(await store.eventBody(first!.event.id)).toString()).relay.reason,
        "too short",
      );
      await store.settleDelivery(first!, answered(200, { at: clock.now() }), clock.now());
      const [second, ...none] = (await store.claimDeliveries(wish)).jobs;
      assert.deepEqual([second?.event.type, none], ["relay.media.failed", []]);
    },
    READER,
  );

  check(
    "a video that is forgotten leaves ids, types and times",
    async ({ post, download, settle, deletions, claim, fail, store, clock }) => {
      const { id } = await post(ready("v1", { title: "Ada's holidays", videoContext: "ada" }));
      for (const job of await download()) await settle(job, `v1/${job.kind}`);
      await post(draft("v1", { thumbnailUrl: "https://h/next.jpg" }));
      const [running] = await claim();
      const refused = { receivedAt: clock.now(), sourceAddress: "192.0.2.1", reason: "size" } as const;
      await store.quarantine({ ...refused, body: Buffer.from(ready("v1", { title: "too large" })) });
      const other = await store.quarantine({ ...refused, body: Buffer.from(ready("v10")) });
      assert.deepEqual(await store.forgetVideo("v1", clock.now()), { events: 2, media: 3, refused: 1, parts: 0 });
      assert.deepEqual((await deletions()).flatMap((job) => job.copy?.key ?? []).sort(), ["v1/thumbnail", "v1/video"]);
      await assert.rejects(store.eventBody(id), { code: "body_expired" });
      const { context, title, state, forgottenAt, contextHistory } = await store.video("v1");
      assert.deepEqual([context, title, state, contextHistory], [null, null, "deleted", []]);
      assert.equal(forgottenAt, clock.now());
      assert.equal((await store.event(id)).type, "video.ready");
      assert.deepEqual(
        (await store.media({ limit: 9 })).map((each) => [each.state, each.sourceUrl, each.key]),
        Array(3).fill(["deleted", "", null]),
      );
      assert.equal((await store.delivery(running!.id)).state, "running");
      await fail(running!);
      assert.deepEqual([...new Set((await store.deliveries({ limit: 9 })).map((each) => each.state))], ["canceled"]);
      assert.deepEqual(await download(), []);
      assert.deepEqual(
        (await store.quarantined({ limit: 9 })).map((each) => each.id),
        [other.id],
      );
      await assert.rejects(store.forgetVideo("nobody", clock.now()), { code: "not_found" });
    },
  );
}

const DELETES: ConfigInput = { ...DEFAULTS, mirror: { onDelete: "delete", deleteAfter: "1h" } };
