import assert from "node:assert/strict";
import type { Delivery } from "../../src/model/delivery.ts";
import type { StoredEvent } from "../../src/model/event.ts";
import type { Medium } from "../../src/model/medium.ts";
import type { VideoState } from "../../src/model/video.ts";
import { topicMatches } from "../../src/rules/topics.ts";
import type { TallyKind, TallyWish } from "../../src/store/counts.ts";
import type { DeliveryFilter, EventFilter, Listed, MediaFilter, VideoFilter } from "../../src/store/filters.ts";
import type { Page, Store } from "../../src/store/store.ts";
import { topicOfStored } from "../../src/wochit/event.ts";
import { endpoint } from "../support/config.ts";
import { answered } from "../support/outcomes.ts";
import { type Bench, checker, draft, type OpenStore, plain, ready, remove } from "./store.ts";

export const ENDPOINTS = [
  endpoint("cms", { send: "immediately", events: ["*", "relay.*"], retry: ["1s", "1h"] }),
  endpoint("late", { send: "after-mirror", events: ["video.*"] }),
  endpoint("rare", { send: "immediately", events: ["draft.new"], order: "none" }),
];

/** What a store that filters is asked for: each filter alone, and pairs. */
export const EVENTS: EventFilter[] = [
  { types: ["draft.new"] },
  { types: ["draft.*"] },
  { types: ["*"] },
  { types: ["*", "!draft.*"] },
  { types: ["relay.delivery.dead"] },
  { types: ["relay.*"] },
  { types: ["video.failed"] },
  { types: ["unknown"] },
  { types: ["no.such"] },
  { videoId: "v1" },
  { videoId: "none" },
  { context: "page-1" },
  { context: "page-2" },
  { status: "dead" },
  { status: "waiting" },
  { status: "settled" },
  { endpoint: "cms" },
  { endpoint: "late" },
  { endpoint: "rare" },
  { endpoint: "none" },
];

export const DELIVERIES: DeliveryFilter[] = [
  ...(["waiting", "pending", "running", "delivered", "dead", "canceled", "superseded"] as const).map((state) => ({
    state,
  })),
  { states: ["dead", "pending"] },
  { states: ["running", "superseded"] },
  { endpoint: "cms" },
  { endpoint: "late" },
  { endpoint: "none" },
  { videoId: "v1" },
  { error: "HTTP 500" },
  { error: "HTTP" },
  { types: ["draft.new"] },
  { types: ["video.*", "relay.*"] },
  { types: ["*"] },
];

export const MEDIA: MediaFilter[] = [
  ...(["pending", "running", "mirrored", "failed", "expired", "skipped", "superseded", "deleted"] as const).map(
    (state) => ({ state }),
  ),
  { states: ["failed", "expired"] },
  { states: ["mirrored", "pending", "superseded"] },
  { kind: "video" },
  { kind: "thumbnail" },
  { videoId: "v5" },
  { suspect: true },
  { withCopy: true },
];

const ALL = { limit: 10_000 };

