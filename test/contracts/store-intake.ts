import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createAccept } from "../../src/receive/accept.ts";
import { settingsOf } from "../../src/store/settings.ts";
import { openSystem, type System } from "../model/intake/system.ts";
import type { OpenStore } from "../model/walk.ts";
import { tempFolder } from "../support/folder.ts";
import { answered } from "../support/outcomes.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** What every store engine must do with duplicates, contexts, states, late events and erasures, in the words of CONTRACT. */
export function storeIntakeContract(engine: string, openStore: OpenStore): void {
  const check = (sentence: string, body: (at: System) => Promise<void>): void => {
    test(`${engine}: ${sentence}`, async (t) => {
      const system = await openSystem(openStore, tempFolder(t));
      t.after(() => system.close());
      await body(system);
    });
  };

  check("an event without a context keeps the one that its video had when it came, at every attempt", async (at) => {
    await at.post(event("draft.new", { videoContext: "tenant-a" }));
    const event1 = numberOf(await at.post(event("draft.delete")));
    const asked = async (how?: { replay: boolean }) => (await at.body(event1, how))?.videoContext;
    assert.equal(await asked(), "tenant-a");
    await at.post(event("draft.new", { videoContext: "tenant-b" }));
    await at.import([{ videoId: "v", context: "tenant-c" }], true);
    assert.equal((await at.video("v"))?.context, "tenant-c");
    assert.deepEqual([await asked(), await asked({ replay: true })], ["tenant-a", "tenant-a"]);
    const store = at.store();
    assert.deepEqual(
      (await store.events({ limit: 9, context: "tenant-a" })).map(({ type }) => type),
      ["draft.delete", "draft.new"],
    );
    assert.deepEqual(await store.events({ limit: 9, context: "tenant-c" }), []);
  });

  check("a type, a context and the host of a link of any length keep no event out", async (at) => {
    const long = Array.from({ length: 500 }, (_, n) => createHash("sha256").update(String(n)).digest("hex")).join("");
    const store = at.store();
    const body = event(long, { videoContext: long, videoUrl: `https://${long}.example/film.mp4` });
    const { id } = await store.accept({
      receivedAt: at.clock.now(),
      sourceAddress: "192.0.2.1",
      body: Buffer.from(body),
    });
    assert.equal(new TextDecoder().decode(await store.eventBody(id)), body);
    assert.deepEqual(
      (await store.events({ limit: 9, context: long })).map((one) => one.id),
      [id],
    );
    assert.equal((await store.video("v")).context, long);
  });

  check("where none was known the first that becomes known is the event's, and stays it", async (at) => {
    const early = numberOf(await at.post(event("draft.exit")));
    const body = async () => {
      const { relay, videoContext } = (await at.body(early))!;
      return [videoContext ?? null, (relay as { contextFrom: string | null }).contextFrom];
    };
    assert.deepEqual(await body(), [null, null]);
    await at.import([{ videoId: "v", context: "first" }]);
    assert.deepEqual(await body(), ["first", "mapping"]);
    await at.post(event("draft.update", { videoContext: "second" }));
    assert.deepEqual(await body(), ["first", "mapping"]);
  });

  check(
    "an event that was given its context is sent with all of its video's, the newest first, each once",
    async (at) => {
      const contexts = async (index: number) =>
        ((await at.body(index, { replay: true }))?.relay as { contexts?: string[] } | undefined)?.contexts;
      await at.post(event("draft.new", { wochitVideoId: "another", videoContext: "not of v" }));
      const unknown = numberOf(await at.post(event("draft.exit")));
      assert.equal(await contexts(unknown), undefined);
      const own = numberOf(await at.post(event("draft.new", { videoContext: "b" })));
      const { jobs } = await at
        .store()
        .claimDeliveries({ endpoint: "cms", now: at.clock.now(), limit: 9, leaseFor: 1 });
      assert.deepEqual(
        jobs.filter(({ event }) => event.videoId === "v").map(({ contexts }) => contexts),
        [[]],
        "a claim of one that said its own has none",
      );
      assert.deepEqual([await contexts(unknown), await contexts(own)], [["b"], undefined]);
      const late = await at.refuse(event("draft.update", { videoContext: "late" }));
      at.pass(at.clock.now() + MINUTE);
      for (const videoContext of ["c", "d", "c"]) await at.post(event("draft.update", { videoContext }));
      await at.reprocess(late);
      await at.import([{ videoId: "v", context: "imported" }]);
      const all = ["c", "d", "late", "b", "imported"];
      assert.deepEqual(await contexts(unknown), all);
      const claimed = numberOf(await at.post(event("draft.delete")));
      assert.deepEqual(await contexts(claimed), all);
      await at.import([{ videoId: "v", context: "b" }], true);
      assert.deepEqual(await contexts(claimed), ["b", "c", "d", "late", "imported"]);

      await at.forget("v");
      assert.equal(await at.body(claimed), null);
      const after = numberOf(await at.post(event("draft.exit")));
      assert.equal(await contexts(after), undefined);
      await at.post(event("draft.update", { videoContext: "new" }));
      assert.deepEqual(await contexts(after), ["new"]);
    },
  );

  check("an autosave that changed state, context or title makes the next event no duplicate", async (at) => {
    const again = async (type: string, between: object, more: object = {}) => {
      const v = { wochitVideoId: JSON.stringify(between) + type };
      await at.post(event(type, { ...v, ...more }));
      await at.post(event("draft.update", { ...v, ...between }));
      return (await at.post(event(type, { ...v, ...more }))).is;
    };
    assert.equal(await again("draft.delete", { videoContext: "p" }), "accepted");
    assert.equal(await again("video.ready", { title: "another" }), "accepted");
    assert.equal(await again("video.ready", { errorMessage: "no" }), "accepted");
    assert.equal(await again("video.ready", {}), "duplicate");
    assert.equal(await again("draft.delete", {}), "duplicate");
    assert.equal(
      await again("video.ready", { videoContext: "p", title: "t" }, { videoContext: "p", title: "t" }),
      "duplicate",
    );
  });

  check(
    "a failure leaves a video that was ready as ready for what drafts do; stragglers revive nothing",
    async (at) => {
      const state = async () => (await at.video("v"))?.state;
      for (const type of ["draft.update", "draft.exit", "draft.new", "draft.delete"]) {
        await at.post(event("video.ready"));
        await at.post(event("video.error", { errorMessage: "no" }));
        assert.equal(await state(), "failed");
        await at.post(event(type));
        assert.equal(await state(), "ready", type);
      }
      await at.post(event("video.delete"));
      for (const type of ["draft.update", "draft.exit"]) {
        await at.post(event(type));
        assert.equal(await state(), "deleted", type);
      }
      await at.post(event("draft.new"));
      assert.equal(await state(), "draft");
    },
  );

  check("a late event leaves its video as if it had come in time, and its body says that it is late", async (at) => {
    const { clock } = at;
    const start = clock.now();
    const old = await at.refuse(event("video.ready", { videoContext: "old", title: "old", videoDuration: 5 }));
    clock.set(start + 5 * MINUTE);
    await at.post(event("draft.new", { videoContext: "new", title: "new" }));
    await at.post(event("draft.update", { videoContext: "new" }));
    const removed = numberOf(await at.post(event("video.delete")));
    clock.set(start + DAY);
    const late = numberOf(await at.reprocess(old));
    const { state, context, title, duration, contextHistory, firstSeenAt, lastEventAt } = (await at.video("v"))!;
    assert.deepEqual([state, context, title, duration], ["deleted", "new", "new", 5]);
    assert.deepEqual(contextHistory, [
      { context: "old", since: start },
      { context: "new", since: start + 5 * MINUTE },
    ]);
    assert.deepEqual([firstSeenAt, lastEventAt], [start, start + 5 * MINUTE]);
    const relay = (await at.body(late))!.relay as Record<string, unknown>;
    assert.deepEqual([relay.late, relay.sequence, relay.receivedAt], [true, 4, new Date(start).toISOString()]);
    assert.equal(((await at.body(removed))!.relay as Record<string, unknown>).late, undefined);
  });

  check(
    "a late event without a context has the one of its place, and one with a context gives it to those after",
    async (at) => {
      const start = at.clock.now();
      const bare = await at.refuse(event("draft.delete"), start + 1);
      const named = await at.refuse(event("draft.new", { videoContext: "first" }), start);
      at.clock.set(start + 2);
      const between = numberOf(await at.post(event("draft.exit")));
      at.clock.set(start + 3);
      await at.reprocess(named);
      await at.post(event("draft.update", { videoContext: "second" }));
      const late = numberOf(await at.reprocess(bare));
      assert.deepEqual(
        [(await at.body(between))?.videoContext, (await at.body(late))?.videoContext],
        ["first", "first"],
      );
    },
  );

  check("a late event that is older than the last received is not what the next is compared with", async (at) => {
    const start = at.clock.now();
    const ready = event("video.ready", { videoContext: "p" });
    const kept = [await at.refuse(ready), await at.refuse(event("video.ready"), start + 1)];
    at.clock.set(start + 2);
    await at.post(event("video.delete"));
    assert.equal((await at.reprocess(kept[0]!)).is, "accepted");
    assert.equal((await at.post(ready)).is, "accepted");
    // An autosave is the last received: nothing is left to compare with, in whichever way it stands before it.
    await at.post(event("draft.update", { title: "t" }));
    assert.equal((await at.reprocess(kept[1]!)).is, "accepted");
    assert.equal((await at.post(event("video.ready"))).is, "accepted");
  });

  check("a late delete opens no gate of other events", async (at) => {
    const start = at.clock.now();
    const kept = await at.refuse(event("draft.delete"));
    at.clock.set(start + MINUTE);
    const body = Buffer.from(event("video.ready", { videoUrl: "https://h/v.mp4" }));
    const store = at.store();
    const { endpoints, ...rest } = at.config;
    const waiting = { ...endpoints[0]!, send: "after-mirror" as const };
    const mirroring = { ...rest, mirror: { ...rest.mirror, enabled: true }, endpoints: [waiting] };
    store.configure(settingsOf(mirroring));
    const { id } = await createAccept({ store })(body, "192.0.2.1", at.clock.now());
    store.configure(settingsOf(at.config));
    await at.reprocess(kept);
    const [delivery] = await store.deliveries({ limit: 9, eventId: id });
    assert.equal(delivery?.state, "waiting");
    await at.post(event("draft.delete"));
    assert.equal((await store.deliveries({ limit: 9, eventId: id }))[0]?.state, "pending");
  });

  check("an import is older than what events said, and the newest only by override", async (at) => {
    const context = async (v: string) => (await at.video(v))?.context;
    await at.post(event("draft.new", { videoContext: "said" }));
    assert.deepEqual(await at.import([{ videoId: "v", context: "table" }]), { imported: 0 });
    assert.deepEqual(await at.import([{ videoId: "w", context: "table" }]), { imported: 1 });
    assert.deepEqual([await context("v"), await context("w")], ["said", "table"]);
    assert.deepEqual(
      (await at.store().videosOfContext("table", { limit: 9 })).map(({ videoId }) => videoId),
      ["w", "v"],
    );
    await at.post(event("draft.new", { wochitVideoId: "w", videoContext: "said" }));
    assert.equal(await context("w"), "said");
    assert.deepEqual(await at.import([{ videoId: "w", context: "table" }], true), { imported: 1 });
    assert.equal(await context("w"), "table");
    await at.restart();
    assert.equal(await context("w"), "table");
  });

  check(
    "events that were sent without the context that is known now are listed until they are sent with it",
    async (at) => {
      const store = at.store();
      const missing = async () => (await store.events({ limit: 9, contextMissing: true })).map(({ type }) => type);
      const send = async (status: number) => {
        const now = at.clock.now();
        for (const job of (await store.claimDeliveries({ endpoint: "cms", now, limit: 9, leaseFor: 1 })).jobs) {
          await store.settleDelivery(job, answered(status, { at: now }), now);
        }
      };
      await at.post(event("draft.delete"));
      await at.post(event("draft.new", { wochitVideoId: "w", videoContext: "p" }));
      await at.post(event("draft.delete", { wochitVideoId: "w" }));
      await send(200);
      const unsent = numberOf(await at.post(event("draft.exit")));
      await send(500);
      assert.deepEqual(await missing(), []);
      at.clock.set(at.clock.now() + 1);
      await at.import([{ videoId: "v", context: "p" }]);
      assert.deepEqual(await missing(), ["draft.delete"]);
      at.clock.set(at.clock.now() + 1);
      await send(200);
      assert.equal((await at.body(unsent))?.videoContext, "p");
      assert.deepEqual(await missing(), ["draft.delete"]);
      await store.replay(at.events[0]!, { endpoint: "cms", ordered: false, newId: false }, at.clock.now());
      await send(200);
      assert.deepEqual(await missing(), []);
    },
  );

  check("a video is erased again whatever came since, and refused only where nothing did", async (at) => {
    const data = event("video.ready", { videoContext: "patient-7", title: "name" });
    await at.post(data);
    assert.deepEqual(await at.forget("v"), { events: 1, refused: 0 });
    assert.equal(await at.forget("v"), "conflict");
    await at.import([{ videoId: "v", context: "patient-7" }]);
    assert.deepEqual(await at.forget("v"), { events: 1, refused: 0 });
    assert.deepEqual((await at.video("v"))?.contextHistory, []);
    // Received in the millisecond of the erasure, or by a clock that was set back.
    await at.post(event("draft.update", { title: "name" }));
    assert.deepEqual(await at.forget("v"), { events: 2, refused: 0 });
    const kept = await at.refuse(data, at.clock.now() - DAY);
    const late = numberOf(await at.reprocess(kept));
    assert.deepEqual(await at.forget("v"), { events: 3, refused: 0 });
    assert.equal(await at.body(late), null);
    await at.refuse(data);
    assert.deepEqual(await at.forget("v"), { events: 3, refused: 1 });
    assert.equal(await at.forget("v"), "conflict");
  });

  check(
    "forget takes refused bodies whose id it is, however that is written, and those of no other video",
    async (at) => {
      const mine = [
        '{"type":"video.ready","wochitVideoId":"\\u006fld/1","title":"name"}',
        '{"wochitVideo\\u0049d":"old\\/1"}',
        '\ufeff{ "wochitVideoId" : "x", "wochitVideoId" : "old/1" }',
        '{"type":"video.ready","wochitVideoId":"old/1","title":"cut o',
      ];
      const others = [
        '{"wochitVideoId":"new","videoContext":"old/1"}',
        '{"wochitVideoId":"old/1","wochitVideoId":"new"}',
        '{"other":{"wochitVideoId":"old/1"},"wochitVideoId":"new"}',
        '{"wochitVideoId":"old/12"}',
        '["old/1"]',
        "old/1",
      ];
      for (const body of [...mine, ...others]) await at.refuse(body);
      assert.deepEqual(await at.forget("old/1"), { events: 0, refused: mine.length });
      const left = await Promise.all(
        (await at.store().quarantined({ limit: 99 })).map(
          async ({ id }) => (await at.store().quarantinedBody(id)).body,
        ),
      );
      assert.deepEqual(left.map((body) => Buffer.from(body).toString()).reverse(), others);
      assert.equal(await at.forget("old/1"), "not_found");
    },
  );

  check("what repeats an event that was erased is a duplicate of it, and brings nothing back", async (at) => {
    const data = event("video.ready", { videoContext: "patient-7", title: "name" });
    await at.post(data);
    await at.forget("v");
    assert.deepEqual(await at.post(data), { is: "duplicate", event: 0 });
    const { state, context, title } = (await at.video("v"))!;
    assert.deepEqual([state, context, title], ["deleted", null, null]);
    assert.equal(await at.forget("v"), "conflict");
  });
}

function event(type: string, more: object = {}): string {
  return JSON.stringify({ type, wochitVideoId: "v", ...more });
}

function numberOf(answer: Awaited<ReturnType<System["post"]>>): number {
  assert.equal(answer.is, "accepted");
  return "event" in answer ? answer.event : -1;
}
