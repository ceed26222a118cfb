import { errorLine, RelayError } from "../../errors.ts";
import type { Queue } from "../../jobs/worker.ts";
import type { DeletionJob, DeletionOutcome } from "../../model/job.ts";
import type { Turns } from "../../platform/keyed-mutex.ts";
import type { Ports } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import type { CopyName } from "../../targets/copy-names.ts";
import type { Targets } from "../open-targets.ts";
import { clearSpool } from "../spool/spool.ts";
import { turnOf } from "../turn.ts";
import { createRests, type Rest, waitAfter } from "./target-backoff.ts";

/** Milliseconds. A target that has not answered by then has failed, and others get the turn. */
const PATIENCE = 30_000;

/** Milliseconds until it is asked again whether a copy that may be somebody else's by another name still is. */
const LOOK_AGAIN = 3_600_000;

const AT_ONCE = 2;

type StoredCopy = NonNullable<DeletionJob["copy"]>;

/** What became of a copy: `none`: the job has none; `other`: its place holds a file of somebody else's. */
type Removal = "none" | "removed" | "shared" | "other" | "in doubt" | Rest;

/** What is said of it in the log. */
const FACTS = {
  none: "spool cleared",
  removed: "media deleted",
  shared: "media not deleted: the copy is shared",
  other: "media not deleted: its place holds another file",
};

/**
 * The queue of deletions: a copy that no media row refers to any longer, by whatever name, leaves its target, the present one
 * or a former one, and what the spool still holds of its medium goes, too. There is no last try.
 */
export function createDeletions(options: {
  store: Pick<Store, "claimDeletions" | "settleDeletion" | "isCopyWanted" | "isSpooled">;
  targets: Pick<Targets, "at" | "namesOf" | "presentId">;
  ports: Pick<Ports, "clock" | "log">;
  spoolDir: string;
  /** Shared with the uploads: what is deleted here is not being put there. */
  inTurn: Turns;
}): Queue<DeletionJob> {
  const { store, targets, spoolDir, inTurn } = options;
  const { clock, log } = options.ports;
  const rests = createRests(clock);

  async function within<Result>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const stop = new AbortController();
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(PATIENCE, () => {
        const error = new Error(`no answer within ${PATIENCE / 1000} s`);
        stop.abort(error);
        reject(error);
      });
    });
    try {
      return await Promise.race([work(AbortSignal.any([signal, stop.signal])), late]);
    } finally {
      cancel();
    }
  }

  async function clear({ mediumId }: DeletionJob): Promise<void> {
    if (!(await store.isSpooled(mediumId))) await clearSpool(spoolDir, mediumId);
  }

  async function whoWants(names: CopyName[]): Promise<"shared" | "in doubt" | null> {
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
    // Also where nothing is: an upload may have left pieces that nobody sees.
    await target.delete(key, signal);
    return "removed";
  }

  async function askTarget(copy: StoredCopy, names: CopyName[], signal: AbortSignal): Promise<Removal> {
    signal.throwIfAborted();
    const wanted = await whoWants(names);
    if (wanted !== null) return wanted;
    const rest = rests.begin(copy.target);
    if (rest !== null) return rest;
    try {
      const removal = await within(signal, (signal) => removeAt(copy, signal));
      rests.worked(copy.target);
      return removal;
    } catch (error) {
      rests.failed(copy.target, errorLine(error));
      throw error;
    }
  }

  async function removeCopy({ copy, videoId }: DeletionJob, signal: AbortSignal): Promise<Removal> {
    if (copy === null) return "none";
    const rest = rests.restOf(copy.target);
    if (rest !== null) return rest;
    const names = await within(signal, () => targets.namesOf(copy));
    const work = () => askTarget(copy, names, signal);
    // Uploads go to the present target only, and must not wait for a former one that may be dead.
    if (!names.some(({ target }) => target === targets.presentId)) return work();
    // A job does not say which of the two its copy is; uploads have one of these turns only, so nobody waits in a circle.
    return inTurn(turnOf(videoId, "video"), () => inTurn(turnOf(videoId, "thumbnail"), work));
  }

  function settle(job: DeletionJob, outcome: DeletionOutcome): Promise<boolean> {
    return store.settleDeletion(job, outcome, clock.now()).then(({ settled }) => settled);
  }

  async function retry(job: DeletionJob, error: string, wait: number): Promise<Record<string, unknown> | null> {
    const outcome: DeletionOutcome = { is: "retry", error: error.slice(0, 500), at: clock.now() + wait };
    if (!(await settle(job, outcome))) return null;
    return { error: outcome.error, attempt: job.attempts + 1, nextAt: new Date(outcome.at).toISOString() };
  }

  async function run(job: DeletionJob, signal: AbortSignal): Promise<void> {
    const fields = { medium: job.mediumId, video: job.videoId, ...(job.copy && { key: job.copy.key }) };
    const tell = (level: "info" | "warn", fact: string, more: Record<string, unknown> | null) => {
      if (more !== null) log[job.attempts === 0 ? level : "debug"](fact, { ...fields, ...more });
    };
    const ownWait = waitAfter(job.attempts);
    let removal: Removal;
    try {
      const [spool, copy] = await Promise.allSettled([clear(job), removeCopy(job, signal)]);
      for (const part of [copy, spool]) if (part.status === "rejected") throw part.reason;
      removal = (copy as PromiseFulfilledResult<Removal>).value;
    } catch (error) {
      // At a stop the lease ends by itself.
      if (signal.aborted) return;
      return tell("warn", "media not deleted yet", await retry(job, errorLine(error), ownWait));
    }
    if (removal === "in doubt") {
      const why = "a copy of this name in a bucket of this name is in use";
      return tell("info", "media kept for now", await retry(job, why, LOOK_AGAIN));
    }
    if (typeof removal === "object") {
      const more = await retry(job, removal.line, Math.max(removal.ms, ownWait));
      if (more !== null) log.debug("media not deleted yet", { ...fields, ...more });
      return;
    }
    if (!(await settle(job, { is: "deleted" }))) return;
    log[removal === "none" ? "debug" : "info"](FACTS[removal], fields);
  }

  return {
    name: "delete",
    concurrency: AT_ONCE,
    claim: (wish) => store.claimDeletions(wish),
    run: async (job, { signal }) => (signal.aborted ? undefined : run(job, signal)),
  };
}
