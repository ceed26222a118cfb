import { LeaseLost, RelayError } from "../../errors.ts";
import type { TaskJob } from "../../model/task.ts";
import { createThrottle } from "../../platform/throttle.ts";
import { sleep } from "../../platform/timing.ts";
import { createMoveCopy, type MoveParts } from "./move-copy.ts";

/** Moves: copies that are elsewhere than in the present target → into it, one after the other, behind all that is new. */

/** Copies that are moved at once: many are small, and a bucket that is far away answers slowly. */
const AT_ONCE = 4;

/** How long a copy waits for new ones at most, before it begins and between its pieces, and how often it looks; milliseconds. */
const GIVES_WAY = 5_000;
const LOOK = 50;

/** Bytes of copies after which it is looked again whether new ones wait. */
const PIECE = 8 * 2 ** 20;

/** Waits in milliseconds until what could not be moved is tried again; for a store in trouble; and for a target that is down. */
const WAITS = { first: 1_000, longest: 60_000 };
const STORE_AGAIN = 1_000;
const TARGET_AGAIN = 500;

/** More than any database has: all. */
const ALL = 2 ** 40;

export type Mover = ReturnType<typeof createMover>;

/** `isBusy`: new copies are on their way, and go first. `onSettled` is called after each copy. */
export function createMover(parts: MoveParts & { isBusy(): boolean; onSettled?: (() => void) | undefined }) {
  const { store, targets, ports, targetHealth, isBusy, onSettled } = parts;
  const { clock, log } = ports;
  const { presentId } = targets;
  const running = new Set<Promise<unknown>>();
  let ending = new AbortController();

  async function work(
    job: TaskJob,
    { deleteSource, rate }: { deleteSource: boolean; rate: number | null },
    signal: AbortSignal,
  ): Promise<"done" | "lost"> {
    const { moveCopy } = createMoveCopy(parts);
    const throttle = createThrottle(rate, clock);
    const knownFailures = await ask(() => store.failedMoves(job.id, ALL));
    const failed = new Set(knownFailures.map(({ mediumId }) => mediumId));
    let lastFailure = knownFailures.map(({ mediumId, error }) => `${mediumId}: ${error}`).at(-1) ?? null;
    let said: string | null = null;
    let sinceLook = 0;

    /** A store in trouble is asked until it answers. */
    async function ask<T>(verb: () => Promise<T>): Promise<T> {
      for (;;) {
        try {
          return await verb();
        } catch (error) {
          if (!(error instanceof RelayError) || error.code !== "store_unavailable") throw error;
        }
        await sleep(STORE_AGAIN, clock, signal);
        signal.throwIfAborted();
      }
    }

    /** What it waits for is the task's error meanwhile. */
    async function say(why: string | null): Promise<void> {
      if (why === said) return;
      said = why;
      await ask(() => store.noteWait(job, why === null ? lastFailure : `waits: ${why}`));
    }

    async function giveWay(): Promise<void> {
      const until = clock.elapsed() + GIVES_WAY;
      while (isBusy() && clock.elapsed() < until && !signal.aborted) await sleep(LOOK, clock, signal);
    }

    async function untilTargetAnswers(): Promise<void> {
      while (!targetHealth.mayTry() && !signal.aborted) {
        const why = targetHealth.trouble();
        if (why !== null) await say(why);
        await sleep(TARGET_AGAIN, clock, signal);
      }
    }

    async function one(mediumId: string, bytes: number) {
      let paced = 0;
      const pace = async (piece: number, signal: AbortSignal) => {
        paced += piece;
        sinceLook += piece;
        await throttle(piece, signal);
        if (sinceLook < PIECE) return;
        sinceLook = 0;
        await giveWay();
      };
      await giveWay();
      await untilTargetAnswers();
      signal.throwIfAborted();
      const moved = await ask(() => moveCopy(job, mediumId, { deleteSource, pace }, signal)).finally(onSettled);
      if (moved.is === "moved") await throttle(Math.max(0, bytes - paced), signal);
      return moved;
    }

    async function* elsewhere() {
      for (let from: string | null = null; ; ) {
        const { copies, next } = await ask(() => store.copiesElsewhere(presentId, from));
        for (const copy of copies) if (!failed.has(copy.mediumId)) yield copy;
        if (next === null) return;
        from = next;
      }
    }

    /** All of them once. `again`: how many have to be tried again. */
    async function round() {
      const sum = { moved: 0, again: 0, isLost: false };
      const copies = elsewhere();
      const go = async () => {
        for (;;) {
          const { done, value } = await copies.next();
          if (done || sum.isLost) return;
          const moved = await one(value.mediumId, value.bytes ?? 0);
          if (moved.is === "lost") sum.isLost = true;
          else if (moved.is === "moved") {
            sum.moved++;
            await say(null);
          } else if (moved.is === "failed") {
            failed.add(value.mediumId);
            lastFailure = moved.error;
          } else if (moved.is === "again") {
            sum.again++;
            if (moved.why !== null) await say(moved.why);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, go));
      return sum;
    }

    /** What earlier moves have left behind, also. */
    async function dropFormer(): Promise<void> {
      for (const { id } of await ask(() => store.targets())) {
        const opened = await targets.at(id).then(
          (target) => target?.open(NO_KEY, "GET") ?? null,
          () => null,
        );
        if (opened?.is === "file") await opened.close();
        const at = clock.now() + (opened?.is === "elsewhere" ? opened.lasts : 0);
        while ((await ask(() => store.dropFormerCopies(job, id, at))) > 0) signal.throwIfAborted();
      }
    }

    while ((await ask(() => store.forgetFailedMoves(job))) > 0) signal.throwIfAborted();
    for (let wait = WAITS.first; ; wait = Math.min(2 * wait, WAITS.longest)) {
      const { moved, again, isLost } = await round();
      if (isLost) return "lost";
      if (again === 0) break;
      if (moved > 0) wait = WAITS.first;
      await sleep(wait, clock, signal);
      signal.throwIfAborted();
    }
    if (deleteSource) await dropFormer().finally(onSettled);
    await say(null);
    return "done";
  }

  return {
    /** Again after a stop. */
    start(): void {
      if (ending.signal.aborted) ending = new AbortController();
    },

    /**
     * Moves what is elsewhere into the present target, until nothing is left. Resolves with "stopped" where the mirror has
     * stopped, or the signal was aborted, before; with "lost" where the task has ended, or is another's. `rate`: bytes a second; null: no limit.
     */
    async move(
      job: TaskJob,
      options: { deleteSource: boolean; rate: number | null },
      signal: AbortSignal,
    ): Promise<"done" | "lost" | "stopped"> {
      if (ending.signal.aborted) return "stopped";
      const both = AbortSignal.any([signal, ending.signal]);
      const begun = clock.elapsed();
      const working = work(job, options, both);
      running.add(working);
      try {
        log.info("copies are moved", { task: job.id });
        const end = await working;
        if (end === "done") log.info("copies were moved", { task: job.id, ms: Math.round(clock.elapsed() - begun) });
        return end;
      } catch (error) {
        if (!both.aborted) throw error;
        return signal.aborted && signal.reason instanceof LeaseLost ? "lost" : "stopped";
      } finally {
        running.delete(working);
      }
    },

    /** Ends what is under way; it goes on with the next start. */
    async stop(): Promise<void> {
      ending.abort(new Error("the mirror is stopping"));
      await Promise.allSettled(running);
    },
  };
}

/** No id and no template makes such a key. */
const NO_KEY = "~move";
