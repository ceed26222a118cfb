import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openPostgresStore } from "../../../src/store/postgres/open.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import { type Bench, bench, plain, ready, video } from "../../contracts/store.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";
import { noPostgres, testDatabase } from "../../support/postgres.ts";
import { byTimeOf, wireTo } from "../../support/postgres-store.ts";

const skip = noPostgres;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const NOTE = { host: "here", version: "1.0.0", config: "abc", mirrors: true, startedAt: 0 };

/** Relays on one database, each with a data folder, by one clock; `again`: another one on the folder of the nth. */
async function openRelays(t: TestContext, count: number) {
  const { url } = await testDatabase(t);
  const clock = testClock();
  const configs = Array.from({ length: count }, () => configIn(tempFolder(t), plain()));
  const open = async (nth: number): Promise<Bench> => {
    const config = configs[nth]!;
    const opening = { dataDir: config.dataDir, settings: settingsOf(config) };
    const store = await openPostgresStore(opening, await wireTo(url), byTimeOf(testPorts(clock)), { role: "relay" });
    t.after(() => store.close());
    return bench(store, clock, config, () => Promise.reject(new Error("it is opened once")));
  };
  const relays: Bench[] = [];
  for (let nth = 0; nth < count; nth++) relays.push(await open(nth));
  return { relays, clock, again: open };
}

test("relays are listed with what they noted last, while they were seen within a day", { skip }, async (t) => {
  const { relays, clock } = await openRelays(t, 2);
  const [one, other] = relays as [Bench, Bench];
  assert.deepEqual(await one.store.relays(), []);
  await one.store.noteRelay({ ...NOTE, startedAt: clock.now() });
  await clock.advance(20 * HOUR);
  await other.store.noteRelay({ ...NOTE, config: "xyz", mirrors: false, startedAt: clock.now() });
  const listed = await one.store.relays();
  assert.deepEqual(
    listed.map(({ id: _, ...rest }) => rest),
    [
      { ...NOTE, startedAt: clock.now() - 20 * HOUR, seenAt: clock.now() - 20 * HOUR },
      { ...NOTE, config: "xyz", mirrors: false, startedAt: clock.now(), seenAt: clock.now() },
    ],
  );
  assert.equal(new Set(listed.map(({ id }) => id)).size, 2);
  await clock.advance(5 * HOUR);
  assert.deepEqual(
    (await other.store.relays()).map(({ config }) => config),
    ["xyz"],
  );
});

test("what others note wakes no relay", { skip }, async (t) => {
  const { relays } = await openRelays(t, 2);
  const [one, other] = relays as [Bench, Bench];
  const { mark } = await one.store.look();
  await other.store.noteRelay(NOTE);
  assert.equal((await one.store.look()).mark, mark);
  await other.post(ready("v1"));
  assert.notEqual((await one.store.look()).mark, mark);
});

test("a relay that starts frees what it had claimed, and nothing of the others", { skip }, async (t) => {
  const { relays, clock, again } = await openRelays(t, 2);
  const [one, other] = relays as [Bench, Bench];
  for (const name of ["v1", "v2"]) await one.post(video(name, `https://a.example/${name}.mp4`));
  const [mine] = await one.download(1);
  const [theirs] = await other.download(1);
  await other.store.holdArchive({ by: "theirs", leaseFor: MINUTE }, clock.now());
  await one.store.close();
  const next = await again(0);
  assert.equal(await next.store.freeLeases(clock.now()), 1);
  await assert.rejects(next.store.holdArchive({ by: "mine", leaseFor: MINUTE }, clock.now()), /another is at work/);
  assert.deepEqual(
    (await other.download()).map(({ mediumId }) => mediumId),
    [mine!.mediumId],
  );
  assert.equal(await other.store.renew(theirs!, MINUTE), true);
  await other.store.freeLeases(clock.now());
  await next.store.holdArchive({ by: "mine", leaseFor: MINUTE }, clock.now());
});

