import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { restoreFrom } from "../../src/archive/restore.ts";
import { rewriteErased } from "../../src/archive/rewrite.ts";
import type { Shelf } from "../../src/archive/shelves.ts";
import { codeOf } from "../../src/errors.ts";
import type { ArchivePlace } from "../../src/model/archive.ts";
import { nothingPruned } from "../../src/model/retention.ts";
import type { Store } from "../../src/store/store.ts";
import { type Aged, openAged, partsOf, pruneAged } from "../support/archive.ts";
import { answered } from "../support/outcomes.ts";
import { isWhole } from "../support/whole.ts";

const { signal } = new AbortController();

const remove = (nth: number) => ({ type: "video.delete", wochitVideoId: `v${nth}`, pad: "ü".repeat(nth) });
const many = (count: number) => Array.from({ length: count }, (_, nth) => remove(nth));

test("each day's events are in files of their own, which only the relay's user can read; then they are pruned", async (t) => {
  const at = await openAged(t, many(6));
  const { pruned, archived, archiveError, isWhole } = await pruneAged(at, "me");
  assert.deepEqual([archived, archiveError, isWhole, pruned.bodies.rows], [6, null, true, 6]);
  const names = readdirSync(at.folder);
  assert.equal(names.length, 2);
  for (const name of names) {
    assert.match(name, /^\d{4}-\d\d-\d\d\.1-[0-9a-f]{16}\.jsonl\.gz$/);
    assert.equal(statSync(join(at.folder, name)).mode & 0o077, 0);
  }
  assert.equal(statSync(at.folder).mode & 0o077, 0);
  const lines = at.archived();
  assert.deepEqual([...lines.keys()].sort(), [...at.ids].sort());
  assert.deepEqual(
    at.ids.map((id) => JSON.parse(lines.get(id)!.body as string)),
    many(6),
  );
  assert.deepEqual(readdirSync(join(at.config.dataDir, ".archive")), []);
  assert.deepEqual((await pruneAged(at, "me")).archived, 0);
});

test("no part is written into the relay's other folders, and of a stranger's file none is removed", async (t) => {
  const at = await openAged(t, many(2));
  const { dataDir } = at.config;
  const [drafts, strangers] = [join(dataDir, ".archive"), join(at.dir, "strangers")];
  for (const dir of [drafts, strangers]) {
    mkdirSync(dir, { mode: 0o700 });
    writeFileSync(join(dir, "theirs.gz"), "theirs");
  }
  symlinkSync(drafts, at.folder);
  const failed = await pruneAged(at, "me");
  assert.match(failed.archiveError!, /archive, the folder of the archive, is, or lies in, .*\.archive, for files on/);
  assert.deepEqual([failed.pruned, readdirSync(drafts)], [nothingPruned(), ["theirs.gz"]]);
  unlinkSync(at.folder);
  rmSync(drafts, { recursive: true });
  symlinkSync(strangers, drafts);
  assert.match((await pruneAged(at, "me")).archiveError!, /\.archive is a link: replace it by a folder/);
  assert.deepEqual(readdirSync(strangers), ["theirs.gz"]);
  unlinkSync(drafts);
  mkdirSync(drafts);
  for (const name of ["theirs.gz", "killed.draft"]) writeFileSync(join(drafts, name), "x");
  assert.equal((await pruneAged(at, "me")).archiveError, null);
  assert.deepEqual(readdirSync(drafts), ["theirs.gz"]);
});

test("a part ends at its limit, and the day goes on in the next", async (t) => {
  const at = await openAged(t, many(7), { days: 1 });
  const parts = { ...partsOf(at), limits: { text: 2 ** 20, events: 3 } };
  at.store.archivePiece = ofOne(at.store);
  await pruneAged(at, "me", parts);
  const found = await at.store.archiveParts({ limit: 9 });
  assert.deepEqual(
    found.map(({ number, events }) => [number, events]),
    [
      [3, 1],
      [2, 3],
      [1, 3],
    ],
  );
  assert.equal(at.archived().size, 7);
});

