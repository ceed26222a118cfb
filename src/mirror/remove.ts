import type { DeletionJob, DeletionOutcome, Ports } from "../domain.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { Queue } from "../jobs/worker.ts";
import type { Store } from "../store/store.ts";
import { clearSpool } from "./spool.ts";
import type { Targets } from "./targets.ts";
import { type Turns, turnOf } from "./turns.ts";

/** Waits between tries, in milliseconds: from the first, doubled each time, up to the longest. There is no last try. */
const FIRST_WAIT = 10_000;
const LONGEST_WAIT = 300_000;

const AT_ONCE = 2;

/**
 * The queue of deletions: a copy that no media row refers to any longer leaves its target, the present one or a former one,
 * and what the spool still holds of its medium goes, too.
 */
export function createDeletions(options: {
  store: Pick<Store, "claimDeletions" | "settleDeletion" | "isCopyWanted" | "isSpooled">;
  targets: Pick<Targets, "at" | "namesOf">;
  ports: Pick<Ports, "clock" | "log">;
  spoolDir: string;
  /** Shared with the uploads: what is deleted here is not being put there. */
  inTurn: Turns;
}): Queue<DeletionJob> {
  const { store, targets, spoolDir, inTurn } = options;
  const { clock, log } = options.ports;

  async function isWanted({ target, key }: NonNullable<DeletionJob["copy"]>): Promise<boolean> {
    for (const name of await targets.namesOf(target)) {
      if (await store.isCopyWanted({ target: name, key })) return true;
    }
    return false;
  }

  /** Removes the copy; false: somebody wants it again, or shares it. */
  async function removeCopy(copy: NonNullable<DeletionJob["copy"]>): Promise<boolean> {
    if (await isWanted(copy)) return false;
    const target = await targets.at(copy.target);
    if (target === null) throw new RelayError("target_unavailable", `nothing is known of a target ${copy.target}`);
    await target.delete(copy.key);
    return true;
  }

  async function remove(job: DeletionJob): Promise<DeletionOutcome & { removed?: boolean }> {
    try {
      const removed = job.copy !== null && (await removeCopy(job.copy));
      if (!(await store.isSpooled(job.mediumId))) await clearSpool(spoolDir, job.mediumId);
      return { is: "deleted", removed };
    } catch (error) {
      const wait = Math.min(FIRST_WAIT * 2 ** Math.min(job.attempts, 30), LONGEST_WAIT);
      return { is: "retry", error: errorLine(error).slice(0, 500), at: clock.now() + wait };
    }
  }

  function report(job: DeletionJob, outcome: Awaited<ReturnType<typeof remove>>): void {
    const fields = { medium: job.mediumId, video: job.videoId, ...(job.copy && { key: job.copy.key }) };
    if (outcome.is === "retry") {
      const nextAt = new Date(outcome.at).toISOString();
      const failure = { ...fields, error: outcome.error, attempt: job.attempts + 1, nextAt };
      if (job.attempts === 0) log.warn("media not deleted yet", failure);
      else log.debug("media not deleted yet", failure);
    } else if (job.copy === null) log.debug("spool cleared", fields);
    else if (outcome.removed) log.info("media deleted", fields);
    else log.info("media not deleted: the copy is shared", fields);
  }

  async function run(job: DeletionJob, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const outcome = await remove(job);
    const { removed: _, ...settling } = outcome;
    const { settled } = await store.settleDeletion(job, settling, clock.now());
    if (settled) report(job, outcome);
  }

  return {
    name: "delete",
    concurrency: AT_ONCE,
    claim: (limit, now, leaseUntil) => store.claimDeletions({ limit, now, leaseUntil }),
    // A job does not say which of the two its copy is; uploads have one of these turns only, so nobody waits in a circle.
    run: (job, { signal }) =>
      inTurn(turnOf(job.videoId, "video"), () => inTurn(turnOf(job.videoId, "thumbnail"), () => run(job, signal))),
  };
}