test("a file is uploaded by the relay that has it, and when that is gone it is downloaded again", {
  skip,
}, async (t) => {
  const { relays, clock } = await openRelays(t, 2);
  const [one, other] = relays as [Bench, Bench];
  const note = () => Promise.all(relays.map(({ store }) => store.noteRelay(NOTE)));
  await note();
  await one.post(video("v1", "https://a.example/1.mp4"));
  const [job] = await one.download();
  await one.spool(job!);
  assert.deepEqual(await other.upload(), []);
  const wish = { now: clock.now(), limit: 0, leaseFor: MINUTE };
  assert.equal((await other.store.claimUploads(wish)).nextDue, null);
  assert.equal((await one.store.claimUploads(wish)).nextDue, clock.now());

  await clock.advance(2 * MINUTE - SECOND);
  await other.store.noteRelay(NOTE);
  assert.deepEqual(await other.store.takeOver(), [], "it may come back");
  await clock.advance(2 * SECOND);
  const [taken, ...more] = await other.store.takeOver();
  assert.deepEqual([taken!.mediumId, taken!.videoId, more], [job!.mediumId, "v1", []]);
  assert.deepEqual(await one.upload(), [], "when it comes back it has nothing to do");
  const [again] = await other.download();
  assert.equal(again!.mediumId, job!.mediumId);
  await other.spool(again!);
  assert.deepEqual(await one.upload(), []);
  assert.equal((await other.upload()).length, 1);
  assert.deepEqual(await other.store.takeOver(), [], "its own is not taken");
});

test("an upload whose lease is over settles nothing: another relay may have emptied the place where it was put", {
  skip,
}, async (t) => {
  const { relays, clock } = await openRelays(t, 2);
  const [one, other] = relays as [Bench, Bench];
  await Promise.all(relays.map(({ store }) => store.noteRelay(NOTE)));
  const target = await one.store.targetId({ type: "local", dir: "/media" });
  const place = { target, key: "v1/video.mp4" };
  await one.post(video("v1", "https://a.example/1.mp4"));
  await one.spool((await one.download())[0]!);
  assert.equal(await one.store.placeUpload((await one.upload())[0]!, place), true);
  await clock.advance(2 * MINUTE + SECOND);
  await other.store.noteRelay(NOTE);
  assert.equal((await other.store.takeOver()).length, 1);
  await other.spool((await other.download())[0]!);
  const [upload] = await other.upload();
  assert.equal(await other.store.placeUpload(upload!, place), true);
  assert.deepEqual(await one.deletions(), []);

  await clock.advance(2 * MINUTE);
  const [deletion] = await one.deletions();
  assert.equal(deletion!.copy!.key, place.key);
  const end = { is: "mirrored", ...place } as const;
  assert.equal(await other.store.renew(upload!, MINUTE), false);
  assert.deepEqual(await other.store.settleUpload(upload!, end, clock.now()), { settled: false });
  await one.store.settleDeletion(deletion!, { is: "deleted" }, clock.now());
  const [again] = await other.upload();
  assert.equal(again!.mediumId, upload!.mediumId);
  assert.deepEqual(await other.store.settleUpload(again!, end, clock.now()), { settled: true });
});

test("a relay is not waited for as long where the link dies soon, and for a day where it is dead", {
  skip,
}, async (t) => {
  const { relays, clock } = await openRelays(t, 2);
  const [one, other] = relays as [Bench, Bench];
  await one.store.noteRelay(NOTE);
  await one.post(video("v1", "https://a.example/1.mp4"));
  const [job] = await one.download();
  await one.spool(job!);
  await clock.advance(job!.deadline - clock.now() - 5 * MINUTE);
  await one.store.noteRelay(NOTE);
  await clock.advance(29 * SECOND);
  assert.deepEqual(await other.store.takeOver(), []);
  await clock.advance(2 * SECOND);
  const [taken] = await other.store.takeOver();
  assert.equal(taken!.mediumId, job!.mediumId);

  const [again] = await other.download();
  await other.spool(again!);
  await other.store.noteRelay(NOTE);
  await clock.advance(23 * HOUR);
  assert.deepEqual(await one.store.takeOver(), [], "a dead link brings nothing, the relay may");
  await clock.advance(2 * HOUR);
  assert.equal((await one.store.takeOver()).length, 1);
});

test("media are skipped for good only where no relay downloads any", { skip }, async (t) => {
  const { relays, clock } = await openRelays(t, 2);
  const [one, other] = relays as [Bench, Bench];
  await one.store.noteRelay(NOTE);
  await other.store.noteRelay({ ...NOTE, mirrors: false });
  await one.post(video("v1", "https://a.example/1.mp4"));
  const state = async () => (await one.store.media({ limit: 1 }))[0]!.state;
  await other.store.skipMedia(clock.now());
  assert.equal(await state(), "pending");
  await one.store.noteRelay({ ...NOTE, mirrors: false });
  await other.store.skipMedia(clock.now());
  assert.equal(await state(), "skipped");
});
