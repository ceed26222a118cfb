import assert from "node:assert/strict";
import type { FeedFilter, FeedPage, FeedWish } from "../../src/store/feed.ts";
import type { Store } from "../../src/store/store.ts";
import { endpoint } from "../support/config.ts";
import { testRandom } from "../support/ports.ts";
import { checker, draft, type OpenStore, ready, remove } from "./store.ts";

const HOUR = 3_600_000;

/** Ids as a reader keeps them: it asks for page after page, and may keep its position for later. */
function reader(store: Pick<Store, "feed">, filter: FeedFilter = {}, after: FeedWish["after"] = "oldest") {
  const ids: string[] = [];
  return {
    ids,
    async page(limit: number, more: Partial<FeedWish> = {}): Promise<FeedPage> {
      const page = await store.feed({ ...filter, after, limit, ...more });
      assert.ok(page.events.length <= limit);
      ids.push(...page.events.map(({ event }) => event.id));
      after = { position: page.position };
      return page;
    },
    async toEnd(limit = 3, more: Partial<FeedWish> = {}): Promise<string[]> {
      while ((await this.page(limit, more)).isMore);
      return ids;
    },
  };
}

/** What every store engine must do with the feed, in the words of CONTRACT ("Admin listener"). */
export function storeFeedContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check("the feed has each event once, the oldest first, however it is cut into pages", async ({ post, store }) => {
    const first = await Promise.all(["v1", "v2", "v1", "v3"].map((video) => post(draft(video))));
    const repeated = await Promise.all([post(ready("v2")), post(ready("v2"))]);
    const all = [...first, repeated[0]!].map(({ id }) => id);
    for (const limit of [1, 2, 3, 5, 9]) assert.deepEqual(await reader(store).toEnd(limit), all, `pages of ${limit}`);
    const page = await store.feed({ after: "oldest", limit: 9 });
    assert.deepEqual(page.events[4]!.event, await store.event(all[4]!));
    assert.equal(page.events[4]!.event.duplicates, 1);
    assert.equal(page.events[4]!.parts, null);
    assert.equal(page.epoch, await store.epoch());
    assert.equal(page.isMore, false);
  });

  check("a reader at the end gets what comes, and nothing of before; also from the end of nothing", async (at) => {
    const fromNothing = reader(at.store, {}, "end");
    assert.deepEqual(await fromNothing.toEnd(), []);
    const { id: first } = await at.post(draft("v1"));
    const fromEnd = reader(at.store, {}, "end");
    assert.deepEqual(await fromEnd.toEnd(), []);
    const { id: second } = await at.post(draft("v1"));
    assert.deepEqual(await fromEnd.toEnd(), [second]);
    assert.deepEqual(await fromEnd.toEnd(), [second], "nothing comes twice");
    assert.deepEqual(await fromNothing.toEnd(), [first, second]);
  });

  check("a reader may begin at a time, or with an event", async ({ store, post, clock }) => {
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      ids.push((await post(draft("v1"))).id);
      await clock.advance(1_000);
    }
    const from = (ago: number) => reader(store, {}, { since: clock.now() - ago }).toEnd(2);
    assert.deepEqual(await from(9_000), ids);
    assert.deepEqual(await from(2_000), ids.slice(1), "what was committed at that time, too");
    assert.deepEqual(await from(1_999), ids.slice(2));
    assert.deepEqual(await from(0), []);
    assert.deepEqual(await from(1e15), ids, "a time before all times");
    assert.deepEqual(await reader(store, {}, { event: ids[1]! }).toEnd(2), ids.slice(1));
    await assert.rejects(store.feed({ after: { event: "evt_1" }, limit: 1 }), { code: "not_found" });
  });

  check("readers see one order while many write, some in vain, and the clock goes to and fro", async (at) => {
    const { store, clock, post } = at;
    const random = testRandom(7);
    const pick = (below: number) => Math.floor(random.float() * below);
    const start = clock.now();
    const readers = [reader(store), reader(store), reader(store, {}, "end")];
    const answered: string[] = [];
    for (let round = 0; round < 60; round++) {
      clock.set(start + pick(2 * HOUR) - HOUR);
      const writes = Array.from({ length: 1 + pick(16) }, async (_, n) => {
        const video = `v${pick(5)}`;
        const kinds = [draft(video, { n }), ready(video, { n, round }), remove(video), "{}", `{"wochitVideoId":${n}}`];
        const received = { receivedAt: clock.now(), sourceAddress: "192.0.2.1", body: Buffer.from(kinds[pick(5)]!) };
        const late = pick(5) === 0;
        const { id, status } = await store.accept({ ...received, ...(late && { late }) });
        if (status === "accepted") answered.push(id);
      });
      // Some read while these are written, each at its own pace.
      const reads = readers.map((one) => (pick(3) === 0 ? null : one.page(1 + pick(6))));
      await Promise.all([Promise.allSettled(writes), ...reads]);
      if (round === 30) await post(draft("v1", { round }));
    }
    const [one, other, third] = await Promise.all(readers.map((each) => each.toEnd(50)));
    assert.ok(answered.length > 200, String(answered.length));
    assert.deepEqual(one, other);
    assert.deepEqual(one, third);
    assert.deepEqual(
      answered.filter((id) => !one!.includes(id)),
      [],
      "nothing is missed",
    );
    assert.equal(new Set(one).size, one!.length, "nothing comes twice");
    assert.deepEqual(await reader(store).toEnd(100), one, "nor does the order change afterwards");
    // Within a video it is the order of `sequence`.
    const last = new Map<string, number>();
    for (const id of one!) {
      const { videoId, sequence } = await store.event(id);
      assert.ok(sequence! > (last.get(videoId!) ?? 0), id);
      last.set(videoId!, sequence!);
    }
  });

  check("a position lasts over every opening", async ({ post, store, reopen, clock }) => {
    await post(draft("v1"));
    const { position } = await store.feed({ after: "oldest", limit: 1 });
    await store.close();
    clock.set(clock.now() - 24 * HOUR);
    const again = await reopen();
    try {
      const later = { receivedAt: clock.now(), sourceAddress: "192.0.2.1", body: Buffer.from(draft("v2")) };
      const { id } = await again.accept(later);
      assert.deepEqual(await reader(again, {}, { position }).toEnd(), [id]);
    } finally {
      await again.close();
    }
  });

  check(
    "filters choose by type, video and context; notices come only to who names them",
    async (at) => {
      const { store, post } = at;
      const failed = await post(JSON.stringify({ wochitVideoId: "v1", errorMessage: "no" }));
      const ids: Record<string, string> = { failed: failed.id };
      for (const [name, body] of Object.entries({
        new: JSON.stringify({ type: "draft.new", wochitVideoId: "v1", videoContext: "page 1" }),
        update: draft("v1"),
        other: draft("v2", { videoContext: "page 2" }),
        ready: ready("v2", { videoContext: null }),
        odd: JSON.stringify({ type: "relay.media.failed", wochitVideoId: "v1" }),
      })) {
        ids[name] = (await post(body)).id;
      }
      const [job] = await at.claim();
      await at.die(job!);
      const [notice] = await store.events({ types: ["relay.delivery.dead"], limit: 9 });
      assert.ok(notice);
      const names = async (filter: FeedFilter) => {
        const found = await reader(store, filter).toEnd(2);
        return found.map((id) => Object.keys(ids).find((name) => ids[name] === id) ?? (id === notice.id && "notice"));
      };
      assert.deepEqual(await names({}), ["failed", "new", "update", "other", "ready", "odd"]);
      assert.deepEqual(await names({ types: ["draft.update"] }), ["update", "other"]);
      assert.deepEqual(await names({ types: ["draft.*"] }), ["new", "update", "other"]);
      assert.deepEqual(await names({ types: ["video.*"] }), ["failed", "ready"]);
      assert.deepEqual(await names({ types: ["video.failed"] }), ["failed"]);
      assert.deepEqual(await names({ types: ["draft"] }), []);
      assert.deepEqual(await names({ types: ["relay.delivery.dead"] }), ["notice"]);
      assert.deepEqual(await names({ types: ["relay.*"] }), ["notice"], "what the provider calls so is none");
      assert.deepEqual(await names({ videoId: "v1" }), ["failed", "new", "update", "odd"]);
      assert.deepEqual(await names({ videoId: "v1", types: ["relay.*"] }), ["notice"]);
      assert.deepEqual(await names({ videoId: "v3" }), []);
      assert.deepEqual(await names({ context: "page 2" }), ["other", "ready"], "the mapping's, too");
      assert.deepEqual(await names({ context: "page 1", types: ["draft.update"] }), ["update"]);
      assert.deepEqual(await names({ context: "page 1", videoId: "v2" }), []);
    },
    { endpoints: [endpoint("cms", { send: "immediately" }), endpoint("ops", { events: ["relay.delivery.dead"] })] },
  );

  check("a page looks at a bounded number of events, and moves on past what does not match", async (at) => {
    const { store, post } = at;
    const many = 5_200;
    for (let n = 0; n < many; n += 400) {
      await Promise.all(Array.from({ length: 400 }, () => post(draft("busy"))));
    }
    const { id } = await post(ready("w"));
    const { id: own } = await post(ready("busy", { videoContext: "d" }));
    const one = reader(store, { types: ["video.*"], videoId: "busy" });
    const first = await one.page(9);
    assert.deepEqual([first.events.length, first.isMore], [0, true]);
    assert.deepEqual(await one.toEnd(), [own]);
    // What an index chooses is not looked for among the others.
    const page = async (filter: FeedFilter) => {
      const { events, isMore } = await store.feed({ after: "oldest", limit: 9, ...filter });
      return [events.map(({ event }) => event.id), isMore];
    };
    assert.deepEqual(await page({ types: ["video.*", "draft.new"] }), [[id, own], false]);
    assert.deepEqual(await page({ context: "c", types: ["video.ready"] }), [[id], false]);
    assert.deepEqual(await page({ types: ["nothing.known"] }), [[], false]);
  });

  check(
    "what is held ends a page, until its media are settled; what is older or has none passes",
    async (at) => {
      const { store, post, clock } = at;
      const old = await post(ready("v0"));
      await clock.advance(HOUR);
      const bare = await post(draft("v1"));
      const film = await post(ready("v1"));
      const after = await post(draft("v1"));
      const one = reader(store);
      const held = () => ({ heldFrom: clock.now() - HOUR + 1 });
      assert.equal((await one.page(9, held())).isMore, false);
      assert.deepEqual(one.ids, [old.id, bare.id]);
      await one.page(9, held());
      assert.deepEqual(one.ids, [old.id, bare.id], "and again");
      assert.deepEqual(await reader(store).toEnd(), [old.id, bare.id, film.id, after.id], "who does not ask gets it");
      for (const [index, job] of (await at.download()).filter(({ videoId }) => videoId === "v1").entries()) {
        if (index > 0) assert.deepEqual(await one.toEnd(9, held()), [old.id, bare.id]);
        await at.settle(job, `k${index}`);
      }
      assert.deepEqual(await one.toEnd(9, held()), [old.id, bare.id, film.id, after.id]);
      // A thumbnail that is fetched again has its copy for earlier events meanwhile.
      const shown = draft("v3", { thumbnailUrl: "https://media.example/d.jpg" });
      const first = await post(shown);
      await at.settle((await at.download()).find(({ videoId }) => videoId === "v3")!, "d");
      await post(shown);
      assert.equal((await at.download()).filter(({ videoId }) => videoId === "v3").length, 1);
      assert.deepEqual(await reader(store, { videoId: "v3" }).toEnd(9, held()), [first.id]);
      // Filtered out it holds nothing.
      const next = await post(ready("v2"));
      assert.deepEqual(await reader(store, { videoId: "v1" }).toEnd(9, held()), [bare.id, film.id, after.id]);
      assert.ok(!(await reader(store).toEnd(9, held())).includes(next.id));
      await clock.advance(HOUR);
      assert.ok((await reader(store).toEnd(9, held())).includes(next.id), "an hour is the longest");
    },
    { endpoints: [endpoint("cms")], mirror: { enabled: true } },
  );

  check(
    "a page has the parts of its messages, as a delivery has them, and ends where they grow large",
    async (at) => {
      const { store, post } = at;
      const bodies = [draft("v1", { videoContext: "page 1" }), draft("v1", { t: "x".repeat(40_000) }), ready("v2")];
      const ids: string[] = [];
      for (const body of bodies) ids.push((await post(body)).id);
      const { events } = await store.feed({ after: "oldest", limit: 9, bodies: 1e6 });
      const texts = events.map(({ parts }) => new TextDecoder().decode(parts!.body!));
      assert.deepEqual(texts, bodies);
      assert.deepEqual(events[1]!.parts!.contexts, ["page 1"]);
      assert.deepEqual(events[2]!.parts!.media, await store.eventMedia(ids[2]!));
      const first = await store.feed({ after: "oldest", limit: 9, bodies: bodies[0]!.length + 1 });
      assert.deepEqual([first.events.length, first.isMore], [2, true]);
      const one = reader(store);
      assert.deepEqual(await one.toEnd(9, { bodies: 1 }), ids, "each page has at least one");
      await store.forgetVideo("v1", at.clock.now());
      const erased = await store.feed({ after: "oldest", limit: 9, bodies: 1e6 });
      assert.deepEqual(
        erased.events.map(({ event, parts }) => [event.id, parts!.body === null]),
        [
          [ids[0], true],
          [ids[1], true],
          [ids[2], false],
        ],
      );
    },
    { endpoints: [endpoint("cms")], mirror: { enabled: true } },
  );

  check("a text that is no position of the feed is refused", async ({ store }) => {
    for (const position of ["", "x", "-1", "1.5", "1e3", "9".repeat(17), "0x1", " 1", "1\n"]) {
      await assert.rejects(store.feed({ after: { position }, limit: 1 }), { code: "invalid_query" }, position);
    }
  });

  check(
    "a preview has the parts of the message and the newest delivery to the endpoint, whose id it would have",
    async ({ post, claim, fail, store, clock }) => {
      await post(draft("v1"));
      const { id } = await post(remove("v1"));
      const preview = () => store.preview(id, "cms");
      const { event, parts, delivery: first } = await preview();
      assert.deepEqual(event, await store.event(id));
      assert.deepEqual(parts.body, await store.eventBody(id));
      assert.deepEqual([parts.media, parts.contexts], [[], []]);
      const [listed] = await store.deliveries({ eventId: id, limit: 1 });
      assert.deepEqual(first, { id: listed!.id, messageId: id, replay: false, attempts: 0, hasEnded: false });
      assert.equal((await store.preview(id, "other")).delivery, null);
      await fail((await claim())[0]!);
      for (const newId of [false, true]) {
        const made = await store.replay(id, { endpoint: "cms", ordered: false, newId }, clock.now());
        await store.replay(id, { endpoint: "other", ordered: false, newId }, clock.now());
        const { delivery } = await preview();
        assert.deepEqual([delivery!.id, delivery!.replay], [made.id, true]);
        assert.equal(delivery!.messageId === id, !newId);
        const job = (await claim()).find((one) => one.id === made.id)!;
        assert.equal(job.messageId, delivery!.messageId);
        await fail(job);
        assert.equal((await preview()).delivery!.attempts, 1);
        await store.cancelDelivery(made.id, clock.now());
        assert.equal((await preview()).delivery!.hasEnded, true);
      }
      await assert.rejects(store.preview("evt_nothing", "cms"), { code: "not_found" });
      await store.forgetVideo("v1", clock.now());
      await assert.rejects(preview(), { code: "body_expired" });
    },
  );
}
