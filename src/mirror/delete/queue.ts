import { errorLine, RelayError } from "../../errors.ts";
import type { Queue } from "../../jobs/worker.ts";
import type { Breaker } from "../../model/health.ts";
import type { DeletionJob } from "../../model/job.ts";
import { within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import { failed, tried, waitOf } from "../../rules/breaker.ts";
import { doublingWait, LOCAL_WAITS } from "../../rules/schedule.ts";
import type { Store } from "../../store/store.ts";
import type { CopyName } from "../../targets/target.ts";
import type { CopyLocks } from "../copy-locks.ts";
import type { Targets } from "../open-targets.ts";
import { clearUnwanted } from "../spool/spool.ts";

/** Deletions: copy that no media row refers to, by any of its names → removed from its target and from the spool. */

/** Timeout of a target's answer, in milliseconds; after it the slot is free for another job. */
const TIMEOUT = 30_000;

/** Milliseconds until a copy is looked at again that another row may name by another address. */
const LOOK_AGAIN = 3_600_000;

const AT_ONCE = 2;

type StoredCopy = NonNullable<DeletionJob["copy"]>;

/**
 * What became of a copy: `none`: the job has none; `other`: its key holds another file; or why its target is not asked now, and
 * the milliseconds until it may be.
 */
type Removal = "none" | "removed" | "shared" | "other" | "in doubt" | { error: string; ms: number };

/** Log lines of jobs that are done. */
const FACTS = {
  none: "spool cleared",
  removed: "media deleted",
  shared: "media not deleted: the copy is shared",
  other: "media not deleted: its place holds another file",
};

/**
 * A deletion, from the present target or a former one, is retried without end. Each target has a circuit breaker: after a
 * failure it is left alone for a doubling wait, then one job at a time tries it. So a target that does not answer takes no slot
 * from jobs of other targets. Uploads to the present target have a breaker that probes (`upload/target-health.ts`); a former
 * target must not be written to.
 */
export function deletionQueue(options: {
  store: Pick<Store, "claimDeletions" | "settleDeletion" | "isCopyWanted" | "isSpooled" | "reviveSpooled">;
  targets: Pick<Targets, "at" | "namesOf" | "presentId">;
  ports: Pick<Ports, "clock" | "log">;
  spoolDir: string;
  /** Shared with the uploads: a key is not written and deleted at once. */
  locks: CopyLocks;
}): Queue<DeletionJob> {
  const { store, targets, spoolDir, locks } = options;
  const { clock, log } = options.ports;
  /** The open breakers, by the target's id. */
  const breakers = new Map<string, Breaker>();

  /** Also when `signal` is aborted it waits for the work: the lock must outlast a deletion under way. */
  function inTime<Result>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    return within(TIMEOUT, clock, (limit) => work(AbortSignal.any([signal, limit])));
  }

  /** Whether a media row refers to the copy; null: none does. */
  async function useOf(names: CopyName[]): Promise<"shared" | "in doubt" | null> {
    let isDoubtful = false;
    for (const { isCertain, target, key } of names) {
      if (!(await store.isCopyWanted({ target, key }))) continue;
      if (isCertain) return "shared";
      isDoubtful = true;
    }
    return isDoubtful ? "in doubt" : null;
  }

  async function removeAt({ target: id, key, bytes }: StoredCopy, signal: AbortSignal): Promise<Removal> {
    const target = await targets.at(id);
    if (target === null) throw new RelayError("target_unavailable", `nothing is known of a target ${id}`);
    const held = bytes === null ? null : await target.head(key);
    if (held !== null && held.bytes !== bytes) return "other";
    signal.throwIfAborted();
    // Also where the key holds nothing: an upload may have left parts that are not listed.
    await target.delete(key, signal);
    return "removed";
  }

  async function throughBreaker(id: string, work: () => Promise<Removal>): Promise<Removal> {
    const breaker = breakers.get(id) ?? null;
    const ms = waitOf(breaker, clock.elapsed());
    if (breaker !== null && ms > 0) return { error: breaker.error, ms };
    if (breaker !== null) breakers.set(id, tried(breaker, { now: clock.elapsed(), patience: TIMEOUT }));
    try {
      const removal = await work();
      breakers.delete(id);
      return removal;
    } catch (error) {
      const failure = { now: clock.elapsed(), error: errorLine(error), waits: LOCAL_WAITS };
      breakers.set(id, failed(breakers.get(id) ?? null, failure));
      throw error;
    }
  }

  async function removeCopy({ copy, videoId }: DeletionJob, signal: AbortSignal): Promise<Removal> {
    if (copy === null) return "none";
    const names = await inTime(signal, () => targets.namesOf(copy));
    const work = async () => {
      signal.throwIfAborted();
      const use = await useOf(names);
      return use ?? throughBreaker(copy.target, () => inTime(signal, (signal) => removeAt(copy, signal)));
    };
    // Uploads go to the present target only, and must not wait for a former one that hangs.
    if (!names.some(({ target }) => target === targets.presentId)) return work();
    // The job does not say of which kind its copy is.
    return locks.withBothLocks(videoId, work);
  }

  async function run(job: DeletionJob, signal: AbortSignal): Promise<void> {
    const fields = { medium: job.mediumId, video: job.videoId, ...(job.copy && { key: job.copy.key }) };
    const retry = async (level: "debug" | "info" | "warn", fact: string, line: string, wait: number) => {
      const [error, at] = [line.slice(0, 500), clock.now() + wait];
      if (!(await store.settleDeletion(job, { is: "retry", error, at }, clock.now())).settled) return;
      const more = { error, attempt: job.attempts + 1, nextAt: new Date(at).toISOString() };
      log[job.attempts === 0 ? level : "debug"](fact, { ...fields, ...more });
    };
    const ownWait = doublingWait(job.attempts + 1, LOCAL_WAITS);
    let removal: Removal;
    try {
      const [spool, copy] = await Promise.allSettled([
        clearUnwanted({ store, clock, spoolDir }, job.mediumId),
        removeCopy(job, signal),
      ]);
      for (const part of [copy, spool]) if (part.status === "rejected") throw part.reason;
      removal = (copy as PromiseFulfilledResult<Removal>).value;
    } catch (error) {
      // The lease ends, and the job is due again.
      if (signal.aborted) return;
      return retry("warn", "media not deleted yet", errorLine(error), ownWait);
    }
    if (removal === "in doubt") {
      const why = "a copy of this name in a bucket of this name is in use";
      return retry("info", "media kept for now", why, LOOK_AGAIN);
    }
    if (typeof removal === "object") {
      return retry("debug", "media not deleted yet", removal.error, Math.max(removal.ms, ownWait));
    }
    if (!(await store.settleDeletion(job, { is: "deleted" }, clock.now())).settled) return;
    log[removal === "none" ? "debug" : "info"](FACTS[removal], fields);
  }

  return {
    name: "delete",
    concurrency: AT_ONCE,
    claim: (wish) => store.claimDeletions(wish),
    run: async (job, { signal }) => (signal.aborted ? undefined : run(job, signal)),
  };
}
