import assert from "node:assert/strict";
import { test } from "node:test";
import { readCursor, writeCursor } from "../../../src/actions/cursor.ts";
import { type FeedAnswer, type FeedQuery, feedBytes, readFeed } from "../../../src/actions/feed/read.ts";
import { createFeedWaits } from "../../../src/actions/feed/waits.ts";
import type { Sources } from "../../../src/actions/list.ts";
import type { FeedPage, FeedWish } from "../../../src/store/feed.ts";
import { testClock } from "../../support/ports.ts";
import { realPorts } from "../../support/real-ports.ts";
import { openSeeded, ready, type Seeded } from "../../support/seeded.ts";

const QUERY: FeedQuery = { after: "", limit: 50, wait: 0, bodies: false, ready: false };
const MINUTE = 60_000;

/** Asks the feed of a seeded database. */
async function ask({ store }: Pick<Seeded, "store">, query: Partial<FeedQuery> = {}) {
  const { clock } = realPorts();
  const link: Sources["openLink"] = async () => (copy) => `https://relay.example.com/media/${copy.key}`;
  const how = { clock, waits: createFeedWaits(clock), signal: AbortSignal.timeout(MINUTE) };
  const answer = await readFeed({ store, openLink: link }, { ...QUERY, ...query }, how);
  return { ...answer, ids: answer.items.map(({ event }) => event.id) };
}

/** A feed of its own making: each look is answered by what `see` returns, an event or none. */
function stage(see: (looks: number, wish: FeedWish) => Partial<FeedPage> | null) {
  const clock = testClock();
  const waits = createFeedWaits(clock, 2);
  const gone = new AbortController();
  const wishes: FeedWish[] = [];
  const event = { id: "evt_1", receivedAt: 0 } as never;
  const feed = async (wish: FeedWish): Promise<FeedPage> => {
    wishes.push(wish);
    const seen = see(wishes.length, wish);
    const page = { events: seen === null ? [] : [{ event, parts: null }], position: String(wishes.length) };
    return { ...page, epoch: "e1", isMore: false, ...seen };
  };
  return {
    clock,
    waits,
    gone,
    wishes,
    ask(query: Partial<FeedQuery> = {}) {
      const sources = { store: { feed }, openLink: async () => () => null } as unknown as Sources;
      const asked = readFeed(sources, { ...QUERY, ...query }, { clock, waits, signal: gone.signal });
      let answer: { events: number; position: string } | null = null;
      const answered = asked.then(({ items, next }) => {
        answer = { events: items.length, position: readCursor(next, query.type ? { type: query.type } : {}).position };
      });
      return { answer: () => answer, answered };
    },
  };
}

test("a reader that goes on with `next` gets each event once, and begins where it wants", async (t) => {
  const seeded = await openSeeded(t);
  const ids = [];
  for (const video of ["v1", "v2", "v1"]) ids.push(await seeded.take(ready(video, { n: ids.length })));
  const first = await ask(seeded, { limit: 2 });
  assert.deepEqual(first.ids, ids.slice(0, 2));
  const second = await ask(seeded, { limit: 2, after: first.next });
  assert.deepEqual(second.ids, ids.slice(2));
  const now = await ask(seeded, { after: "now" });
  assert.deepEqual(now.ids, []);
  const { next } = await ask(seeded, { after: second.next });
  ids.push(await seeded.take(ready("v3")));
  for (const after of [next, now.next]) assert.deepEqual((await ask(seeded, { after })).ids, ids.slice(3));
  const { items } = await ask(seeded, { videoId: "v3" });
  assert.deepEqual([items[0]!.event.videoId, items[0]!.body], ["v3", undefined]);
  assert.equal(items[0]!.event.receivedAt, new Date(items[0]!.event.receivedAt).toISOString());
});

