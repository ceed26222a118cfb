import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config, ConfigInput } from "../../src/config/schema.ts";
import { RelayError } from "../../src/errors.ts";
import type { DeliveryJob, DeliveryOutcome } from "../../src/model/delivery.ts";
import type { DownloadJob } from "../../src/model/job.ts";
import type { SpooledFile } from "../../src/model/medium.ts";
import type { Ports } from "../../src/ports.ts";
import type { Store } from "../../src/store/store.ts";
import { configIn, endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { nextDue } from "../support/next-due.ts";
import { answered } from "../support/outcomes.ts";
import { type TestClock, testClock, testPorts } from "../support/ports.ts";

export type OpenStore = (config: Config, ports: Ports) => Promise<Store>;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How the sentences of a contract are checked: each on a store of its own. */
export function checker(engine: string, openStore: OpenStore) {
  return (sentence: string, body: (at: Bench) => Promise<void>, input: ConfigInput = DEFAULTS): void => {
    test(`${engine}: ${sentence}`, async (t) => {
      const dir = tempFolder(t);
      const clock = testClock();
      const config = configIn(dir, input);
      const store = await openStore(config, testPorts(clock));
      t.after(() => store.close());
      await body(bench(store, clock, config, () => openStore(config, testPorts(clock))));
    });
  };
}

/** What every store engine must do, in the words of ARCHITECTURE and CONTRACT. */
export function storeContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "an event is committed with its body, byte for byte, and numbered per video without gaps",
    async ({ post, store }) => {
      const odd = '{ "type":"video.ready","wochitVideoId" : "v1", "n": 12345678901234567890.10, "t":"\\u00e9" }';
      const first = await post(odd);
      const others = await Promise.all([post(ready("v2")), post(draft("v1")), post(draft("v1")), post(draft("v2"))]);
      assert.equal(first.status, "accepted");
      assert.equal(new TextDecoder().decode(await store.eventBody(first.id)), odd);
      const events = await store.events({ limit: 10 });
      assert.deepEqual(
        events.map((event) => [event.videoId, event.sequence]),
        [
          ["v2", 2],
          ["v1", 3],
          ["v1", 2],
          ["v2", 1],
          ["v1", 1],
        ],
      );
      assert.equal(events[0]?.id, others[3]?.id);
    },
  );

  check("an epoch lasts as long as the store does, over every opening", async ({ store, reopen }) => {
    const epoch = await store.epoch();
    assert.match(epoch, /^\S{16,}$/);
    await store.close();
    const again = await reopen();
    try {
      assert.equal(await again.epoch(), epoch);
    } finally {
      await again.close();
    }
  });

  check("the relay's address is the last that was noted, over every opening", async ({ store, reopen }) => {
    assert.equal(await store.publicUrl(), null);
    await store.notePublicUrl("http://relay:8080");
    await store.notePublicUrl("http://relay:8443");
    await store.close();
    const again = await reopen();
    try {
      assert.equal(await again.publicUrl(), "http://relay:8443");
    } finally {
      await again.close();
    }
  });

  check("two equal requests at one instant make one event, counted on it", async ({ post, store }) => {
    const answers = await Promise.all([post(ready("v1")), post(ready("v1")), post(ready("v1"))]);
    assert.deepEqual(
      answers.map((a) => a.status),
      ["accepted", "duplicate", "duplicate"],
    );
    assert.equal(new Set(answers.map((a) => a.id)).size, 1);
    assert.equal((await store.event(answers[0]!.id)).duplicates, 2);
    assert.equal((await store.deliveries({ limit: 10 })).length, 1);
  });

  check("a duplicate is one whatever its order, white space, escapes and link signatures", async ({ post }) => {
    await post(
      '{"type":"video.ready","wochitVideoId":"v1","videoUrl":"https://h/v.mp4?X-Amz-Signature=1","title":"é"}',
    );
    const again = await post(
      '{ "title":"\\u00e9", "videoUrl":"https://h/v.mp4?X-Amz-Signature=2","wochitVideoId":"v1","type":"video.ready" }',
    );
    assert.equal(again.status, "duplicate");
    const other = await post(
      '{"type":"video.ready","wochitVideoId":"v1","videoUrl":"https://h/v.mp4?v=2","title":"é"}',
    );
    assert.equal(other.status, "accepted");
  });

  check("numbers that differ beyond double precision are no duplicates", async ({ post }) => {
    await post('{"type":"video.ready","wochitVideoId":"v1","n":12345678901234567890}');
    assert.equal(
      (await post('{"type":"video.ready","wochitVideoId":"v1","n":12345678901234567891}')).status,
      "accepted",
    );
  });

  check("ready, delete, ready are three events; autosaves in between hide no duplicate", async ({ post }) => {
    assert.equal((await post(ready("v1"))).status, "accepted");
    assert.equal((await post(remove("v1"))).status, "accepted");
    assert.equal((await post(ready("v1"))).status, "accepted");
    assert.equal((await post(draft("v1"))).status, "accepted");
    assert.equal((await post(ready("v1"))).status, "duplicate");
  });

  check(
    "autosaves, a second draft.exit and unknown types, also as failures, are never duplicates",
    async ({ post }) => {
      for (const type of ["draft.update", "draft.exit", "something.new"]) {
        for (const more of [{}, { errorMessage: "no" }]) {
          const body = JSON.stringify({ type, wochitVideoId: "v1", ...more });
          assert.equal((await post(body)).status, "accepted");
          assert.equal((await post(body)).status, "accepted", type);
        }
      }
    },
  );

  check("legacy events repeat like typed ones, and never each other", async ({ post }) => {
    const legacy = { wochitVideoId: "v1", title: "t" };
    await post(JSON.stringify(legacy));
    assert.equal((await post(JSON.stringify(legacy))).status, "duplicate");
    assert.equal((await post(JSON.stringify({ type: "video.ready", ...legacy }))).status, "accepted");
    const failure = JSON.stringify({ wochitVideoId: "v2", errorMessage: "no" });
    assert.deepEqual(
      (await Promise.all([post(failure), post(failure)])).map(({ status }) => status),
      ["accepted", "duplicate"],
      "failures, too",
    );
  });

  check("outside the dedupe window the same event is a new one", async ({ post, clock }) => {
    await post(ready("v1"));
    await clock.advance(10 * MINUTE + 1);
    assert.equal((await post(ready("v1"))).status, "accepted");
  });

  check(
    "the newest context wins, earlier ones are remembered, both ways; events without one are filled in",
    async ({ post, store, clock }) => {
      await post(draft("v1", { videoContext: "page 1" }));
      await clock.advance(10);
      await post(draft("v1", { videoContext: "page 2" }));
      await post(draft("v1", { videoContext: null }));
      const { id } = await post(JSON.stringify({ type: "draft.delete", wochitVideoId: "v1" }));
      const event = await store.event(id);
      assert.deepEqual([event.context, event.contextFrom], ["page 2", "mapping"]);
      const video = await store.video("v1");
      assert.equal(video.context, "page 2");
      assert.deepEqual(
        video.contextHistory.map((each) => each.context),
        ["page 1", "page 2"],
      );
      for (const context of ["page 1", "page 2"]) {
        assert.deepEqual(
          (await store.videosOfContext(context, { limit: 9 })).map((each) => each.videoId),
          ["v1"],
        );
      }
      assert.deepEqual(await store.videosOfContext("page 3", { limit: 9 }), []);
    },
  );

  check("a video's state, title and duration follow its events", async ({ post, store }) => {
    const state = async () => (await store.video("v1")).state;
    await post(JSON.stringify({ type: "odd", wochitVideoId: "v1" }));
    assert.equal(await state(), "unknown");
    await post(draft("v1"));
    assert.equal(await state(), "draft");
    await post(ready("v1", { title: "T", videoDuration: 35.9 }));
    assert.equal(await state(), "ready");
    await post(draft("v1", { title: null }));
    assert.equal(await state(), "ready");
    await post(JSON.stringify({ type: "video.ready", wochitVideoId: "v1", errorMessage: "boom" }));
    assert.equal(await state(), "failed");
    await post(remove("v1"));
    assert.equal(await state(), "deleted");
    const video = await store.video("v1");
    assert.deepEqual([video.title, video.duration], ["T", 35.9]);
  });

  check(
    "a lane sends one after the other; other videos pass",
    async ({ post, claim, deliver, seqs }) => {
      await Promise.all([post(remove("v1")), post(draft("v1")), post(remove("v2"))]);
      const first = await claim();
      assert.deepEqual(seqs(first), ["v1#1", "v2#1"]);
      assert.deepEqual(seqs(await claim()), []);
      await deliver(first[0]!);
      assert.deepEqual(seqs(await claim()), ["v1#2"]);
    },
    plain(),
  );

  check(
    "order none lets everything pass",
    async ({ post, claim, seqs }) => {
      await Promise.all([post(remove("v1")), post(draft("v1"))]);
      assert.deepEqual(seqs(await claim()), ["v1#1", "v1#2"]);
    },
    plain({ order: "none" }),
  );

  check(
    "a head that has held its lane long steps aside when it fails, and keeps trying by its own schedule",
    async ({ post, claim, fail, clock, store, seqs }) => {
      await Promise.all([post(remove("v1")), post(draft("v1"))]);
      const [head] = await claim();
      await fail(head!);
      await clock.advance(24 * HOUR - 1);
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 1);
      assert.deepEqual(seqs(await claim()), []);
      await clock.advance(1);
      const [again, ...others] = await claim();
      assert.deepEqual([seqs([again!]), others], [["v1#1"], []]);
      await fail(again!);
      assert.deepEqual(seqs(await claim()), ["v1#2"]);
      await clock.advance(HOUR);
      assert.deepEqual(
        seqs(await claim()).filter((each) => each === "v1#1"),
        ["v1#1"],
      );
    },
    plain({ retry: ["24h", "1h"], laneHold: "24h" }),
  );

  check(
    "once one has stepped aside, the next of its lane that fails does so at once, until the lane delivers one",
    async (at) => {
      const { post, claim, fail, deliver, clock, seqs } = at;
      for (let n = 0; n < 5; n++) await post(draft("v1", { title: `T${n}` }));
      await stepAside(at);
      await post(draft("v2"));
      const [second, other] = await claim();
      await fail(other!); // Another video's lane is its own.
      await fail(second!);
      const [third] = await claim();
      assert.deepEqual(seqs([second!, third!]), ["v1#2", "v1#3"]);
      await deliver(third!);
      const [fourth] = await claim();
      await fail(fourth!);
      assert.deepEqual(seqs(await claim()), []);
      await clock.advance(HOUR);
      assert.deepEqual(seqs(await claim()), ["v1#1", "v1#2", "v1#4", "v2#1"]);
    },
    plain(HOURLY),
  );

  check(
    "that lasts also when the one that stepped aside is dead, and ends when it is delivered itself",
    async (at) => {
      const { post, claim, fail, deliver, die, clock, seqs } = at;
      for (let n = 0; n < 5; n++) await post(draft("v1", { title: `T${n}` }));
      const first = await stepAside(at);
      await clock.advance(HOUR);
      const [second, again] = await claim();
      assert.equal(again?.id, first.id);
      await die(again!);
      await fail(second!);
      await clock.advance(HOUR);
      const [third, secondAgain] = await claim();
      assert.deepEqual(seqs([secondAgain!, third!]), ["v1#2", "v1#3"]);
      await deliver(secondAgain!);
      await fail(third!);
      assert.deepEqual(seqs(await claim()), []);
    },
    plain(HOURLY),
  );

  check(
    "a dead delivery lets its lane go on, stays, and can be retried from attempt 0",
    async ({ post, claim, deliver, die, store, clock, seqs }) => {
      await Promise.all([post(remove("v1")), post(draft("v2"))]);
      const [head] = await claim();
      await post(draft("v1"));
      await die(head!);
      const next = await claim();
      assert.deepEqual(seqs(next), ["v1#2"]);
      assert.equal((await store.event(head!.eventId)).status, "dead");
      await store.retryDelivery(head!.id, clock.now());
      await deliver(next[0]!);
      const again = (await claim()).find(({ id }) => id === head!.id);
      assert.equal(again?.attempts, 0);
      assert.equal((await store.delivery(head!.id)).attemptLog.length, 1);
    },
    plain(),
  );

  check(
    "one that is retried stands at its place: after what runs, before later ones that wait",
    async ({ post, claim, fail, deliver, die, store, clock, seqs }) => {
      for (let n = 0; n < 4; n++) await post(draft("v1", { title: `T${n}` }));
      const [first] = await claim();
      await die(first!);
      const [second] = await claim();
      await store.retryDelivery(first!.id, clock.now());
      assert.deepEqual(seqs(await claim()), [], "one attempt at a time");
      await fail(second!);
      const [again] = await claim();
      assert.equal(again?.id, first!.id);
      await clock.advance(2_000);
      assert.deepEqual(seqs(await claim()), [], "its time has come, but not its turn");
      await deliver(again!);
      const [secondAgain] = await claim();
      assert.equal(secondAgain?.id, second!.id);
      await deliver(secondAgain!);
      // Also one that has never been sent.
      const third = (await store.deliveries({ limit: 9, state: "pending" })).at(-1)!;
      await store.cancelDelivery(third.id, clock.now());
      const [fourth] = await claim();
      await store.retryDelivery(third.id, clock.now());
      assert.deepEqual(seqs([fourth!, ...(await claim())]), ["v1#4"]);
      await deliver(fourth!);
      assert.deepEqual(seqs(await claim()), ["v1#3"]);
    },
    plain({ retry: ["1s"] }),
  );

  check(
    "of several that are retried while another one runs, each waits until that has ended, whatever becomes of the others",
    async ({ post, claim, deliver, store, clock, seqs }) => {
      for (let n = 0; n < 4; n++) await post(draft("v1", { title: `T${n}` }));
      const [, third, second, first] = await store.deliveries({ limit: 9 });
      for (const { id } of [first!, second!, third!]) await store.cancelDelivery(id, clock.now());
      const [fourth] = await claim();
      for (const { id } of [third!, second!, first!]) await store.retryDelivery(id, clock.now());
      await store.cancelDelivery(first!.id, clock.now());
      assert.deepEqual(seqs([fourth!, ...(await claim())]), ["v1#4"]);
      await deliver(fourth!);
      const [next, ...others] = await claim();
      assert.deepEqual([next?.id, others], [second!.id, []]);
      await deliver(next!);
      assert.deepEqual(seqs(await claim()), ["v1#3"]);
    },
    plain(),
  );

  check(
    "also one that had stepped aside, or waits for an earlier one; each with all of its attempts",
    async (at) => {
      const { post, claim, fail, deliver, store, clock, seqs } = at;
      for (let n = 0; n < 3; n++) await post(draft("v1", { title: `T${n}` }));
      const first = await stepAside(at);
      const [second] = await claim();
      await fail(second!);
      await store.retryDelivery(first.id, clock.now());
      const [again] = await claim();
      assert.deepEqual([again?.id, again?.attempts], [first.id, 0]);
      assert.deepEqual(seqs(await claim()), [], "the second is aside, but passes nobody");
      const third = (await store.deliveries({ limit: 1 }))[0]!;
      await store.retryDelivery(third.id, clock.now());
      assert.deepEqual(seqs(await claim()), []);
      await clock.advance(3 * HOUR);
      const [still] = await claim();
      assert.equal(still?.id, first.id);
      await deliver(still!);
      assert.deepEqual(seqs(await claim()), ["v1#2", "v1#3"]);
    },
    plain(HOURLY),
  );

  check("one that is retried waits for its gate; one that has opened stays open", async (at) => {
    const { post, claim, store, clock, seqs } = at;
    await post(ready("v1"));
    await post(ready("v2"));
    const [second, first] = await store.deliveries({ limit: 9 });
    await store.retryDelivery(first!.id, clock.now());
    await store.cancelDelivery(second!.id, clock.now());
    await store.retryDelivery(second!.id, clock.now());
    assert.deepEqual(seqs(await claim()), []);
    await post(remove("v2"));
    await store.cancelDelivery(second!.id, clock.now());
    await store.retryDelivery(second!.id, clock.now());
    assert.deepEqual(seqs(await claim()), ["v2#1"]);
    await clock.advance(HOUR);
    assert.deepEqual(seqs(await claim()), ["v2#1", "v1#1"], "a lease has run out meanwhile");
  });

  check(
    "what runs is canceled when its attempt ends, unless that succeeds; only then its lane goes on",
    async ({ post, claim, deliver, fail, store, clock, seqs }) => {
      for (let n = 0; n < 4; n++) await post(draft("v1", { title: `T${n}` }));
      const state = async (id: string) => (await store.delivery(id)).state;
      const [first] = await claim();
      await store.cancelDelivery(first!.id, clock.now());
      await store.cancelDelivery(first!.id, clock.now());
      assert.equal(await state(first!.id), "running");
      assert.equal((await store.deliveries({ limit: 9, state: "running" }))[0]?.id, first!.id);
      assert.deepEqual((await store.counts()).deliveries.map((each) => each.state).sort(), ["pending", "running"]);
      await assert.rejects(store.retryDelivery(first!.id, clock.now()), { code: "conflict" });
      assert.equal(await store.renew(first!, 30_000), true);
      assert.deepEqual(seqs(await claim()), []);
      assert.equal((await deliver(first!)).settled, true);
      assert.equal(await state(first!.id), "delivered");

      const [second] = await claim();
      await store.cancelDelivery(second!.id, clock.now());
      await fail(second!);
      const { state: ended, attemptLog, lastError } = await store.delivery(second!.id);
      assert.deepEqual([ended, attemptLog.length, lastError], ["canceled", 1, "canceled by the operator"]);

      const [third] = await claim(1_000);
      await store.cancelDelivery(third!.id, clock.now());
      await clock.advance(1_000);
      const [fourth] = await claim();
      assert.equal(await state(third!.id), "canceled", "its attempt died with its lease");
      await store.cancelDelivery(fourth!.id, clock.now());
      assert.equal(await store.freeLeases(clock.now()), 1);
      assert.equal(await state(fourth!.id), "canceled", "or with its process");
      assert.equal((await deliver(fourth!)).settled, false);
    },
    plain(),
  );

  check(
    "of a video that is erased nothing is sent any more; what runs ends with its attempt, whose answer is not kept",
    async ({ post, claim, deliver, fail, store, clock, seqs }) => {
      await post(draft("v1", { title: "Ada" }));
      await post(draft("v2", { title: "Bo" }));
      const [first, second] = await claim();
      for (const v of ["v1", "v2"]) await store.forgetVideo(v, clock.now());
      await post(draft("v1", { title: "new" }));
      assert.deepEqual(seqs(await claim()), []);
      await deliver(first!);
      await fail(second!);
      assert.deepEqual(seqs(await claim()), ["v1#2"]);
      const ends = await Promise.all([first!, second!].map(({ id }) => store.delivery(id)));
      assert.deepEqual(
        ends.map(({ state, attemptLog: [one] }) => [state, one?.status, one?.error, one?.response]),
        [
          ["delivered", 200, null, null],
          ["canceled", 500, null, null],
        ],
      );
    },
    plain(),
  );

  check(
    "a claim that was lost settles nothing",
    async ({ post, claim, die, store, clock }) => {
      await post(remove("v1"));
      const [late] = await claim(1_000);
      await clock.advance(1_001);
      const [current] = await claim();
      assert.equal(current?.id, late?.id);
      assert.equal(await store.renew(late!, 1), false);
      const settled = await die(late!);
      assert.equal(settled.settled, false);
      assert.equal((await store.delivery(late!.id)).state, "running");
    },
    plain(),
  );

  check(
    "a restart frees the leases of the one before",
    async ({ post, claim, store, clock, reopen, seqs }) => {
      await post(remove("v1"));
      await claim();
      await store.close();
      const next = await reopen();
      assert.equal(await next.freeLeases(clock.now()), 1);
      assert.deepEqual(
        seqs((await next.claimDeliveries({ endpoint: "cms", now: clock.now(), limit: 9, leaseFor: 1 })).jobs),
        ["v1#1"],
      );
      await next.close();
    },
    plain(),
  );

  check(
    "two 410s in a row, of two videos, pause an endpoint until it is resumed",
    async ({ post, claim, fail, clock, store }) => {
      await Promise.all([post(remove("v1")), post(remove("v2")), post(remove("v3"))]);
      const [a, b, c] = await claim();
      assert.equal((await fail(a!, 410)).paused, false);
      assert.equal((await fail(b!, 500)).paused, false);
      assert.equal((await fail(c!, 410)).paused, false);
      await clock.advance(1_000);
      const [again] = await claim();
      assert.equal((await fail(again!, 410)).paused, true);
      await clock.advance(1_000);
      assert.deepEqual(await claim(), []);
      assert.equal(await nextDue(store, "deliver/cms"), null);
      assert.equal((await store.endpoints())[0]?.pausedAt, clock.now() - 1_000);
      await store.resumeEndpoint("cms");
      assert.equal((await claim()).length, 1);
    },
    plain({ retry: ["1s", "1s"] }),
  );

  check(
    "410s for one video pause no endpoint; for another one, after them, they do",
    async ({ post, claim, fail, clock }) => {
      await post(remove("v1"));
      await post(remove("v2"));
      const [one, two] = await claim();
      assert.equal((await fail(one!, 410)).paused, false);
      await clock.advance(1_000);
      const [again] = await claim();
      assert.equal((await fail(again!, 410)).paused, false);
      assert.equal((await fail(two!, 410)).paused, true);
    },
    plain({ retry: ["1s", "1s"] }),
  );

  check("the gate opens when all media of the event are settled", async ({ post, claim, download, settle, seqs }) => {
    await post(ready("v1"));
    assert.deepEqual(seqs(await claim()), []);
    const [video, thumbnail] = await download();
    assert.deepEqual([video?.kind, thumbnail?.kind], ["video", "thumbnail"]);
    await settle(video!, "v1/video.mp4");
    assert.deepEqual(seqs(await claim()), []);
    await settle(thumbnail!, "v1/thumbnail.jpg");
    const [delivery] = await claim();
    assert.deepEqual(
      delivery?.media.map((each) => [each.kind, each.state, each.key]),
      [
        ["video", "mirrored", "v1/video.mp4"],
        ["thumbnail", "mirrored", "v1/thumbnail.jpg"],
      ],
    );
  });

  check(
    "a thumbnail alone holds 30 seconds, a video until maxWait",
    async ({ post, claim, download, settle, clock, seqs }) => {
      await post(ready("v1"));
      await post(ready("v2"));
      await post(draft("v3", { thumbnailUrl: "https://h/t3.jpg" }));
      for (const job of await download()) if (job.videoId === "v1" && job.kind === "video") await settle(job, "k");
      await clock.advance(29_999);
      assert.deepEqual(seqs(await claim()), []);
      await clock.advance(1);
      assert.deepEqual(seqs(await claim()).sort(), ["v1#1", "v3#1"]);
      await clock.advance(HOUR);
      assert.deepEqual(
        seqs(await claim()).filter((each) => each.startsWith("v2")),
        ["v2#1"],
      );
    },
  );

  check("a delete opens the gate at once; a failed delete does not", async ({ post, claim, seqs }) => {
    await post(ready("v1"));
    await post(JSON.stringify({ type: "video.delete", wochitVideoId: "v1", errorMessage: "no" }));
    assert.deepEqual(seqs(await claim()), []);
    await post(remove("v1"));
    assert.deepEqual(seqs(await claim()), ["v1#1"]);
  });

  check(
    "failed, expired and refused media open the gate too",
    async ({ post, claim, download, store, clock, seqs }) => {
      await post(ready("v1", { videoUrl: "javascript:alert(1)" }));
      const [thumbnail] = await download();
      await store.settleDownload(thumbnail!, { is: "expired", error: "HTTP 403" }, clock.now());
      const [delivery] = await claim();
      assert.deepEqual(seqs([delivery!]), ["v1#1"]);
      assert.deepEqual(
        delivery!.media.map((each) => each.state),
        ["failed", "expired"],
      );
    },
  );

  check(
    "downloads: first tries by deadline, then repeated ones, busy hosts left out",
    async ({ post, download, store, clock }) => {
      const at = (host: string, hours: number) =>
        `https://${host}/v.mp4?X-Amz-Date=20260101T000000Z&X-Amz-Expires=${hours * 3600}&X-Amz-Signature=s`;
      await post(video("v1", at("a", 20)));
      await post(video("v2", at("b", 10)));
      const [early] = await download(1);
      assert.equal(early?.videoId, "v2");
      await store.settleDownload(early!, { is: "retry", error: "HTTP 503", at: clock.now() }, clock.now());
      await post(video("v3", at("a", 15)));
      const free = (
        await store.claimDownloads({
          now: clock.now(),
          limit: 9,
          leaseFor: 1,
          busyHosts: ["b"],
        })
      ).jobs;
      assert.deepEqual(
        free.map((job) => job.videoId),
        ["v3", "v1"],
      );
      assert.deepEqual(
        (await download()).map((job) => [job.videoId, job.attempts]),
        [["v2", 1]],
      );
    },
  );

  check(
    "among more hosts than one claim looks at, a download that is due is found by one of the next",
    async ({ post, store, clock }) => {
      const later = clock.now() + 3_600_000;
      const claim = () => store.claimDownloads({ now: clock.now(), limit: 9, leaseFor: 30_000, busyHosts: [] });
      for (let n = 0; n < 450; n++) await post(video(`v${n}`, `https://h${n}/v.mp4`));
      for (let settled = 0; settled < 450; ) {
        for (const job of (await claim()).jobs) {
          await store.settleDownload(job, { is: "retry", error: "HTTP 503", at: later }, clock.now());
          settled++;
        }
      }
      for (const host of ["a", "h300", "zz"]) {
        await post(video(`due at ${host}`, `https://${host}/due.mp4`));
        const found: string[] = [];
        for (let asked = 0; found.length === 0 && asked < 8; asked++) {
          const { jobs, nextDue } = await claim();
          found.push(...jobs.map(({ videoId }) => videoId));
          // A worker then asks again soon, not in an hour.
          assert.ok(jobs.length > 0 || nextDue! <= clock.now());
        }
        assert.deepEqual(found, [`due at ${host}`]);
      }
    },
  );

  check(
    "the same video announced again is one download; another link is another copy",
    async ({ post, download, settle, spool, upload, store }) => {
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=1", { title: "1" }));
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=2", { title: "2" }));
      const [job, ...none] = await download();
      assert.deepEqual(none, []);
      assert.equal(job?.url, "https://h/a.mp4?X-Amz-Signature=2");
      await settle(job!, "v1/video.mp4");
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=3", { title: "3" }));
      assert.deepEqual(await download(), []);
      await post(video("v1", "https://h/b.mp4", { title: "4" }));
      await spool((await download())[0]!);
      assert.deepEqual(
        (await upload()).map(({ isSecond }) => isSecond),
        [true],
      );
      assert.equal((await store.media({ limit: 9 })).length, 2);
    },
  );

  check(
    "a duplicate's fresher link revives media that failed, and replaces the link of a running download's next try",
    async ({ post, download, store, clock }) => {
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=1"));
      const [first] = await download();
      await store.settleDownload(first!, { is: "expired", error: "HTTP 403" }, clock.now());
      assert.equal((await post(video("v1", "https://h/a.mp4?X-Amz-Signature=2"))).status, "duplicate");
      const [second] = await download();
      assert.deepEqual([second?.mediumId, second?.url], [first?.mediumId, "https://h/a.mp4?X-Amz-Signature=2"]);
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=3"));
      await store.settleDownload(second!, { is: "retry", error: "cut", at: clock.now() }, clock.now());
      assert.equal((await download())[0]?.url, "https://h/a.mp4?X-Amz-Signature=3");
    },
  );

  check(
    "the thumbnails of a video come one after the other; the newer copy supersedes the older, never the other way round",
    async ({ post, download, deletions, settle, store }) => {
      const thumb = (url: string) => post(draft("v1", { thumbnailUrl: url }));
      await thumb("https://h/1.jpg");
      await thumb("https://h/2.jpg");
      const [one, ...none] = await download();
      assert.deepEqual([one?.url, none], ["https://h/1.jpg", []]);
      await thumb("https://h/3.jpg");
      assert.deepEqual(await download(), [], "one download per video and kind at a time");
      await settle(one!, "v1/thumbnail.jpg");
      const [two] = await download();
      assert.equal(two?.url, "https://h/2.jpg");
      await store.settleDownload(two!, { is: "failed", error: "too large" }, 0);
      const [three] = await download();
      await settle(three!, "v1/thumbnail.png");
      assert.deepEqual(
        (await deletions()).map((job) => job.copy?.key),
        ["v1/thumbnail.jpg"],
      );
      const states = (await store.media({ limit: 9 })).map((each) => [each.sourceUrl, each.state]);
      assert.deepEqual(states, [
        ["https://h/3.jpg", "mirrored"],
        ["https://h/2.jpg", "failed"],
        ["https://h/1.jpg", "superseded"],
      ]);
      assert.equal((await store.mediumByKey("v1/thumbnail.png"))?.state, "mirrored");
      const replaced = await store.mediumByKey("v1/thumbnail.jpg");
      assert.equal(replaced?.key, "v1/thumbnail.png", "an older link leads to the copy that took its place");
    },
  );

  check(
    "a thumbnail that fails gives way to a newer one once that is in the spool, not before",
    async ({ post, download, spool, store, clock }) => {
      await post(draft("v1", { thumbnailUrl: "https://h/1.jpg" }));
      const failsAt = (at: number) => ({ is: "retry", error: "HTTP 404", at }) as const;
      const urls = async () => (await download()).map(({ url }) => url);
      const [one] = await download();
      await post(draft("v1", { thumbnailUrl: "https://h/2.jpg" }));
      await store.settleDownload(one!, failsAt(clock.now() + HOUR), clock.now());
      const [two] = await download();
      await store.settleDownload(two!, failsAt(clock.now() + 2 * HOUR), clock.now());
      await clock.advance(HOUR);
      const [again] = await download();
      assert.equal(again?.url, "https://h/1.jpg", "it may be the one that comes");
      await store.settleDownload(again!, failsAt(clock.now() + 2 * HOUR), clock.now());
      await clock.advance(HOUR);
      await spool((await download())[0]!);
      await clock.advance(HOUR);
      assert.deepEqual(await urls(), []);
      assert.equal((await store.medium(one!.mediumId)).state, "superseded");
    },
  );

  check(
    "a draft's thumbnail announced again is fetched again, with the copy to compare; a failure keeps the copy",
    async ({ post, download, settle, store, clock }) => {
      await post(draft("v1", { thumbnailUrl: "https://h/t.jpg?X-Amz-Signature=1" }));
      await settle((await download())[0]!, "v1/thumbnail.jpg", { etag: '"1"' });
      await post(draft("v1", { thumbnailUrl: "https://h/t.jpg?X-Amz-Signature=2" }));
      const [again] = await download();
      assert.deepEqual([again?.previous?.etag, again?.previous?.key], ['"1"', "v1/thumbnail.jpg"]);
      await store.settleDownload(again!, { is: "expired", error: "HTTP 403" }, clock.now());
      const medium = await store.medium(again!.mediumId);
      assert.deepEqual([medium.state, medium.key], ["mirrored", "v1/thumbnail.jpg"]);
    },
  );

  check(
    "an event that was refused stays in quarantine, once for equal bytes, in a bounded ring",
    async ({ store, clock }) => {
      const keep = (text: string, reason: "source" | "invalid_json") =>
        store.quarantine({ receivedAt: clock.now(), sourceAddress: "192.0.2.1", reason, body: Buffer.from(text) });
      const first = await keep("a", "invalid_json");
      assert.deepEqual(await keep("a", "invalid_json"), first);
      const big = "x".repeat(400);
      for (let n = 0; n < 5; n++) await keep(big + n, "source");
      const kept = await store.quarantined({ limit: 9 });
      assert.equal(kept.filter((each) => each.reason === "source").length, 1);
      const last = await store.quarantinedBody(kept[0]!.id);
      assert.equal(Buffer.from(last.body).toString(), `${big}4`);
      assert.equal(kept.at(-1)?.id, first.id);
    },
    { receive: { keepRefused: 1000 } },
  );

  check(
    "a full ring gives up what is no event, then the oldest of the address that holds most; each ring by itself",
    async ({ store, clock }) => {
      const keep = (
        sourceAddress: string,
        text: string,
        more: { reason?: "source" | "path"; isEvent?: boolean } = {},
      ) =>
        store.quarantine({
          ...{ receivedAt: clock.now(), sourceAddress, reason: "source" },
          ...{ body: Buffer.from(text.padEnd(244, ".")), ...more },
        });
      const kept = async () => {
        const ids = (await store.quarantined({ limit: 99 })).map(({ id }) => id);
        const bodies = await Promise.all(ids.map((id) => store.quarantinedBody(id)));
        return bodies.map(({ body }) => Buffer.from(body).toString().replaceAll(".", "")).reverse();
      };
      // A row counts 500 bytes here, the ring has room for six.
      await keep("sender", "event 1");
      await keep("stranger", "junk 1", { isEvent: false });
      for (let n = 1; n <= 4; n++) await keep("stranger", `fake ${n}`);
      await keep("stranger", "fake 5");
      assert.deepEqual(await kept(), ["event 1", "fake 1", "fake 2", "fake 3", "fake 4", "fake 5"]);
      for (let n = 6; n <= 9; n++) await keep("stranger", `fake ${n}`);
      await keep("sender", "event 2");
      assert.deepEqual(await kept(), ["event 1", "fake 6", "fake 7", "fake 8", "fake 9", "event 2"]);
      // What is no event takes the place of nothing but its like.
      for (let n = 2; n <= 4; n++) await keep("third", `junk ${n}`, { isEvent: false });
      assert.deepEqual(await kept(), ["event 1", "fake 6", "fake 7", "fake 8", "fake 9", "event 2", "junk 4"]);
      for (let n = 1; n <= 6; n++) await keep("sender", `in vain ${n}`, { reason: "path" });
      await keep("sender", "in vain 7", { reason: "path" });
      assert.equal((await kept()).length, 13);
      assert.equal((await store.quarantined({ limit: 99, reason: "path" })).length, 6);
      // What was taken in makes room.
      for (const { id } of await store.quarantined({ limit: 2, reason: "source" })) await store.dropQuarantined(id);
      await keep("sender", "event 3");
      const left = (await kept()).filter((text) => !text.startsWith("in vain"));
      assert.deepEqual(left, ["event 1", "fake 6", "fake 7", "fake 8", "fake 9", "event 3"]);
    },
    { receive: { keepRefused: 3000 } },
  );

  check(
    "a failure of the older link does not end a medium that has a fresher one",
    async ({ post, download, store, clock }) => {
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=1"));
      const [job] = await download();
      await post(video("v1", "https://h/a.mp4?X-Amz-Signature=2"));
      await store.settleDownload(job!, { is: "expired", error: "HTTP 403" }, clock.now());
      const [again] = await download();
      assert.deepEqual([again?.url, again?.attempts], ["https://h/a.mp4?X-Amz-Signature=2", 0]);
    },
  );

  check("trouble of our own uses up no attempt", async ({ post, download, store, clock }) => {
    await post(video("v1", "https://h/a.mp4"));
    const [job] = await download();
    await store.settleDownload(job!, { is: "retry", error: "disk full", at: clock.now(), own: true }, clock.now());
    assert.equal((await download())[0]?.attempts, 0);
  });

  check(
    "gates whose time has come do not keep a later delivery waiting, however many they are",
    async ({ post, store, clock, seqs }) => {
      for (let n = 0; n < 30; n++) await post(draft("v1", { thumbnailUrl: `https://h/${n}.jpg` }));
      await clock.advance(40_000);
      await post(remove("v2"));
      const wish = { endpoint: "cms", now: clock.now(), limit: 2, leaseFor: 30_000 };
      assert.deepEqual(seqs((await store.claimDeliveries(wish)).jobs), ["v1#1", "v2#1"]);
    },
  );

  check(
    "no time that passes lets a head step aside: not a pause, and not one in which nothing was tried",
    async ({ post, claim, fail, clock, store, seqs }) => {
      await Promise.all([post(remove("v1")), post(draft("v1"))]);
      const [head] = await claim();
      await fail(head!);
      await store.pauseEndpoint("cms", "lunch", clock.now());
      await clock.advance(7 * HOUR);
      await store.resumeEndpoint("cms");
      await clock.advance(365 * 24 * HOUR);
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
      assert.deepEqual(seqs(await claim()), []);
    },
    plain({ retry: ["1s"] }),
  );

  check(
    "when mirroring is switched off, unsettled media are skipped and release what waited for them",
    async ({ post, claim, store, clock, seqs }) => {
      await post(ready("v1"));
      assert.deepEqual(seqs(await claim()), []);
      await store.skipMedia(clock.now());
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
      assert.deepEqual(
        (await store.media({ limit: 9 })).map(({ state }) => state),
        ["skipped", "skipped"],
      );
    },
  );

  check(
    "when the clock is set back, retries stay as far away as they were",
    async ({ post, claim, fail, clock, store, seqs }) => {
      await post(remove("v1"));
      const [job] = await claim();
      await fail(job!);
      clock.set(clock.now() - HOUR);
      await store.bringForward(HOUR, clock.now());
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 1_000);
      await clock.advance(1_000);
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
    },
    plain({ retry: ["1s"] }),
  );

  check(
    "when the clock is set back, gates and links that came while it was ahead live no longer than others",
    async (at) => {
      const { post, claim, download, clock, store, seqs } = at;
      await post(video("v1", "https://h/before.mp4"));
      clock.set(clock.now() + 300 * DAY);
      await post(video("v2", "https://h/ahead.mp4"));
      clock.set(clock.now() - 300 * DAY);
      await store.bringForward(300 * DAY, clock.now());
      const [before, ahead] = await download();
      assert.equal(before!.deadline, ahead!.deadline);
      assert.ok((await store.nextRisk())! < clock.now() + DAY);
      // The gate's time is judged anew when the download is tried again.
      await store.settleDownload(ahead!, { is: "retry", error: "HTTP 500", at: clock.now() + DAY }, clock.now());
      await clock.advance(HOUR);
      assert.deepEqual(seqs(await claim()).includes("v2#1"), true);
    },
  );

  check(
    "what is due at a time that cannot be is due when a relay next says what time it is",
    async ({ post, claim, fail, download, clock, store, seqs }) => {
      const never = Date.UTC(2500, 0, 1);
      await post(draft("v1"));
      const [delivery] = await claim();
      const now = clock.now();
      clock.set(never);
      await fail(delivery!);
      clock.set(now);
      await post(video("v2", "https://h/a.mp4"));
      const [job] = await download();
      await store.settleDownload(job!, { is: "retry", error: "HTTP 500", at: never }, clock.now());
      assert.deepEqual(await download(), []);
      await store.seenAt(clock.now());
      assert.deepEqual(seqs(await claim()).includes("v1#1"), true);
      assert.equal((await download()).length, 1);
    },
    plain(),
  );

  check(
    "the time at which a relay last ran is remembered, and told to one whose clock is behind it",
    async ({ store, clock }) => {
      assert.equal(await store.seenAt(clock.now()), 0);
      assert.equal(await store.seenAt(clock.now() + HOUR), 0);
      assert.equal(await store.seenAt(clock.now()), HOUR);
      assert.equal(await store.seenAt(clock.now()), 0);
      await store.seenAt(clock.now() + HOUR);
      await store.bringForward(HOUR, clock.now());
      assert.equal(await store.seenAt(clock.now()), 0);
    },
  );

  check("refused bodies that are equal may be events meant twice: the ring keeps each", async ({ store, clock }) => {
    for (const text of ["ready", "delete", "ready"]) {
      await store.quarantine({
        receivedAt: clock.now(),
        sourceAddress: "a",
        reason: "source",
        body: Buffer.from(text),
      });
    }
    assert.equal((await store.quarantined({ limit: 9 })).length, 3);
  });

  check(
    "a replay is a new delivery at its event's place, with the same message id unless a new one is asked for",
    async ({ post, claim, deliver, store, clock }) => {
      const { id } = await post(remove("v1"));
      await deliver((await claim())[0]!);
      await post(draft("v1"));
      await store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      await store.replay(id, { endpoint: "cms", ordered: true, newId: true }, clock.now());
      const seen: [string, boolean][] = [];
      for (let n = 0; n < 3; n++) {
        const [job, ...none] = await claim();
        assert.deepEqual(none, []);
        seen.push([job!.messageId, job!.replay]);
        await deliver(job!);
      }
      assert.deepEqual(seen[0], [id, true]);
      assert.notEqual(seen[1]?.[0], id);
      assert.deepEqual([seen[1]?.[1], seen[2]?.[1]], [true, false], "before a later one that waits");
    },
    plain(),
  );

  check(
    "a canceled delivery lets its lane go on",
    async ({ post, claim, store, clock, seqs }) => {
      await Promise.all([post(remove("v1")), post(draft("v1"))]);
      const [waiting] = (await store.deliveries({ limit: 9 })).reverse();
      await store.cancelDelivery(waiting!.id, clock.now());
      assert.deepEqual(seqs(await claim()), ["v1#2"]);
      await assert.rejects(store.cancelDelivery(waiting!.id, clock.now()), { code: "conflict" });
    },
    plain(),
  );

  check("one bad write takes no neighbour along", async ({ post, store, clock }) => {
    const sourceAddress = {} as string;
    const bad = store.accept({ receivedAt: clock.now(), sourceAddress, body: Buffer.from(ready("bad")) });
    const [before, after] = [post(ready("v1")), post(ready("v2"))];
    await assert.rejects(bad);
    assert.equal((await before).status, "accepted");
    assert.equal((await after).status, "accepted");
    assert.deepEqual(
      (await store.videos({ limit: 9 })).map((each) => each.videoId),
      ["v2", "v1"],
    );
  });

  check("what is not there is not found, whatever its id looks like", async ({ store, clock }) => {
    for (const id of ["evt_00000000000", "evt_x", "", "dlv_00000000000", "../../etc/passwd"]) {
      const asked = [
        store.event(id),
        store.delivery(id),
        store.medium(id),
        store.quarantinedBody(id),
        store.retryDelivery(id, clock.now()),
      ];
      const isNotFound = (error: unknown) => error instanceof RelayError && error.code === "not_found";
      await Promise.all(asked.map((each) => assert.rejects(each, isNotFound)));
    }
    await assert.rejects(store.video("nobody"), { code: "not_found" });
  });
}