/** Pieces of one event. */
function ofOne(store: Store): Store["archivePiece"] {
  const read = store.archivePiece;
  return (from) => read(from, 1);
}

test("an event that was repeated and replayed any number of times is archived in lines of a bounded length, and erased whole", async (t) => {
  const at = await openAged(t, many(2), { days: 1 });
  const { store, clock, ids } = at;
  const now = clock.now();
  clock.set(now - 30 * 86_400_000 + 10_000);
  const pads = Array.from({ length: 12 }, (_, nth) => 400_000 + nth);
  for (const pad of pads) {
    const body = Buffer.from(JSON.stringify(many(2)[1]) + " ".repeat(pad));
    const { id } = await store.accept({ receivedAt: clock.now(), sourceAddress: "192.0.2.1", body });
    assert.equal(id, ids[1]);
  }
  for (let nth = 0; nth < 40; nth++)
    await store.replay(ids[1]!, { endpoint: "app", ordered: false, newId: false }, clock.now());
  for (;;) {
    const { jobs } = await store.claimDeliveries({ endpoint: "app", now: clock.now(), limit: 9, leaseFor: 1 });
    if (jobs.length === 0) break;
    const answer = { ...answered(200, { at: clock.now() }), response: Buffer.alloc(4096, "a") };
    for (const job of jobs) await store.settleDelivery(job, answer, clock.now());
  }
  clock.set(now);
  const parts = partsOf(at);
  assert.equal((await pruneAged(at, "me", parts)).archiveError, null);
  const [name] = readdirSync(at.folder);
  const lines = gunzipSync(readFileSync(join(at.folder, name!)))
    .toString()
    .trimEnd()
    .split("\n");
  assert.ok(lines.length > 5 && lines.every(({ length }) => length < 2.5 * 2 ** 20), `${lines.length} lines`);
  const event = at.archived().get(ids[1]!) as Record<string, { body: string; attempts: object[] }[]>;
  assert.deepEqual(
    event.repeated!.map(({ body }) => body.length - JSON.stringify(many(2)[1]).length),
    pads,
  );
  assert.equal(new Set(event.deliveries!.map((one) => (one as { id?: string }).id)).size, 41);
  assert.ok(event.deliveries!.every(({ attempts }) => attempts.length === 1));
  assert.equal((await store.archiveParts({ limit: 1 }))[0]!.events, 2);
  const restored = await restoreFrom(partsOf(at), { bodies: 1 }, { signal });
  assert.deepEqual([restored.restored, restored.unknown], [2, 0]);
  await store.forgetVideo("v1", clock.now());
  await rewriteErased(parts, "me", signal);
  const [rewritten] = readdirSync(at.folder);
  assert.equal(
    gunzipSync(readFileSync(join(at.folder, rewritten!)))
      .toString()
      .trimEnd()
      .split("\n").length,
    2,
  );
  assert.equal((await store.archiveParts({ limit: 1 }))[0]!.events, 1);
});

test("bytes that are no text come back as they were", async (t) => {
  const odd = Buffer.concat([
    Buffer.from('{"type":"video.delete","wochitVideoId":"v1","t":"'),
    Buffer.from([0xef, 0xbb, 0xbf]),
    Buffer.from('\u2028"}'),
  ]);
  const at = await openAged(t, many(1));
  at.clock.set(at.clock.now() - 20 * 86_400_000);
  const { id } = await at.store.accept({ receivedAt: at.clock.now(), sourceAddress: "192.0.2.1", body: odd });
  const { jobs } = await at.store.claimDeliveries({ endpoint: "app", now: at.clock.now(), limit: 9, leaseFor: 1 });
  for (const job of jobs) await at.store.cancelDelivery(job.id, at.clock.now());
  at.clock.set(at.clock.now() + 20 * 86_400_000);
  await at.store.claimDeliveries({ endpoint: "app", now: at.clock.now(), limit: 9, leaseFor: 1 });
  at.clock.set(at.clock.now() + 10 * 86_400_000);
  await pruneAged(at, "me");
  await assert.rejects(at.store.eventBody(id), { code: "body_expired" });
  const done = await restoreFrom(partsOf(at), { videoId: "v1", bodies: 1 }, { signal });
  assert.deepEqual(done, { files: 1, restored: 1, present: 0, unknown: 0, erased: 0 });
  assert.deepEqual(Buffer.from(await at.store.eventBody(id)), odd);
});

