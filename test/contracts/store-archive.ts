import assert from "node:assert/strict";
import type { ArchivedEvent, ArchivedRest } from "../../src/model/archive.ts";
import { addPruned, nothingPruned, type Pruned } from "../../src/model/retention.ts";
import type { OpenPart } from "../../src/store/archive/verbs.ts";
import { type Bench, checker, draft, type OpenStore, plain, remove } from "./store.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const PLACE = { dir: "/archive" };
const FILE = { sha256: "ab".repeat(32), bytes: 10, text: 100, events: 1 };
const ME = { by: "me", leaseFor: 30_000 };

/** What every store engine must do with the archive, in the words of CONTRACT ("Archive"). */
export function storeArchiveContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check("nothing is pruned that is not archived; then all of it is", async (at) => {
    const { store } = at;
    const ids = await delivered(at, 3);
    later(at, 92);
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    assert.deepEqual(rows(await pruneAll(at)), NOTHING, "it is queued, and stays");
    const part = (await begin(at))!;
    const events = await readAll(at, part);
    assert.deepEqual(
      events.map(({ event, body }) => [event.id, Buffer.from(body).toString()]),
      ids.map((id, nth) => [id, remove(`v${nth}`)]),
    );
    assert.deepEqual(
      events.map(({ deliveries }) => deliveries.map(({ state, attemptLog }) => [state, attemptLog.length])),
      ids.map(() => [["delivered", 1]]),
    );
    await mark(at, part, events);
    await store.releaseArchived(ids, at.clock.now());
    assert.deepEqual(rows(await pruneAll(at)), NOTHING, "the part is not kept yet");
    await store.keepPart(part.id, FILE, ME, at.clock.now());
    await store.releaseArchived(ids, at.clock.now());
    assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, bodies: 3, attempts: 3 });
    assert.equal(await begin(at), null);
    assert.deepEqual(
      (await store.archiveParts({ limit: 9 })).map(({ number, key, events, sha256 }) => [number, key, events, sha256]),
      [[1, part.key, 1, FILE.sha256]],
    );
  });

  check(
    "an event is archived once for its attempts and its body, and again where something came to it",
    async (at) => {
      const { store, clock, post } = at;
      const { id } = await post(remove("v1"));
      await at.fail((await at.claim())[0]!);
      clock.set(clock.now() + HOUR);
      await at.deliver((await at.claim())[0]!);
      later(at, 32);
      assert.deepEqual(await archiveAll(at), [id]);
      assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, attempts: 1 });
      await store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      await at.deliver((await at.claim())[0]!);
      later(at, 92);
      assert.deepEqual(await archiveAll(at), [id], "it was sent again");
      assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, bodies: 1, attempts: 2 });
      const parts = await store.archiveParts({ limit: 9, videoId: "v1" });
      assert.deepEqual(
        parts.map(({ number }) => number),
        [2, 1],
      );
      assert.deepEqual(await store.archiveParts({ limit: 9, videoId: "v2" }), []);
    },
    plain({ retry: ["1h"] }),
  );

  check(
    "of an event that was repeated often the repetitions are pruned in pieces, and it is archived once",
    async (at) => {
      const { store, clock, post } = at;
      const { id } = await post(remove("v1"));
      for (let nth = 0; nth < 5; nth++) assert.equal((await post(remove("v1"))).status, "duplicate");
      await at.deliver((await at.claim())[0]!);
      later(at, 92);
      await pruneAll(at);
      const part = (await begin(at))!;
      const events = await readAll(at, part);
      assert.deepEqual(
        events.map(({ duplicates }) => duplicates.length),
        [5],
      );
      await mark(at, part, events);
      await store.keepPart(part.id, FILE, ME, clock.now());
      await store.releaseArchived([id], clock.now());
      const pieces: (number | undefined)[][] = [];
      for (let isMore = true; isMore; ) {
        const piece = (await store.prune({ ...EXPIRY(at), limit: 2, ...ME }, clock.now()))!;
        pieces.push([piece.duplicates.rows, piece.bodies.rows]);
        isMore = piece.isMore;
        assert.equal((await store.archiveState()).isBehind, false, "what is left of it is in the archive, too");
      }
      assert.deepEqual(
        pieces.filter(([duplicates, bodies]) => duplicates! + bodies! > 0),
        [
          [2, 0],
          [2, 0],
          [1, 1],
        ],
      );
    },
    plain(),
  );

  check("what comes to an event while its part is written keeps it from being pruned", async (at) => {
    const { store, clock } = at;
    const [id] = await delivered(at, 1);
    later(at, 92);
    await pruneAll(at);
    const part = (await begin(at))!;
    const events = await readAll(at, part);
    await store.replay(id!, { endpoint: "cms", ordered: true, newId: false }, clock.now());
    await at.deliver((await at.claim())[0]!);
    await mark(at, part, events);
    await store.keepPart(part.id, FILE, ME, clock.now());
    await store.releaseArchived([id!], clock.now());
    later(at, 92);
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    assert.deepEqual(await archiveAll(at), [id]);
    assert.equal(rows(await pruneAll(at)).bodies, 1);
  });

  check("each day of receipt has parts of its own, and a straggler gets a further one", async (at) => {
    const { store, clock, post } = at;
    const day = (time: number) => new Date(time).toISOString().slice(0, 10);
    const first = day(clock.now());
    await post(remove("waits"));
    const [one] = await delivered(at, 1);
    clock.set(clock.now() + DAY);
    const second = day(clock.now());
    const [two] = await delivered(at, 1);
    later(at, 92);
    const [waiting] = await at.claim();
    await at.deliver(waiting!);
    assert.deepEqual(await archiveAll(at), [one, two]);
    later(at, 92);
    assert.deepEqual(await archiveAll(at), [waiting!.event.id]);
    assert.deepEqual(
      (await store.archiveParts({ limit: 9 })).map(({ key }) => key.split("-t")[0]),
      [`${second}.1`, `${first}.2`, `${first}.1`],
    );
    const [newest] = await store.archiveParts({ limit: 1 });
    const older = await store.archiveParts({ limit: 9, before: newest!.id });
    assert.deepEqual(
      older.map(({ number }) => number),
      [2, 1],
    );
    const since = newest!.day;
    assert.equal((await store.archiveParts({ limit: 9, since })).length, 1);
    assert.equal((await store.archiveParts({ limit: 9, until: since })).length, 2);
  });

  check("one is at it at a time, the one who prunes; what it leaves unfinished does not count", async (at) => {
    const { store, clock } = at;
    const ids = await delivered(at, 2);
    later(at, 92);
    await pruneAll(at);
    const part = (await begin(at))!;
    await mark(at, part, await readAll(at, part));
    await assert.rejects(begin(at, { by: "other" }), { code: "conflict" });
    assert.equal(await store.prune({ ...EXPIRY(at), limit: 9, by: "other", leaseFor: 1 }, clock.now()), null);
    clock.set(clock.now() + 30_001);
    assert.deepEqual(await store.strayFiles("me"), []);
    const [stray] = await store.strayFiles("other");
    assert.deepEqual(stray, { key: part.key, place: PLACE, part: part.id });
    while ((await store.dropFile(stray!)).isMore);
    assert.deepEqual(await store.strayFiles("other"), []);
    const late = store.keepPart(part.id, FILE, ME, clock.now());
    await assert.rejects(late, { code: "conflict" });
    await store.holdArchive({ by: "me", leaseFor: 0 }, clock.now());
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    const again = (await begin(at, { by: "other" }))!;
    assert.equal(again.number, 1, "its number is free");
    assert.deepEqual(
      (await readAll(at, again)).map(({ event }) => event.id),
      ids,
    );
  });

  check("without an archive what was queued for it is pruned like the rest", async (at) => {
    await delivered(at, 3);
    later(at, 92);
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    assert.deepEqual(rows(await pruneAll(at, { archives: false })), { ...NOTHING, bodies: 3, attempts: 3 });
    assert.equal(await begin(at), null);
    assert.equal((await at.store.archiveState()).isBehind, false);
  });

  check("a count says what would be archived, and what would go then", async (at) => {
    await delivered(at, 3);
    later(at, 92);
    const counted = await count(at);
    assert.deepEqual([rows(counted), counted.archived], [{ ...NOTHING, bodies: 3, attempts: 3 }, 3]);
    await pruneAll(at);
    const queued = await count(at);
    assert.deepEqual([queued.bodies.rows, queued.archived], [3, 3], "of the queue, too");
    await archiveAll(at);
    const archived = await count(at);
    assert.deepEqual([rows(archived), archived.archived], [{ ...NOTHING, bodies: 3, attempts: 3 }, 0]);
  });

  check("what was erased is not archived, and leaves the parts that have it; the audit says when", async (at) => {
    const { store, clock } = at;
    const [one] = await delivered(at, 2);
    later(at, 92);
    await archiveAll(at);
    await pruneAll(at);
    const { parts } = await store.forgetVideo("v0", clock.now());
    assert.equal(parts, 1);
    assert.equal((await store.archiveState()).toRewrite, 1);
    const { part, videoIds } = (await store.partToRewrite(null))!;
    assert.deepEqual(videoIds, ["v0"]);
    const none = await store.restoreBodies(part.id, [{ id: one!, body: Buffer.from("{}") }], KEPT, clock.now());
    assert.equal(none.erased, 1, "a part that still has it gives nothing back");
    const wish = { place: PLACE, folder: null, tag: "new", ...ME };
    const to = await store.beginRewrite(part.id, wish, clock.now());
    assert.deepEqual([to.day, to.number], [part.day, part.number]);
    assert.deepEqual(await store.strayFiles("other"), [{ key: to.key, place: PLACE, part: null }]);
    await store.keepRewritten(part.id, to, { ...FILE, events: 7 }, ME, clock.now());
    assert.deepEqual(await store.strayFiles("me"), [{ key: part.key, place: PLACE, part: null }], "the old one");
    const [now] = await store.archiveParts({ limit: 9 });
    assert.deepEqual([now!.key, now!.events, now!.id], [to.key, 7, part.id]);
    assert.deepEqual(await audited(at), []);
    await store.endErasures(part.id, videoIds);
    assert.deepEqual(await audited(at), [["v0", 1]]);
    assert.equal(await store.partToRewrite(null), null);
    assert.deepEqual(await store.archiveParts({ limit: 9, videoId: "v0" }), []);
    assert.equal((await store.archiveParts({ limit: 9, videoId: "v1" })).length, 1);
  });

  for (const when of ["before it is marked", "before its part is kept"]) {
    check(`an erasure ${when} reaches a part that is being written`, async (at) => {
      const { store, clock } = at;
      await delivered(at, 1);
      later(at, 92);
      await pruneAll(at);
      const part = (await begin(at))!;
      const events = await readAll(at, part);
      if (when === "before it is marked") await store.forgetVideo("v0", clock.now());
      await mark(at, part, events);
      if (when !== "before it is marked") await store.forgetVideo("v0", clock.now());
      assert.equal(await store.partToRewrite(null), null, "it is no part yet");
      await store.keepPart(part.id, FILE, ME, clock.now());
      assert.deepEqual((await store.partToRewrite(null))?.videoIds, ["v0"]);
    });
  }

  check("a restored body stays for as long as is asked for, and is not archived twice", async (at) => {
    const { store, clock } = at;
    const [id] = await delivered(at, 1);
    later(at, 92);
    await archiveAll(at);
    await pruneAll(at);
    const [part] = await store.archiveParts({ limit: 1 });
    await assert.rejects(store.eventBody(id!), {
      code: "body_expired",
      message: /pruned, or erased; "wochit-relay archive restore --video-id v0" brings it back$/,
    });
    const body = Buffer.from(remove("v0"));
    const given = [id!, id!, "evt_00000000000"].map((one) => ({ id: one, body }));
    const counts = await store.restoreBodies(part!.id, given, KEPT, clock.now());
    assert.deepEqual(counts, { restored: 1, present: 1, unknown: 1, erased: 0 });
    assert.equal(Buffer.from(await store.eventBody(id!)).toString(), remove("v0"));
    clock.set(clock.now() + 7 * DAY - 1);
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    await store.replay(id!, { endpoint: "cms", ordered: true, newId: false }, clock.now());
    const [job] = await at.claim();
    assert.equal(job!.replay, true);
    await store.cancelDelivery(job!.id, clock.now());
    await at.fail(job!);
    later(at, 92);
    assert.deepEqual(await archiveAll(at), [id], "what came since is archived");
    assert.equal(rows(await pruneAll(at)).bodies, 1);
    await store.restoreBodies(part!.id, [{ id: id!, body }], KEPT, clock.now());
    later(at, 9);
    assert.deepEqual(await archiveAll(at), [], "it has what came meanwhile");
    await assert.rejects(store.eventBody(id!), { code: "body_expired" });
  });

  check("a failure is known with its first time, until it is over", async (at) => {
    const { store, clock } = at;
    const start = clock.now();
    assert.equal((await store.archiveState()).failing, null);
    assert.equal(await store.noteArchive("no room", start), true);
    assert.equal(await store.noteArchive("still none", start + HOUR), false);
    assert.deepEqual((await store.archiveState()).failing, { since: start, error: "still none" });
    assert.equal(await store.noteArchive(null, start + DAY), true);
    assert.equal(await store.noteArchive(null, start + DAY), false);
    assert.equal((await store.archiveState()).failing, null);
  });

  check("an autosave goes whole once it is archived", async (at) => {
    const { store, clock, post } = at;
    const ids: string[] = [];
    for (let nth = 0; nth < 3; nth++) ids.push((await post(draft("v1"))).id);
    for (let jobs = await at.claim(); jobs.length > 0; jobs = await at.claim())
      for (const job of jobs) await at.deliver(job);
    later(at, 92);
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    assert.deepEqual(await archiveAll(at), ids);
    assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, autosaves: 2, bodies: 1, attempts: 3 });
    const [part] = await store.archiveParts({ limit: 1 });
    const given = ids.map((id) => ({ id, body: Buffer.from(draft("v1")) }));
    const counts = await store.restoreBodies(part!.id, given, KEPT, clock.now());
    assert.deepEqual(counts, { restored: 1, present: 0, unknown: 2, erased: 0 });
  });
}

