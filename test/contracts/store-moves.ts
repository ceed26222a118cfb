import assert from "node:assert/strict";
import type { TaskJob } from "../../src/model/task.ts";
import type { MoveOutcome } from "../../src/store/tasks.ts";
import { LEASE } from "../support/tasks.ts";
import { type Bench, checker, draft, type OpenStore, video } from "./store.ts";

const HOUR = 3_600_000;

/** What every store engine must do for copies that are moved, in the words of CONTRACT ("Media"). */
export function storeMovesContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check("copies elsewhere are counted and moved; each row turns when its copy was put", async (at) => {
    const { store } = at;
    const [one, two] = [await mirrored(at, "v1"), await mirrored(at, "v2")];
    await at.post(video("v3", "https://h/v3.mp4"));
    const { from, to, task, placed, settled } = await moving(at);
    assert.deepEqual(await store.copiesElsewhere(to, null), {
      copies: [one, two].map((mediumId) => ({ mediumId, target: from, bytes: 3 })),
      left: [],
      next: null,
    });
    assert.deepEqual(await store.copiesElsewhere(from, null), { copies: [], left: [], next: null });
    assert.deepEqual(await placed(one, "v1"), { is: "placed", again: false });
    assert.deepEqual(await placed(one, "v1"), { is: "placed", again: true });
    assert.equal((await store.medium(one)).target, from, "it is not there yet");
    assert.equal(await settled(one, "v1"), "moved");
    const { target, key, state, sha256 } = await store.medium(one);
    assert.deepEqual([target, key, state, sha256], [to, "v1/video.mp4", "mirrored", "ab"]);
    assert.deepEqual(await store.copiesElsewhere(to, null), {
      copies: [{ mediumId: two, target: from, bytes: 3 }],
      left: [{ mediumId: one, target: from, bytes: 3 }],
      next: null,
    });
    assert.deepEqual(await at.deletions(), [], "its source stays");
    assert.equal((await store.task(task.id)).done, 1);
    assert.equal(await settled(one, "v1"), "changed", "once");
  });

  check("a source that is to go is deleted at its time, a shared one with the last that had it", async (at) => {
    const { store, clock } = at;
    const one = await mirrored(at, "v1");
    await at.post(video("v1", "https://h/again.mp4"));
    const [job] = await at.download();
    await at.settle(job!, "v1/video.mp4");
    const { from, placed, settled } = await moving(at);
    await placed(one, "v1");
    assert.equal(await settled(one, "v1", { deleteAt: clock.now() }), "moved");
    assert.deepEqual(await at.deletions(), [], "the other medium has it");
    await placed(job!.mediumId, "v1");
    assert.equal(await settled(job!.mediumId, "v1", { deleteAt: clock.now() + HOUR }), "moved");
    assert.deepEqual(await at.deletions(), [], "its time has not come");
    await clock.advance(HOUR);
    assert.deepEqual(copiesOf(await at.deletions()), [{ target: from, key: "v1/video.mp4", bytes: null }]);
    assert.equal((await store.mediumByKey("v1/video.mp4"))?.target, (await store.medium(one)).target);
  });

  check("under another key its links stay", async (at) => {
    const one = await mirrored(at, "v1");
    const { to, settled, placed } = await moving(at);
    await placed(one, "v1");
    const other = { target: to, key: "v1/video.00.mp4" };
    assert.equal((await placed(one, "v1", { ...other, passed: ["v1/video.mp4"] })).is, "placed");
    assert.equal(await settled(one, "v1", { to: other }), "moved");
    for (const key of ["v1/video.mp4", "v1/video.00.mp4"])
      assert.equal((await at.store.mediumByKey(key))?.key, "v1/video.00.mp4");
    assert.deepEqual(await at.deletions(), [], "what was found at the first key is another's");
  });

  check("a forget meanwhile wins: both go, and so does what an earlier move has left", async (at) => {
    const { store, clock } = at;
    const [one, two] = [await mirrored(at, "v1"), await mirrored(at, "v2")];
    const { from, to, placed, settled } = await moving(at);
    for (const [medium, videoId] of [
      [one, "v1"],
      [two, "v2"],
    ] as const) {
      await placed(medium, videoId);
      if (medium === two) assert.equal(await settled(medium, videoId), "moved");
      await store.forgetVideo(videoId, clock.now());
      assert.equal(await settled(medium, videoId), "changed");
      const key = `${videoId}/video.mp4`;
      const gone = copiesOf(await at.deletions()).sort((a, b) => (a!.target < b!.target ? -1 : 1));
      assert.deepEqual(new Set(gone.map((copy) => copy!.target)), new Set([from, to]), videoId);
      assert.ok(gone.every((copy) => copy!.key === key));
    }
  });

  check("a source that was to go later goes at once when its medium is forgotten", async (at) => {
    const { store, clock } = at;
    const one = await mirrored(at, "v1");
    const { from, to, placed, settled } = await moving(at);
    await placed(one, "v1");
    await settled(one, "v1", { deleteAt: clock.now() + HOUR });
    assert.deepEqual(await at.deletions(), []);
    await store.forgetVideo("v1", clock.now());
    const gone = copiesOf(await at.deletions()).map((copy) => copy!.target);
    assert.deepEqual(new Set(gone), new Set([from, to]));
  });

  check("what is being downloaded or uploaded is moved later", async (at) => {
    const { store, clock } = at;
    await at.post(draft("v1", { thumbnailUrl: "https://h/1.jpg" }));
    const [job] = await at.download();
    await at.settle(job!, "v1/thumbnail.jpg", { etag: '"1"' });
    const one = job!.mediumId;
    const { from, to, task } = await moving(at);
    const copy = { mediumId: one, from: { target: from, key: "v1/thumbnail.jpg", sha256: "ab" } };
    const place = () => store.placeMove(task, { ...copy, to: { target: to, key: copy.from.key } }, clock.now());
    assert.equal((await place()).is, "placed");
    // Its link leads to another picture by now, or to the same.
    await at.post(draft("v1", { thumbnailUrl: "https://h/1.jpg", title: "new" }));
    assert.equal((await place()).is, "placed", "not claimed yet");
    const [again] = await at.download();
    assert.equal(again!.previous?.target, from);
    assert.equal((await place()).is, "busy");
    const done: MoveOutcome = { is: "moved", to: { target: to, key: copy.from.key }, deleteAt: clock.now() };
    assert.equal((await store.settleMove(task, copy, done, clock.now())).is, "busy");
    await store.settleDownload(again!, { is: "unchanged", copy: again!.previous! }, clock.now());
    assert.deepEqual((await place()).again, true, "its place is known");
    assert.equal((await store.settleMove(task, copy, done, clock.now())).is, "moved");
    assert.equal((await store.medium(one)).target, to);
  });

  check("a source that is gone is counted, with its reason, and its row stays as it is", async (at) => {
    const { store, clock } = at;
    const [one, two] = [await mirrored(at, "v1"), await mirrored(at, "v2")];
    const { task, placed, copy } = await moving(at);
    await placed(one, "v1");
    const before = await store.medium(one);
    for (const [medium, videoId] of [
      [one, "v1"],
      [two, "v2"],
    ] as const) {
      const failed = { is: "failed", error: "its copy is gone" } as const;
      assert.equal((await store.settleMove(task, copy(medium, videoId), failed, clock.now())).is, "failed");
    }
    assert.deepEqual(await store.medium(one), before);
    const { failed, done, error } = await store.task(task.id);
    assert.deepEqual([failed, done, error], [2, 0, `${two}: its copy is gone`]);
    assert.deepEqual(
      await store.failedMoves(task.id, 9),
      [one, two].map((mediumId) => ({ mediumId, error: "its copy is gone" })),
    );
    assert.deepEqual(await store.failedMoves(task.id, 1), [{ mediumId: one, error: "its copy is gone" }]);
    await store.endRun(task, { total: 2, done: 0, failed: 0, error: null }, clock.now());
    const { state, total, skipped } = await store.task(task.id);
    assert.deepEqual([state, total, skipped], ["done", 2, 0]);
    const next = await moving(at);
    assert.equal(await store.forgetFailedMoves(task), 0, "it has ended");
    assert.equal((await store.failedMoves(task.id, 9)).length, 2);
    assert.equal(await store.forgetFailedMoves(next.task), 2, "the next one says what it cannot do");
    assert.deepEqual(await store.failedMoves(task.id, 9), []);
  });

  check("what earlier moves could not do is forgotten in pieces, at whatever the next one is by then", async (at) => {
    const { store, clock } = at;
    const all = 251;
    const media = Array.from({ length: all }, (_, nth) => `https://h/${nth}.jpg`);
    await Promise.all(media.map((thumbnailUrl, nth) => at.post(draft(`v${nth}`, { thumbnailUrl }))));
    const jobs = await at.download(all);
    assert.equal(jobs.length, all);
    for (const job of jobs) await at.settle(job, `${job.videoId}/video.mp4`);
    const failing = async ({ task, copy }: Awaited<ReturnType<typeof moving>>, some: typeof jobs) => {
      const failed = { is: "failed", error: "its copy is gone" } as const;
      const settle = ({ mediumId, videoId }: (typeof jobs)[number]) =>
        store.settleMove(task, copy(mediumId, videoId), failed, clock.now());
      for (const { is } of await Promise.all(some.map(settle))) assert.equal(is, "failed");
    };
    const first = await moving(at);
    await failing(first, jobs);
    await store.endRun(first.task, { total: all, done: 0, failed: 0, error: null }, clock.now());
    const next = await moving(at);
    assert.equal((await store.failedMoves(first.task.id, 999)).length, all, "as long as that is not asked for");
    assert.equal(await store.forgetFailedMoves(next.task), 250);
    await failing(next, jobs.slice(0, 2));
    // Another worker goes on with it.
    await store.renewTask(next.task, 0);
    const again = (await store.claimTask({ id: next.task.id, now: clock.now(), leaseFor: LEASE })).job!;
    assert.equal(await store.forgetFailedMoves(next.task), 0, "its claim is lost");
    assert.equal(await store.forgetFailedMoves(again), 1);
    assert.equal(await store.forgetFailedMoves(again), 0);
    assert.deepEqual(await store.failedMoves(first.task.id, 9), []);
    assert.equal((await store.failedMoves(next.task.id, 9)).length, 2, "its own stay");
  });

  check("what was put in vain is deleted when its task ends, however it ends, and at a start", async (at) => {
    const { store, clock, reopen } = at;
    const one = await mirrored(at, "v1");
    const { to, task, placed, settled } = await moving(at);
    await placed(one, "v1");
    await store.freeLeases(clock.now());
    assert.deepEqual(await at.deletions(), [], "the task goes on");
    await store.cancelTask(task.id, "stopped", clock.now());
    assert.deepEqual(copiesOf(await at.deletions()), [{ target: to, key: "v1/video.mp4", bytes: 3 }]);
    assert.equal((await placed(one, "v1")).is, "lost");
    assert.equal(await settled(one, "v1"), "lost");
    assert.deepEqual(await at.deletions(), []);
    const next = await moving(at);
    await next.placed(one, "v1");
    await store.endRun(next.task, { total: 1, done: 0, failed: 0, error: null }, clock.now());
    assert.equal((await at.deletions()).length, 1);
    await store.close();
    await (await reopen()).close();
  });

  check("what moves have left behind goes when it is asked for, and what it waits for is said", async (at) => {
    const { store, clock } = at;
    const one = await mirrored(at, "v1");
    const { from, to, task, placed, settled } = await moving(at);
    await placed(one, "v1");
    await settled(one, "v1");
    assert.equal(await store.dropFormerCopies(task, to, clock.now()), 0);
    assert.equal(await store.dropFormerCopies(task, from, clock.now()), 1);
    assert.equal(await store.dropFormerCopies(task, from, clock.now()), 0);
    assert.deepEqual(copiesOf(await at.deletions()), [{ target: from, key: "v1/video.mp4", bytes: 3 }]);
    assert.equal(await store.isCopyWanted({ target: from, key: "v1/video.mp4" }), false);
    await store.noteWait(task, "waits: the bucket is away");
    assert.equal((await store.task(task.id)).error, "waits: the bucket is away");
    await store.noteWait(task, null);
    assert.equal((await store.task(task.id)).error, null);
  });

  check("moved back, a copy that was left is the medium's own again", async (at) => {
    const { store, clock } = at;
    const one = await mirrored(at, "v1");
    const { from, to, task, placed, settled } = await moving(at);
    await placed(one, "v1");
    await settled(one, "v1");
    const key = "v1/video.mp4";
    const back = { mediumId: one, from: { target: to, key, sha256: "ab" } };
    await store.placeMove(task, { ...back, to: { target: from, key } }, clock.now());
    const outcome: MoveOutcome = { is: "moved", to: { target: from, key }, deleteAt: null };
    assert.equal((await store.settleMove(task, back, outcome, clock.now())).is, "moved");
    const { left } = await store.copiesElsewhere(from, null);
    assert.deepEqual(left, [{ mediumId: one, target: to, bytes: 3 }]);
  });
}