test("killed between any two steps, nothing is pruned that is not archived, and the next one finishes it", async (t) => {
  for (let step = 1; ; step += isWhole ? 1 : 3) {
    const at = await openAged(t, many(4));
    const { isOver, steps } = await dieAt(at, step, (parts) => pruneAged(at, "first", parts));
    await nothingIsLost(at, `killed at step ${step}, ${steps.at(-1)}`);
    at.clock.set(at.clock.now() + 31_000);
    const { archiveError } = await pruneAged(at, "second");
    assert.equal(archiveError, null);
    await nothingIsLost(at, `after step ${step}`);
    assert.equal(await bodies(at), 0);
    assert.equal((await at.store.archiveParts({ limit: 9 })).length, 2, "no file is there twice");
    assert.deepEqual(
      (await at.store.archiveParts({ limit: 9 })).map(({ key }) => key).sort(),
      readdirSync(at.folder).sort(),
    );
    await at.store.close();
    if (isOver) return assert.ok(step > 20, `${step} steps`);
  }
});

test("an erased video leaves the archive, whenever the relay is killed meanwhile", async (t) => {
  for (let step = 1; ; step += isWhole ? 1 : 3) {
    const at = await openAged(t, [...many(4), remove(1)]);
    await pruneAged(at, "first");
    const { parts } = await at.store.forgetVideo("v1", at.clock.now());
    assert.equal(parts, 2);
    const { isOver } = await dieAt(at, step, (dying) => rewriteErased(dying, "first", signal));
    at.clock.set(at.clock.now() + 31_000);
    await rewriteErased(partsOf(at), "second", signal);
    const audit = await at.store.audit({ limit: 9, verb: "archive forget" });
    assert.deepEqual(
      audit.map(({ subject, count }) => [subject, count]),
      [["v1", 2]],
    );
    const lines = [...at.archived().values()];
    assert.deepEqual(lines.map(({ videoId }) => videoId).sort(), ["v0", "v2", "v3"]);
    assert.equal(readdirSync(at.folder).length, 2, "the old files are gone");
    const restored = await restoreFrom(partsOf(at), { bodies: 1 }, { signal });
    assert.deepEqual([restored.restored, restored.erased], [3, 0]);
    await at.store.close();
    if (isOver) return assert.ok(step > 8, `${step} steps`);
  }
});

test("what was erased leaves an archive that is not filled any longer", async (t) => {
  const at = await openAged(t, [...many(4), remove(1)]);
  await pruneAged(at, "first");
  await at.store.forgetVideo("v1", at.clock.now());
  const config = { ...at.config, retention: { ...at.config.retention, archive: null } };
  assert.deepEqual(await rewriteErased(partsOf({ ...at, config }), "me", signal), { rewritten: 2, failed: [] });
  assert.deepEqual([...at.archived().values()].map(({ videoId }) => videoId).sort(), ["v0", "v2", "v3"]);
  assert.equal(readdirSync(at.folder).length, 2);
});