const KEPT = { keepFor: 7 * DAY, bodies: 90 * DAY };
const NOTHING = rows(nothingPruned());

function rows(pruned: Pruned) {
  const { bodies, autosaves, duplicates, attempts } = pruned;
  return { bodies: bodies.rows, autosaves: autosaves.rows, duplicates: duplicates.rows, attempts: attempts.rows };
}

const EXPIRY = ({ clock }: Bench, archives = true) => ({
  ...{ bodies: clock.now() - 90 * DAY, attempts: clock.now() - 30 * DAY },
  ...(archives && { archives }),
});

async function pruneAll(at: Bench, { archives = true } = {}): Promise<Pruned> {
  const all = nothingPruned();
  for (let isMore = true; isMore; ) {
    const piece = await at.store.prune({ ...EXPIRY(at, archives), limit: 2, ...ME }, at.clock.now());
    assert.ok(piece);
    addPruned(all, piece);
    isMore = piece.isMore;
  }
  return all;
}

async function count(at: Bench): Promise<Pruned & { archived: number }> {
  const all = { ...nothingPruned(), archived: 0 };
  for (let from: string | null = null; ; ) {
    const { next, archived, ...part }: Awaited<ReturnType<typeof at.store.countPrunable>> =
      await at.store.countPrunable(EXPIRY(at), from);
    const { archived: _, ...pruned } = all;
    addPruned(pruned, part);
    all.archived += archived;
    if (next === null) return all;
    from = next;
  }
}