/** A video whose copy is at `<id>/video.mp4`; its medium's id. */
async function mirrored(at: Bench, videoId: string): Promise<string> {
  await at.post(video(videoId, `https://h/${videoId}.mp4`));
  const job = (await at.download()).find((one) => one.videoId === videoId)!;
  await at.settle(job, `${videoId}/video.mp4`);
  return job.mediumId;
}

const copiesOf = (jobs: Awaited<ReturnType<Bench["deletions"]>>) => jobs.map(({ copy }) => copy);

/** A task that moves copies into another target. */
async function moving({ store, clock }: Bench) {
  const from = await store.targetId({ type: "local", dir: "/media" });
  const to = await store.targetId({ type: "local", dir: "/other" });
  const { id } = await store.createRun({ verb: "move", options: {}, by: "test" }, clock.now());
  const task: TaskJob = (await store.claimTask({ id, now: clock.now(), leaseFor: LEASE })).job!;
  const copy = (mediumId: string, videoId: string) => ({
    mediumId,
    from: { target: from, key: `${videoId}/video.mp4`, sha256: "ab" },
  });
  type To = { target: string; key: string; passed?: string[] };
  return {
    ...{ from, to, task, copy },
    placed: (mediumId: string, videoId: string, place: To = { target: to, key: `${videoId}/video.mp4` }) =>
      store.placeMove(task, { ...copy(mediumId, videoId), to: place }, clock.now()),
    async settled(mediumId: string, videoId: string, how: { to?: To; deleteAt?: number | null } = {}) {
      const outcome = { is: "moved", to: { target: to, key: `${videoId}/video.mp4` }, deleteAt: null, ...how } as const;
      return (await store.settleMove(task, copy(mediumId, videoId), outcome, clock.now())).is;
    },
  };
}