/** Lists and their filters. */
export function storeListsContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "a list of events by any filters, and page by page, has those of the whole list that match",
    async (at) => {
      const { store } = at;
      await fill(at);
      const every = (await store.events(ALL))
        .concat(await store.events({ ...ALL, types: ["relay.*"] }))
        .sort(newestFirst);
      const deliveries = await store.deliveries(ALL);
      await compare(
        (query) => store.events(query),
        every,
        pairs(EVENTS),
        (event, filter) => isEventOf(event, filter, deliveries),
        (event) => event.receivedAt,
      );
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "a list of deliveries by any filters, and page by page, has those of the whole list that match",
    async (at) => {
      const { store } = at;
      await fill(at);
      const every = await store.deliveries(ALL);
      const events = new Map((await eventsOf(store, every)).map((event) => [event.id, event]));
      const some: DeliveryFilter[] = [...DELIVERIES, ...every.slice(0, 3).map(({ eventId }) => ({ eventId }))];
      await compare(
        (query) => store.deliveries(query),
        every,
        pairs(some),
        (delivery, filter) => isDeliveryOf(delivery, filter, events),
        (delivery) => delivery.createdAt,
      );
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "a list of media by any filters, and page by page, has those of the whole list that match",
    async (at) => {
      const { store } = at;
      await fill(at);
      const every = await store.media(ALL);
      await compare((query) => store.media(query), every, pairs(MEDIA), isMediumOf);
      const unsecured = await store.media({ ...ALL, byDeadline: true });
      assert.ok(unsecured.length > 1);
      assert.deepEqual(
        unsecured.map(({ deadline }) => deadline),
        unsecured.map(({ deadline }) => deadline).sort((a, b) => a - b),
      );
      const paged: string[] = [];
      for (let more = await store.media({ limit: 2, byDeadline: true }); more.length > 0 && paged.length < 99; ) {
        paged.push(...more.map(({ id }) => id));
        more = await store.media({ limit: 2, byDeadline: true, before: paged.at(-1)! });
      }
      assert.deepEqual(
        paged,
        unsecured.map(({ id }) => id),
      );
      for (const kind of ["video", "thumbnail"] as const) {
        const ids = (await store.media({ ...ALL, byDeadline: true, kind })).map(({ id }) => id);
        assert.deepEqual(
          ids,
          unsecured.filter((medium) => medium.kind === kind).map(({ id }) => id),
        );
      }
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "a list of videos by state and context has those of the whole list that match",
    async (at) => {
      const { store } = at;
      await fill(at);
      const every = await store.videos(ALL);
      const states: VideoState[] = ["draft", "ready", "deleted", "failed", "unknown"];
      const named: { by: VideoFilter; states: VideoState[] }[] = [
        { by: {}, states },
        ...states.map((state) => ({ by: { state }, states: [state] })),
        { by: { states: ["ready", "deleted"] }, states: ["ready", "deleted"] },
      ];
      for (const { by, states } of named) {
        for (const context of [undefined, "page-1", "page-2", "none"]) {
          const filter = { ...by, ...(context && { context }) };
          const found = await store.videos({ ...ALL, ...filter });
          const expected = every.filter(
            (one) => states.includes(one.state) && (context ?? one.context) === one.context,
          );
          assert.deepEqual(found, expected, JSON.stringify(filter));
          const counted = await store.countListed({ list: "videos", filter });
          assert.equal(counted.count, expected.length, JSON.stringify(filter));
        }
      }
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "events are found by a word that very many titles have, and not by one that theirs has not",
    async ({ store, post }) => {
      await post(ready("other", { title: "rare" }));
      await post(remove("other"));
      const find = async (filter: EventFilter) => (await store.events({ ...ALL, ...filter })).length;
      const taken = async (q: string) => {
        let all = 0;
        for (let from: string | null = null; ; ) {
          const { count, next }: Awaited<ReturnType<typeof store.countMatching>> = await store.countMatching(
            { verb: "replay", filter: { q } },
            from,
          );
          all += count;
          if (next === null) return all;
          from = next;
        }
      };
      /** Every page, as long as `limit`. */
      const pages = async (limit: number) => {
        const ids: string[] = [];
        for (let before: string | undefined; ; before = ids.at(-1)) {
          const page = await store.events({ limit, q: "common", ...(before === undefined ? {} : { before }) });
          if (page.length === 0) return ids;
          ids.push(...page.map(({ id }) => id));
        }
      };
      const every = async () => {
        const rows = await store.events(ALL);
        return rows.filter(({ videoId }) => videoId !== "other").map(({ id }) => id);
      };
      let posted = 0;
      for (const many of [1, 150, 1_510]) {
        const ids = Array.from({ length: many - posted }, (_, nth) => `v${posted + nth}`);
        await Promise.all(ids.map((id) => post(ready(id, { title: "common" }))));
        posted = many;
        await post(draft("v0"));
        for (const isIndexed of [false, true]) {
          if (isIndexed) while ((await store.indexTitles()).isMore);
          const drafts = await find({ types: ["draft.update"] });
          const counts = [
            await find({ q: "common" }),
            await find({ q: "common", types: ["draft.*"] }),
            await find({ q: "common", videoId: "other" }),
            await find({ q: "rare" }),
            await taken("common"),
          ];
          assert.deepEqual(counts, [many + drafts, drafts, 0, 2, many + drafts], `${many}`);
          for (const limit of many < 1_000 ? [7, 300] : [300]) assert.deepEqual(await pages(limit), await every());
          const counted = await store.countListed({ list: "events", filter: { q: "common" } });
          const all = many + drafts;
          assert.deepEqual(counted, { count: Math.min(all, 1_000), isMore: all > 1_000 });
        }
      }
      // Videos older than the newest hundred, and 1,500, have the newest events, right behind these and long after them.
      for (const id of ["v3", "other", "v1400", "v1300"]) await post(draft(id));
      for (const limit of [7, 300]) assert.deepEqual(await pages(limit), await every());
      await Promise.all(Array.from({ length: 2_000 }, () => post(draft("other"))));
      await post(draft("v2"));
      for (let n = 0; n < 3; n++) await post(draft("v1509"));
      for (const limit of [300, 1_502]) assert.deepEqual(await pages(limit), await every());
    },
    plain(),
  );

  check(
    "videos and events are found by a part of the title, before it was indexed and after, and not by what was changed or erased",
    async (at) => {
      const { store, clock, post } = at;
      const index = async () => {
        while ((await store.indexTitles()).isMore);
      };
      const titled = (videoId: string, title: string) => post(ready(videoId, { title }));
      await titled("v1", "Storm over the river");
      await titled("v2", 'The "river" is 100% _blue_');
      await titled("v3", "Überfluß im Ärmelkanal");
      await titled("v4", "River again");
      const find = async (q: string, more: object = {}) => {
        const videos = (await store.videos({ ...ALL, q, ...more })).map(({ videoId }) => videoId);
        const events = (await store.events({ ...ALL, q, ...more })).map(({ videoId }) => videoId);
        assert.deepEqual([...new Set(events)].sort(), [...videos].sort(), q);
        return videos.join(" ");
      };
      const all = async () => [
        await find("river"),
        await find('"riv'),
        await find("0% _b"),
        await find("none"),
        await find("über"),
      ];
      for (let round = 0; round < 2; round++) {
        const [river, quoted, signs, none] = await all();
        assert.deepEqual([river, quoted, signs, none], ["v4 v2 v1", "v2", "v2", ""]);
        assert.equal(await find("RIVER", { limit: 2 }), "v4 v2");
        assert.equal((await store.videos({ limit: 9, q: "river", before: "v4" })).length, 2);
        assert.equal(await find("riv\0er"), "", "a NUL is a character like others");
        await assert.rejects(store.videos({ limit: 9, q: "river", before: "v5" }), { code: "not_found" });
        assert.deepEqual(await find("river", { context: "none" }), "");
        await index();
      }
      assert.equal((await find("ÜBERFLUSS")) + (await find("überfluß")), "v3");
      await post(draft("v1", { title: "Calm" }));
      assert.equal(await find("storm"), "");
      assert.equal(await find("calm"), "v1");
      await post(draft("v1", { title: "Calmer" }));
      await store.forgetVideo("v2", clock.now());
      assert.equal(await find("river"), "v4");
      await index();
      assert.deepEqual([await find("river"), await find("storm"), await find("calm")], ["v4", "", "v1"]);
      const wish = { verb: "replay" as const, filter: { q: "calmer" } };
      assert.equal((await store.countMatching(wish, null)).count, 3);
    },
  );

  check(
    "what failed is counted by endpoint and error, whatever filters there are",
    async (at) => {
      const { store } = at;
      await fill(at);
      // More have died at the one that comes later in the index; the last of all has died at the other.
      for (let n = 20; n < 40; n++) await at.post(JSON.stringify({ type: "draft.new", wochitVideoId: `v${n}` }));
      for (const job of await at.claim(30_000, "rare")) await at.die(job);
      const last = await at.post(ready("v40"));
      for (const job of await at.claim(30_000, "cms")) await (job.event.id === last.id ? at.die(job) : at.deliver(job));
      const every = await store.deliveries(ALL);
      const some: DeliveryFilter[] = [
        {},
        { endpoint: "cms" },
        { state: "pending" },
        { state: "running" },
        { videoId: "v1" },
        { types: ["draft.*"] },
        { error: "HTTP 500" },
        { error: "none" },
      ];
      let found = 0;
      let sorted = 0;
      for (const filter of some) {
        const wish = { state: "dead" as const, ...filter };
        const matching = await store.deliveries({ ...ALL, ...wish });
        const failed = matching.filter(({ lastError }) => lastError !== null);
        const reasons = await store.deliveryReasons(filter);
        found += reasons.length;
        assert.equal(
          reasons.reduce((sum, { count }) => sum + count, 0),
          failed.length,
          JSON.stringify(filter),
        );
        const order = reasons.map(({ endpoint, error }) => `${endpoint} ${error}`);
        const byCount = [...reasons].sort((a, b) => b.count - a.count || b.lastAt - a.lastAt);
        assert.deepEqual(
          reasons.map(({ count, lastAt }) => [count, lastAt]),
          byCount.map(({ count, lastAt }) => [count, lastAt]),
          JSON.stringify(filter),
        );
        const met = [...new Set(failed.map((one) => `${one.endpoint} ${one.lastError}`))];
        if (order.join() !== [...order].sort().join() && order.join() !== met.join()) sorted++;
        for (const { endpoint: to, error, count, isMore, lastAt, sample, response } of reasons) {
          const own = failed.filter((one) => one.endpoint === to && one.lastError === error);
          assert.deepEqual([count, isMore, sample], [own.length, false, own[0]!.id]);
          const { attemptLog } = await store.delivery(sample);
          if (filter.state !== "running") assert.equal(lastAt, attemptLog.at(-1)!.startedAt);
          assert.deepEqual(response, attemptLog.at(-1)!.response);
        }
      }
      assert.ok(found > 5 && every.length > 20);
      assert.ok(sorted > 1, "the order is another than that of the index, and of their ids");
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "what failed is found by its last attempt, not by its making: the last one first, page by page, counted, by reason and retried",
    async (at) => {
      const { store, clock, post, claim, fail, die } = at;
      for (let n = 0; n < 6; n++) {
        await post(draft(`old${n}`, { n }));
        await clock.advance(1_000);
      }
      const events = await store.events(ALL);
      const first = await claim();
      for (const job of first.slice(0, 2)) await die(job);
      // In another order than they were made in.
      for (const job of first.slice(2).reverse()) {
        await fail(job, 500);
        await clock.advance(60_000);
      }
      await clock.advance(3_600_000 - 6 * 60_000);
      const since = clock.now();
      const later: string[] = [];
      while (later.length < 3) {
        await clock.advance(10_000);
        for (const job of await claim()) {
          later.push(job.id);
          await die(job);
        }
      }
      const every = await store.deliveries(ALL);
      const attempts = new Map<string, number>();
      for (const { id, lastError } of every) {
        const { attemptLog } = await store.delivery(id);
        if (lastError !== null) attempts.set(id, attemptLog.at(-1)!.startedAt);
      }
      const lastTried = (a: Delivery, b: Delivery) =>
        attempts.get(b.id)! - attempts.get(a.id)! || (a.id < b.id ? 1 : -1);
      const byId = new Map(events.map((event) => [event.id, event]));
      const some: DeliveryFilter[] = [
        ...[{}, { state: "dead" as const }, { state: "pending" as const }, { state: "delivered" as const }],
        ...[
          { endpoint: "cms" },
          { endpoint: "none" },
          { error: "HTTP 500" },
          { types: ["draft.*"] },
          { types: ["no.such"] },
        ],
      ];
      let found = 0;
      for (const filter of [...pairs(some), { videoId: "old1" }, { eventId: events[0]!.id, state: "dead" as const }]) {
        for (const failedSince of [0, since, clock.now() + 1]) {
          const expected = every.filter(
            (one) => (attempts.get(one.id) ?? -1) >= failedSince && isDeliveryOf(one, filter, byId),
          );
          const ids = expected.sort(lastTried).map(({ id }) => id);
          const words = JSON.stringify({ ...filter, failedSince });
          const paged: string[] = [];
          for (let before: string | undefined; ; before = paged.at(-1)) {
            const page = { ...filter, failedSince, limit: 2, ...(before !== undefined && { before }) };
            const rows = await store.deliveries(page);
            paged.push(...rows.map(({ id }) => id));
            if (rows.length < 2) break;
          }
          assert.deepEqual(paged, ids, words);
          const counted = await store.countListed({ list: "deliveries", filter: { ...filter, failedSince } });
          assert.equal(counted.count, ids.length, words);
          const dead = expected.filter(({ state }) => state === "dead");
          const wish = { ...filter, state: "dead" as const, failedSince };
          if ((filter.state ?? "dead") === "dead" && !("states" in filter)) {
            const reasons = await store.deliveryReasons(wish);
            assert.equal(
              reasons.reduce((sum, { count }) => sum + count, 0),
              dead.length,
              words,
            );
            if (dead.length > 0) assert.equal(reasons[0]!.lastAt, attempts.get(dead[0]!.id), words);
            const matching = await store.countMatching({ verb: "retry", filter: wish }, null);
            assert.equal(matching.count, dead.length, words);
          }
          found += ids.length > 0 && ids.length < 6 ? 1 : 0;
        }
      }
      assert.ok(found > 10);
      const ofThen = await store.deliveries({ ...ALL, state: "dead", since });
      assert.deepEqual(ofThen, [], "made before it");
    },
    { endpoints: [endpoint("cms", { send: "immediately", retry: ["1h", "1h", "1h"] })] },
  );

  check(
    "a list with filters is as long as it is counted, up to 10,000",
    async (at) => {
      const { store, clock } = at;
      await fill(at);
      const [since, until] = [clock.now() - 4_000, clock.now() - 1_000];
      const times = [{}, { since, until }];
      type Asked = [Listed, () => Promise<unknown[]>];
      const asked = times.flatMap((range): Asked[] => [
        ...pairs([{}, ...EVENTS, { q: "title" }]).map((one): Asked => {
          const filter = { ...one, ...range };
          return [{ list: "events", filter }, () => store.events({ ...ALL, ...filter })];
        }),
        ...pairs([{}, ...DELIVERIES]).map((one): Asked => {
          const filter = { ...one, ...range };
          return [{ list: "deliveries", filter }, () => store.deliveries({ ...ALL, ...filter })];
        }),
        ...pairs([{}, ...MEDIA, { byDeadline: true }]).map((one): Asked => {
          const filter = { ...one, ...range };
          return [{ list: "media", filter }, () => store.media({ ...ALL, ...filter })];
        }),
        ...[{}, { state: "ready" as const }, { context: "page-1" }, { q: "title" }].map((one): Asked => {
          const filter = { ...one, ...range };
          return [{ list: "videos", filter }, () => store.videos({ ...ALL, ...filter })];
        }),
        ...[{}, { reason: "source" as const }].map((one): Asked => {
          const filter = { ...one, ...range };
          return [{ list: "quarantine", filter }, () => store.quarantined({ ...ALL, ...filter })];
        }),
      ]);
      for (const [listed, read] of asked) {
        const expected = { count: (await read()).length, isMore: false };
        assert.deepEqual(await store.countListed(listed), expected, JSON.stringify(listed));
      }
      const before = await store.countListed({ list: "events", filter: {} });
      for (let nth = 0; nth <= 10_000; nth += 1) {
        const posted = at.post(JSON.stringify({ type: "many", wochitVideoId: `m${nth % 50}`, nth }));
        if (nth % 500 === 0) await posted;
      }
      const many = { types: ["many"] };
      assert.deepEqual(await store.countListed({ list: "events", filter: many }), { count: 10_000, isMore: true });
      assert.deepEqual(await store.countListed({ list: "deliveries", filter: many }), { count: 10_000, isMore: true });
      const whole = { count: before.count + 10_001, isMore: false };
      assert.deepEqual(await store.countListed({ list: "events", filter: {} }), whole);
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "the counts are those of the lists, also of what was taken back or is gone",
    async (at) => {
      const { store, clock } = at;
      await fill(at);
      await checkCounts(store);
      await store.forgetVideo("v0", clock.now());
      for (const { id } of await store.media({ ...ALL, state: "failed" })) await store.retryMedium(id, clock.now());
      for (const { id, videoId } of await store.deliveries({ ...ALL, state: "dead" })) {
        if (videoId !== "v0") await store.retryDelivery(id, clock.now());
      }
      await at.post(ready("v1", { videoContext: "page-9" }));
      await checkCounts(store);
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "what happens is tallied by the hour: events by topic, attempts with their times, deliveries and media",
    async (at) => {
      const { store, clock, post, claim, die, fail } = at;
      const hour = Math.floor(clock.now() / 3_600_000) * 3_600_000;
      const films = ["v1", "v2", "v3"];
      for (const id of [...films, "v1"]) await post(ready(id));
      await post(JSON.stringify({ type: "made.up", wochitVideoId: "v4" }));
      await assert.rejects(post("no event"));
      const [one, two, three] = await claim();
      const arrived = answered(200, { at: clock.now(), attempt: { duration: 10 } });
      await store.settleDelivery(one!, arrived, clock.now());
      await store.settleDelivery(
        two!,
        answered(500, { at: clock.now(), isLast: true, attempt: { duration: 70_000 } }),
        clock.now(),
      );
      await fail(three!);
      await clock.advance(3_600_000);
      await die((await claim()).find(({ id }) => id === three!.id)!);
      const [film, other] = (await at.download()).filter(({ kind }) => kind === "video");
      await at.settle(film!, "a");
      await store.settleDownload(other!, { is: "expired", error: "HTTP 403" }, clock.now());
      const told = async (kind: TallyKind, more: Partial<TallyWish> = {}) =>
        (await store.tallies({ kind, since: 0, ...more })).map(({ hour: at, label, ok, failed }) => [
          (at - hour) / 3_600_000,
          label,
          ok,
          failed,
        ]);
      assert.deepEqual(await told("received"), [
        [0, "other", 1, 0],
        [0, "video.ready", 3, 1],
      ]);
      assert.deepEqual(await told("attempts"), [
        [0, "cms", 1, 2],
        [1, "cms", 0, 1],
      ]);
      assert.deepEqual(await told("deliveries"), [
        [0, "cms", 1, 1],
        [1, "cms", 0, 1],
      ]);
      assert.deepEqual(await told("attempts", { since: clock.now() }), [[1, "cms", 0, 1]]);
      assert.deepEqual(await told("attempts", { until: hour + 3_600_000, label: "cms" }), [[0, "cms", 1, 2]]);
      assert.deepEqual(await told("attempts", { label: "other" }), []);
      const [first] = await store.tallies({ kind: "attempts", since: 0 });
      assert.deepEqual([first!.ms, first!.times], [70_013, [2, 0, 0, 0, 0, 0, 0, 0, 1]]);
      assert.deepEqual(await told("media"), [[1, "video", 1, 1]]);
    },
    { endpoints: [endpoint("cms", { send: "immediately" })] },
  );
}

async function checkCounts(store: Store): Promise<void> {
  const counts = await store.counts();
  const tell = (of: Record<string, number>) => Object.fromEntries(Object.entries(of).sort());
  const countBy = <Row>(rows: Row[], key: (row: Row) => string) => {
    const sums: Record<string, number> = {};
    for (const row of rows) sums[key(row)] = (sums[key(row)] ?? 0) + 1;
    return tell(sums);
  };
  assert.equal(counts.events, (await store.events(ALL)).length);
  assert.equal(counts.videos, (await store.videos(ALL)).length);
  const media = await store.media(ALL);
  assert.deepEqual(
    tell(counts.media as Record<string, number>),
    countBy(media, ({ state }) => state),
  );
  assert.deepEqual(
    tell(Object.fromEntries(counts.kinds.map(({ kind, state, count }) => [`${kind} ${state}`, count]))),
    countBy(media, ({ kind, state }) => `${kind} ${state}`),
  );
  const held = (await store.deliveries(ALL)).filter((one) => isOpen(one) || one.state === "dead");
  assert.deepEqual(
    tell(Object.fromEntries(counts.deliveries.map(({ endpoint, state, count }) => [`${endpoint} ${state}`, count]))),
    countBy(held, ({ endpoint, state }) => `${endpoint} ${state}`),
  );
  for (const { endpoint, state, oldest } of counts.deliveries) {
    const first = held.filter((one) => one.endpoint === endpoint && one.state === state).at(-1)!;
    assert.equal(oldest, (await store.event(first.eventId)).receivedAt);
  }
}

/** Events of every kind, whose deliveries and media are in every state. */
export async function fill(at: Bench): Promise<void> {
  const { post, claim, deliver, fail, die, clock, store, download, settle, spool } = at;
  const some = async (n: number) => {
    const context = { videoContext: `page-${n % 3}` };
    await post(JSON.stringify({ type: "draft.new", wochitVideoId: `v${n}`, ...(n % 2 === 0 && context) }));
    await post(draft(`v${n}`, { thumbnailUrl: `https://media.example/draft-${n}.jpg` }));
    await post(ready(`v${n}`, context));
    await post(JSON.stringify({ wochitVideoId: `v${n}`, errorMessage: "no" }));
    await post(JSON.stringify({ type: n === 2 ? "relay.media.failed" : null, wochitVideoId: `v${n}` }));
    await clock.advance(1_000);
  };
  const work = async () => {
    for (const [index, job] of (await claim(30_000, "cms")).entries()) {
      if (index % 4 === 0) await deliver(job);
      else if (index % 4 === 1) await die(job);
      else if (index % 4 === 2) await fail(job, 500);
      // The others run.
    }
    for (const [index, job] of (await claim(30_000, "rare")).entries())
      await (index % 2 === 0 ? die(job) : deliver(job));
  };
  for (let n = 0; n < 4; n++) await some(n);
  await work();
  for (const [index, job] of (await download()).entries()) {
    if (index % 5 === 0) await settle(job, `${job.videoId}/${job.id}`, index % 2 === 0 ? { suspect: "odd" } : {});
    else if (index % 5 === 1) await store.settleDownload(job, { is: "failed", error: "HTTP 404" }, clock.now());
    else if (index % 5 === 2) await store.settleDownload(job, { is: "expired", error: "HTTP 403" }, clock.now());
    else if (index % 5 === 3) await spool(job);
  }
  for (let n = 4; n < 6; n++) await some(n);
  await work();
  await post(remove("v4"));
  for (const job of await download()) if (job.videoId === "v5") await settle(job, `v5/${job.kind}`);
  await post(draft("v5", { thumbnailUrl: "https://media.example/newest.jpg" }));
  for (const job of await download()) if (job.videoId === "v5") await settle(job, `v5/${job.kind}`);
  const dead = await store.deliveries({ limit: 9, state: "dead" });
  await store.replay(dead[0]!.eventId, { endpoint: "cms", ordered: true, newId: false }, clock.now());
  await store.replay(dead[1]!.eventId, { endpoint: "rare", ordered: false, newId: false }, clock.now());
  await store.replay(dead.at(-1)!.eventId, { endpoint: "late", ordered: true, newId: false }, clock.now());
  for (const job of await claim(30_000, "rare")) await deliver(job);
  const [waiting] = await store.deliveries({ limit: 1, state: "waiting" });
  await store.cancelDelivery(waiting!.id, clock.now());
  // Delivered, and something waits nevertheless: a thumbnail; a replay.
  await post(draft("v6", { thumbnailUrl: "https://media.example/draft-6.jpg" }));
  const again = await post(draft("v7"));
  for (const job of await claim(30_000, "cms")) if (["v6", "v7"].includes(job.event.videoId!)) await deliver(job);
  await store.replay(again.id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
}

const newestFirst = (a: { id: string }, b: { id: string }) => (a.id < b.id ? 1 : -1);

export function pairs<Filter extends object>(filters: Filter[]): Filter[] {
  const two = filters.flatMap((one, at) =>
    filters.slice(at + 1).flatMap((other) => {
      const isApart = Object.keys(one).every((name) => !(name in other));
      return isApart ? [{ ...one, ...other }] : [];
    }),
  );
  return [...filters, ...two];
}

/** Asks with each filter whole, in pages of two, and for times; each must match something or nothing as the whole list says. */
async function compare<Row extends { id: string }, Filter extends object>(
  read: (query: Page & Filter) => Promise<Row[]>,
  every: Row[],
  filters: Filter[],
  isOf: (row: Row, filter: Filter) => boolean,
  timeOf?: (row: Row) => number,
): Promise<void> {
  assert.ok(every.length > 10);
  let matched = 0;
  for (const filter of filters) {
    const expected = every.filter((row) => isOf(row, filter)).map(({ id }) => id);
    if (expected.length > 0) matched++;
    const words = JSON.stringify(filter);
    const ids = async (page: Page) => (await read({ ...filter, ...page })).map(({ id }) => id);
    assert.deepEqual(await ids(ALL), expected, words);
    const paged: string[] = [];
    for (let before: string | undefined; ; before = paged.at(-1)) {
      const some = await ids({ limit: 2, ...(before !== undefined && { before }) });
      paged.push(...some);
      if (some.length < 2) break;
    }
    assert.deepEqual(paged, expected, `${words}, page by page`);
    if (timeOf === undefined) continue;
    const [since, until] = [timeOf(every[Math.floor(every.length * 0.8)]!), timeOf(every[3]!)];
    const within = every.filter((row) => timeOf(row) >= since && timeOf(row) < until && isOf(row, filter));
    const found = await ids({ ...ALL, since, until });
    assert.deepEqual(
      found,
      within.map(({ id }) => id),
      `${words}, of some time`,
    );
  }
  assert.ok(matched > filters.length / 3, `${matched} of ${filters.length} match something`);
}

export function isEventOf(event: StoredEvent, filter: EventFilter, deliveries: Delivery[]): boolean {
  const { types, videoId, context, status, endpoint: to } = filter;
  const own = deliveries.filter(({ eventId, endpoint: id }) => eventId === event.id && (to ?? id) === id);
  const isSo = (one: Delivery) => status === "settled" || one.state === "dead" || (status === "waiting" && isOpen(one));
  return (
    topicMatches(types ?? ["*"], topicOfStored(event)) &&
    (videoId ?? event.videoId) === event.videoId &&
    (context ?? event.context) === event.context &&
    (status === undefined || (to !== undefined && status === "dead") || event.status === status) &&
    (to === undefined || (status === undefined ? own.length > 0 : own.some(isSo)))
  );
}

const isOpen = ({ state }: Delivery) => state === "waiting" || state === "pending" || state === "running";

export function isDeliveryOf(delivery: Delivery, filter: DeliveryFilter, events: Map<string, StoredEvent>): boolean {
  const { types, error, state, states = state === undefined ? undefined : [state], ...equal } = filter;
  const isEqual = Object.entries(equal).every(([name, value]) => delivery[name as keyof Delivery] === value);
  const topic = topicOfStored(events.get(delivery.eventId)!);
  return (
    isEqual &&
    (states === undefined || states.includes(delivery.state)) &&
    (error ?? delivery.lastError) === delivery.lastError &&
    (types === undefined || topicMatches(types, topic))
  );
}

function isMediumOf(medium: Medium, { suspect, withCopy, state, states, ...equal }: MediaFilter): boolean {
  const named = states ?? (state === undefined ? undefined : [state]);
  const isEqual = Object.entries(equal).every(([name, value]) => medium[name as keyof Medium] === value);
  const hasCopy = medium.key !== null && medium.state !== "superseded";
  const isInState = named === undefined || named.includes(medium.state);
  return isEqual && isInState && (!suspect || medium.suspect !== null) && (!withCopy || hasCopy);
}

export const eventsOf = (store: Store, deliveries: Delivery[]) =>
  Promise.all([...new Set(deliveries.map(({ eventId }) => eventId))].map((id) => store.event(id)));