const later = ({ clock }: Bench, days: number) => clock.set(clock.now() + days * DAY);

/** Events of videos v0, v1 and so on, which have been delivered. */
async function delivered(at: Bench, many: number): Promise<string[]> {
  const ids: string[] = [];
  for (let nth = 0; nth < many; nth++) ids.push((await at.post(remove(`v${nth}`))).id);
  for (const job of await at.claim()) if (ids.includes(job.event.id)) await at.deliver(job);
  return ids;
}

const begin = ({ store, clock }: Bench, { by = "me" } = {}) =>
  store.beginPart({ from: null, place: PLACE, folder: null, tag: "tag", ...ME, by }, clock.now());

async function readAll({ store }: Bench, { day }: OpenPart): Promise<ArchivedEvent[]> {
  const all: ArchivedEvent[] = [];
  for (let from: Parameters<typeof store.archivePiece>[0] | null = { day, after: null }; from !== null; ) {
    const piece: Awaited<ReturnType<typeof store.archivePiece>> = await store.archivePiece(from, 100);
    for (const event of piece.events) all.push(await whole(store, event));
    from = piece.next;
  }
  return all;
}

async function whole(store: Bench["store"], event: ArchivedEvent): Promise<ArchivedEvent> {
  const all = { ...event };
  for (let next = event.next; next !== null; ) {
    const rest: ArchivedRest = await store.archiveRest(next, 1);
    assert.ok(rest.duplicates.length + rest.deliveries.length === 1, "a piece is as small as was asked for");
    all.duplicates.push(...rest.duplicates);
    all.deliveries.push(...rest.deliveries);
    next = rest.next;
  }
  return all;
}

const mark = ({ store, clock }: Bench, part: OpenPart, events: ArchivedEvent[]) =>
  store.markArchived(
    part.id,
    events.map(({ event: { id }, revision }) => ({ id, revision })),
    ME,
    clock.now(),
  );

/** Archives what `prune` leaves for that; returns the ids, day by day. */
async function archiveAll(at: Bench): Promise<string[]> {
  const { store, clock } = at;
  await pruneAll(at);
  const ids: string[] = [];
  for (let part = await begin(at); part !== null; part = await begin(at)) {
    const events = await readAll(at, part);
    await mark(at, part, events);
    await store.keepPart(part.id, FILE, ME, clock.now());
    const some = events.map(({ event }) => event.id);
    await store.releaseArchived(some, clock.now());
    ids.push(...some);
  }
  await store.holdArchive({ by: "me", leaseFor: 0 }, clock.now());
  return ids;
}

const audited = async ({ store }: Bench) =>
  (await store.audit({ limit: 9, verb: "archive forget" })).map(({ subject, count }) => [subject, count]);