test("a part that is damaged, or whose old file cannot be removed, holds no other's erasure up, and is named", async (t) => {
  const at = await openAged(t, many(3), { days: 3 });
  await pruneAged(at, "first");
  const [third, second, first] = await at.store.archiveParts({ limit: 9 });
  const { parts, warnings } = heard(at);
  writeFileSync(join(at.folder, first!.key), "x");
  const { at: shelfAt } = parts.shelves;
  let sticks = true;
  parts.shelves.at = async (place) => {
    const shelf = await shelfAt(place);
    const stuck = async (key: string, until: AbortSignal) => {
      if (sticks && key === second!.key) throw new Error("it may not be removed");
      await shelf.delete(key, until);
    };
    return { ...shelf, delete: stuck };
  };
  for (const video of ["v0", "v1", "v2"]) await at.store.forgetVideo(video, at.clock.now());
  const ended = async () => (await at.store.audit({ limit: 9, verb: "archive forget" })).map(({ subject }) => subject);
  const { rewritten, failed } = await rewriteErased(parts, "me", signal, (id) => id === third!.id);
  assert.deepEqual([rewritten, failed, await ended()], [0, [first!.id, second!.id], []]);
  const said = warnings.filter(({ message }) => message === "what was erased is still in the archive");
  assert.deepEqual(
    said.map(({ key, videoId }) => [key, videoId]),
    [
      [first!.key, "v0"],
      [second!.key, "v1"],
    ],
  );
  assert.match(said[0]!.error!, /end of file|header/);
  assert.match(said[1]!.error!, /which it was before, cannot be removed$/);
  // Now the second is only to lose its old file.
  const again = await rewriteErased(parts, "me", signal);
  assert.deepEqual([again, await ended()], [{ rewritten: 1, failed: [first!.id, second!.id] }, ["v2"]]);
  sticks = false;
  assert.deepEqual(await rewriteErased(parts, "me", signal), { rewritten: 1, failed: [first!.id] });
  assert.deepEqual((await ended()).sort(), ["v1", "v2"]);
  assert.ok(!readdirSync(at.folder).includes(second!.key));
});

test("what cannot be removed from a place that is gone holds nothing up; and a failure leaves the archive free", async (t) => {
  const at = await openAged(t, many(4));
  const { parts, warnings } = heard(at);
  const { present } = parts.shelves;
  const full = () => Promise.reject(new Error("no such bucket"));
  parts.shelves.present = async () => {
    const { shelf } = await present();
    return { place: { target: "tgt_1" }, folder: "~archive", shelf: { ...shelf, put: full } };
  };
  assert.equal((await pruneAged(at, "first", parts)).archiveError, "no such bucket");
  parts.shelves.present = present;
  const { archiveError, archived, isWhole } = await pruneAged(at, "second", parts);
  assert.deepEqual([archiveError, archived, isWhole], [null, 4, true]);
  assert.equal(await bodies(at), 0);
  const [left] = await at.store.strayFiles("second");
  assert.ok(left, "it stays known");
  assert.ok(warnings.some(({ key, error }) => key === left.key && /there is no target/.test(error!)));
});

/** The parts of an archive, and what they warn of. */
function heard(at: Aged) {
  const parts = partsOf(at);
  const warnings: Record<string, string>[] = [];
  const { ports } = parts;
  const warn = (message: string, more: object = {}) => void warnings.push({ message, ...more });
  return { parts: { ...parts, ports: { ...ports, log: { ...ports.log, warn } } }, warnings };
}

test("a part that is written anew while it is restored is read where it lies then", async (t) => {
  const at = await openAged(t, [...many(2), remove(1)], { days: 1 });
  await pruneAged(at, "first");
  await at.store.forgetVideo("v1", at.clock.now());
  const parts = partsOf(at);
  const archiveParts: Store["archiveParts"] = async (wish) => {
    const found = await at.store.archiveParts(wish);
    await rewriteErased(partsOf(at), "me", signal);
    return found;
  };
  const store = new Proxy(at.store, {
    get: (target, name) => (name === "archiveParts" ? archiveParts : Reflect.get(target, name)),
  });
  const done = await restoreFrom({ ...parts, store }, { bodies: 1 }, { signal });
  assert.deepEqual(done, { files: 1, restored: 1, present: 0, unknown: 0, erased: 0 });
});