test("a cursor belongs to its filters, and to one life of the database", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const { next } = await ask(seeded, { type: "video.*" });
  await ask(seeded, { type: "video.*", after: next, limit: 1, ready: true, bodies: true });
  await assert.rejects(ask(seeded, { after: next }), { code: "invalid_query" });
  await assert.rejects(ask(seeded, { after: "evt_1" }), { code: "invalid_query" });
  const { position } = readCursor(next, { type: "video.*" });
  const old = writeCursor({ epoch: "another", position }, {});
  await assert.rejects(ask(seeded, { after: old }), { code: "cursor_expired" });
  const forged = writeCursor({ epoch: await seeded.store.epoch(), position: "evt_1" }, {});
  await assert.rejects(ask(seeded, { after: forged }), { code: "invalid_query" });
});

const textOf = (answer: FeedAnswer) => Buffer.from(feedBytes(answer)).toString();

test("pages with bodies are built one after another, and others have their turn between the bodies", async (t) => {
  const seeded = await openSeeded(t);
  const large = "x".repeat(300_000);
  for (const video of ["v1", "v2", "v3"]) await seeded.take(ready(video, { large }));
  const page = await seeded.store.feed({ after: "oldest", limit: 9, bodies: 2 ** 20 });
  const { clock } = realPorts();
  const how = { clock, waits: createFeedWaits(clock), signal: AbortSignal.timeout(MINUTE) };
  let open = 0;
  let most = 0;
  const store = {
    async feed() {
      most = Math.max(most, ++open);
      return page;
    },
  };
  const openLink: Sources["openLink"] = async () => () => null;
  const read = async () => {
    const { items } = await readFeed({ store, openLink } as never, { ...QUERY, bodies: true }, how);
    open--;
    return items.length;
  };
  let turns = 0;
  let isOver = false;
  const count = () => {
    if (!isOver) setImmediate(count);
    turns++;
  };
  count();
  assert.deepEqual(await Promise.all(Array.from({ length: 8 }, read)), Array(8).fill(3));
  isOver = true;
  // The next one may begin before the one before is seen to have ended.
  assert.ok(most <= 2, `${most} at once`);
  assert.ok(turns >= 8 * 3, `${turns} turns`);
});

test("bodies are those that would be sent now, with the provider's characters; one that is gone is null", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true } });
  const odd =
    '{"wochitVideoId" : "v1","type":"video.ready","n":12345678901234567890.10,"videoUrl":"https://h.example/v.mp4"}';
  const received = { receivedAt: Date.now(), sourceAddress: "192.0.2.1", body: Buffer.from(odd) };
  const { id } = await seeded.store.accept(received);
  const bare = await seeded.take(ready("v2"));
  await seeded.download();
  const answer = await ask(seeded, { bodies: true });
  const text = textOf(answer);
  assert.match(text, /"n":12345678901234567890\.10/);
  const { data, next } = JSON.parse(text);
  assert.equal(next, answer.next);
  assert.deepEqual(data[0].id, id);
  assert.equal(data[0].body.videoUrl, "https://relay.example.com/media/v1/video.bin");
  assert.equal(data[0].body.relay.eventId, id);
  assert.equal(data[0].body.relay.replay, undefined);
  assert.deepEqual([data[1].id, data[1].body.wochitVideoId], [bare, "v2"]);
  await seeded.store.forgetVideo("v1", Date.now());
  assert.deepEqual(
    JSON.parse(textOf(await ask(seeded, { bodies: true }))).data.map((one: { body: unknown }) => one.body === null),
    [true, false],
  );
  assert.equal("body" in JSON.parse(textOf(await ask(seeded))).data[0], false);
});

test("with `ready` media are waited for, an hour at most", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true } });
  const film = (video: string) => ready(video, { videoUrl: `https://h.example/${video}.mp4` });
  const old = await seeded.take(film("v1"), Date.now() - 60 * MINUTE - 1);
  const young = await seeded.take(film("v2"), Date.now() - 50 * MINUTE);
  const first = await ask(seeded, { ready: true });
  assert.deepEqual(first.ids, [old]);
  await seeded.download();
  assert.deepEqual((await ask(seeded, { ready: true, after: first.next })).ids, [young]);
});