export const DEFAULTS: ConfigInput = { endpoints: [endpoint("cms")] };

/** One endpoint that waits for no media. */
export function plain(more: Record<string, unknown> = {}): ConfigInput {
  return { endpoints: [endpoint("cms", { send: "immediately", ...more })] };
}

/** By which a head steps aside when it fails for the second time. */
export const HOURLY = { retry: ["1h", "1h", "1h", "1h"], laneHold: "1h" };

/** Lets the head of the only lane step aside, by HOURLY; it is due again in an hour. */
export async function stepAside({ claim, fail, clock }: Bench): Promise<DeliveryJob> {
  await fail((await claim())[0]!);
  await clock.advance(HOUR);
  const [head] = await claim();
  await fail(head!);
  return head!;
}

export type Bench = ReturnType<typeof bench>;

export function bench(store: Store, clock: TestClock, config: Config, reopen: () => Promise<Store>) {
  return {
    store,
    clock,
    config,
    reopen,
    /** `free`: endpoints that have a slot for it. */
    post(text: string, receivedAt = clock.now(), free?: string[]) {
      const lease = free && { endpoints: free, leaseFor: 30_000 };
      const received = { receivedAt, sourceAddress: "192.0.2.1", body: Buffer.from(text) };
      return store.accept({ ...received, ...(lease && { lease }) });
    },
    claim: (leaseFor = 30_000, endpoint = "cms") =>
      store.claimDeliveries({ endpoint, now: clock.now(), limit: 99, leaseFor }).then(({ jobs }) => jobs),
    deliver: (job: DeliveryJob) => store.settleDelivery(job, answered(200, { at: clock.now() }), clock.now()),
    /** The endpoint's schedule says when it is tried again. */
    fail: (job: DeliveryJob, status = 500, how: Partial<Omit<DeliveryOutcome, "attempt" | "failure">> = {}) =>
      store.settleDelivery(job, answered(status, { at: clock.now(), ...how }), clock.now()),
    /** Fails so that it is not tried again. */
    die: (job: DeliveryJob) => store.settleDelivery(job, answered(500, { at: clock.now(), isLast: true }), clock.now()),
    download: (limit = 99) =>
      store.claimDownloads({ now: clock.now(), limit, leaseFor: 30_000, busyHosts: [] }).then(({ jobs }) => jobs),
    upload: (limit = 99) => store.claimUploads({ now: clock.now(), limit, leaseFor: 30_000 }).then(({ jobs }) => jobs),
    deletions: (limit = 99) =>
      store.claimDeletions({ now: clock.now(), limit, leaseFor: 30_000 }).then(({ jobs }) => jobs),
    spool: (job: DownloadJob, file: Partial<SpooledFile> = {}) =>
      store.settleDownload(job, { is: "spooled", file: { ...FILE, ...file } }, clock.now()),
    /** The whole way: spooled, uploaded under this key. */
    async settle(job: DownloadJob, key: string, file: Partial<SpooledFile> = {}) {
      const target = await store.targetId({ type: "local", dir: "/media" });
      const { settled } = await store.settleDownload(job, { is: "spooled", file: { ...FILE, ...file } }, clock.now());
      if (!settled) return { settled };
      const uploads = (await store.claimUploads({ now: clock.now(), limit: 99, leaseFor: 30_000 })).jobs;
      const upload = uploads.find(({ mediumId }) => mediumId === job.mediumId)!;
      return store.settleUpload(upload, { is: "mirrored", target, key }, clock.now());
    },
    seqs: (jobs: DeliveryJob[]) => jobs.map(({ event }) => `${event.videoId}#${event.sequence}`),
  };
}

export const FILE: SpooledFile = {
  bytes: 3,
  sha256: "ab",
  contentType: "video/mp4",
  ext: ".mp4",
  suspect: null,
  etag: null,
  lastModified: null,
};

export function ready(videoId: string, more: Record<string, unknown> = {}): string {
  const links = {
    thumbnailUrl: `https://media.example/${videoId}.jpg`,
    videoUrl: `https://media.example/${videoId}.mp4`,
  };
  return JSON.stringify({
    type: "video.ready",
    videoContext: "c",
    wochitVideoId: videoId,
    ...links,
    title: "t",
    ...more,
  });
}

export function video(videoId: string, videoUrl: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ type: "video.ready", wochitVideoId: videoId, videoUrl, ...more });
}

export function remove(videoId: string): string {
  return JSON.stringify({ type: "video.delete", wochitVideoId: videoId });
}

export function draft(videoId: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ type: "draft.update", wochitVideoId: videoId, ...more });
}