test("a file that is damaged is not restored from, and one that cannot be written is a failure that is kept", async (t) => {
  const at = await openAged(t, many(2), { days: 1 });
  const failing = partsOf(at);
  const { shelf, place } = await failing.shelves.present();
  const full = { ...shelf, put: () => Promise.reject(new Error("no space left on device")) };
  failing.shelves.present = async () => ({ shelf: full, place, folder: null });
  const failed = await pruneAged(at, "me", failing);
  assert.deepEqual([failed.archiveError, failed.pruned], ["no space left on device", nothingPruned()]);
  assert.equal((await at.store.archiveState()).failing?.error, "no space left on device");
  // What a place says that it has taken is read back.
  const lying = partsOf(at);
  lying.shelves.present = async () => ({ shelf: { ...shelf, put: async () => "stored" }, place, folder: null });
  assert.match((await pruneAged(at, "me", lying)).archiveError!, /what was read back is not the same/);
  assert.equal(await bodies(at), 2);
  assert.equal((await pruneAged(at, "me")).archiveError, null);
  assert.equal((await at.store.archiveState()).failing, null);
  const [name] = readdirSync(at.folder);
  writeFileSync(join(at.folder, name!), "x");
  await assert.rejects(restoreFrom(partsOf(at), { videoId: "v1", bodies: 1 }, { signal }), /is not what was written/);
});

/** How many events have a body. */
async function bodies({ store, ids }: Aged): Promise<number> {
  const found = await Promise.all(
    ids.map((id) =>
      store.eventBody(id).then(
        () => 1,
        () => 0,
      ),
    ),
  );
  return found.reduce<number>((sum, one) => sum + one, 0);
}

/** Each event has its body, or a line in a file that the store knows and that is whole. */
async function nothingIsLost(at: Aged, when: string): Promise<void> {
  const lines = at.archived();
  const known = new Set((await at.store.archiveParts({ limit: 99 })).map(({ key }) => key));
  for (const key of known) assert.ok(readdirSync(at.folder).includes(key), `${when}: ${key} is there`);
  for (const id of at.ids) {
    const code = await at.store.eventBody(id).then(() => null, codeOf);
    if (code !== null) assert.ok(lines.has(id), `${when}: ${id} is pruned, and not archived`);
  }
}

/** Runs `work` until its `step`th call of the store or of the archive's place: that one, or its answer, is the last thing that happens. */
async function dieAt(at: Aged, step: number, work: (parts: ReturnType<typeof partsOf>) => Promise<unknown>) {
  const steps: string[] = [];
  const dying = <Verbs extends object>(verbs: Verbs): Verbs =>
    new Proxy(verbs, {
      get(target, name) {
        const verb = Reflect.get(target, name);
        if (typeof verb !== "function") return verb;
        return async (...args: unknown[]) => {
          if (steps.length >= step) throw new Error("killed");
          steps.push(String(name));
          const answer = await verb.apply(target, args);
          // Odd ones die before the answer arrives.
          if (steps.length >= step && step % 2 === 1 && name !== "read") throw new Error("killed");
          return answer;
        };
      },
    });
  const parts = partsOf(at);
  const { shelves } = parts;
  const mortal = {
    ...parts,
    store: dying(at.store),
    shelves: {
      async present() {
        const { shelf, ...rest } = await shelves.present();
        return { ...rest, shelf: dying<Shelf>(shelf) };
      },
      async instead(place: ArchivePlace) {
        const { shelf, ...rest } = await shelves.instead(place);
        return { ...rest, shelf: dying<Shelf>(shelf) };
      },
      at: async (place: ArchivePlace) => dying<Shelf>(await shelves.at(place)),
    },
  };
  await work(mortal).catch((error) => assert.match(String(error), /killed/));
  return { isOver: steps.length < step, steps };
}