test("one who waits is answered as soon as an event is committed, also while it looks", async () => {
  const { ask, clock, waits, wishes } = stage((looks) => (looks < 2 ? null : {}));
  const { answer, answered } = ask({ wait: MINUTE });
  await clock.advance(100);
  assert.deepEqual([answer(), wishes.length], [null, 1]);
  waits.wake();
  await clock.advance(2);
  assert.deepEqual(answer(), { events: 1, position: "2" });
  assert.deepEqual(wishes[1]!.after, { position: "1" });
  await answered;

  // The event is committed after the look, and before the wait.
  const other = stage((looks) => {
    if (looks === 1) other.waits.wake();
    return looks < 2 ? null : {};
  });
  const second = other.ask({ wait: MINUTE });
  await other.clock.advance(2);
  assert.deepEqual(second.answer(), { events: 1, position: "2" });
});

test("what this process is not woken for is seen within a second", async () => {
  const { ask, clock } = stage((looks) => (looks < 4 ? null : {}));
  const { answer } = ask({ wait: MINUTE });
  await clock.advance(2_999);
  assert.equal(answer(), null);
  await clock.advance(1);
  assert.deepEqual(answer(), { events: 1, position: "4" });
});

test("after its time one who waits has an answer without events, whose cursor goes on", async () => {
  const { ask, clock } = stage(() => null);
  const { answer } = ask({ wait: 2_500 });
  await clock.advance(2_499);
  assert.equal(answer(), null);
  await clock.advance(1);
  assert.deepEqual(answer(), { events: 0, position: "4" });
  const none = ask();
  await none.answered;
  assert.deepEqual(none.answer(), { events: 0, position: "5" });
});

test("what does not match is passed over without a wait, for a second where none is asked for", async () => {
  const { ask, clock, wishes } = stage((looks) => {
    clock.set(clock.now() + 10);
    return { events: [], isMore: looks % 500 > 0 };
  });
  const { answered, answer } = ask();
  await answered;
  assert.deepEqual([wishes.length, answer()], [100, { events: 0, position: "100" }]);
  await ask({ wait: 3_000 }).answered;
  assert.equal(wishes.length, 400);
});

test("one who is woken in vain again and again looks ever less often, four times a second in the end", async () => {
  const { ask, clock, waits, wishes } = stage(() => null);
  const { answer } = ask({ wait: MINUTE, type: "rare" });
  for (let ms = 0; ms < 59_000; ms += 5) {
    waits.wake();
    await clock.advance(5);
  }
  assert.equal(answer(), null);
  assert.ok(wishes.length > 59 * 3 && wishes.length < 59 * 4 + 20, String(wishes.length));
});

test("a wait ends when the client is gone and when the relay stops; then none begins", async () => {
  const { ask, gone, clock, waits } = stage(() => null);
  const one = ask({ wait: MINUTE });
  await clock.advance(10);
  gone.abort();
  await clock.advance(1);
  assert.deepEqual(one.answer(), { events: 0, position: "2" });
  const late = ask({ wait: MINUTE });
  await late.answered;

  const other = stage(() => null);
  const two = other.ask({ wait: MINUTE });
  await other.clock.advance(10);
  other.waits.end();
  await other.clock.advance(1);
  assert.equal(two.answer()?.events, 0);
  await other.ask({ wait: MINUTE }).answered;
  assert.equal(waits.hasEnded(), false);
});

test("only a bounded number of readers wait; a place that is given back is free, also after an error", async () => {
  let isBroken = true;
  const { ask, clock } = stage(() => {
    if (isBroken) throw new Error("no");
    return null;
  });
  for (let n = 0; n < 3; n++) await assert.rejects(ask({ wait: MINUTE }).answered, /no/);
  isBroken = false;
  const two = [ask({ wait: 500 }), ask({ wait: 500 })];
  await assert.rejects(ask({ wait: 500 }).answered, { code: "too_many_requests" });
  await ask().answered;
  await clock.advance(501);
  for (const { answered } of two) await answered;
  const third = ask({ wait: 500 });
  await clock.advance(501);
  await third.answered;
});
