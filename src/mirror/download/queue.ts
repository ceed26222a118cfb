import type { Config } from "../../config/schema.ts";
import { errorLine } from "../../errors.ts";
import { HELD_BACK, type Lease, type Queue } from "../../jobs/worker.ts";
import type { DownloadJob } from "../../model/job.ts";
import type { Copy } from "../../model/medium.ts";
import type { Outbound } from "../../platform/net/outbound.ts";
import type { Ports } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { NeverMedia } from "../errors.ts";
import { createRoom } from "../spool/disk-space.ts";
import { createUnfinished, type SlowDownload } from "../spool/in-progress.ts";
import { clearSpool, clearStart, dropLargestRemainder, probeSpool } from "../spool/spool.ts";
import { prepareFile } from "./attempt.ts";
import { judgeFailure, reportOutcome } from "./failure.ts";
import { createAlarm, kindOf } from "./own-trouble.ts";
import { LIMITS, type Limits } from "./rate-limits.ts";
import { keepRemainder } from "./remainder.ts";

/** Unfinished downloads in all, in slots of `concurrency`: the slow ones that have given their slot away count too. */
const UNFINISHED = 4;

/** So long (milliseconds) what was found out of the spool stays true. */
const READY_FOR = 250;

/** A spool that is in trouble is written to this often, to find out whether that is over; milliseconds. */
const PROBE_EVERY = 1_000;

/** In the alarm: all downloads together, which do not begin while the spool is in trouble. */
const EVERYBODY = "*";

export type DownloadOptions = {
  config: Pick<Config["mirror"], "concurrency" | "maxSize" | "minFreeDisk">;
  store: Pick<Store, "claimDownloads" | "settleDownload" | "isSpooled">;
  outbound: Outbound;
  /** Whether a former copy is in its target still; null: that cannot be said now. */
  heldCopy(copy: Copy): Promise<boolean | null>;
  ports: Pick<Ports, "clock" | "log">;
  /** A folder of our own (`spool.ts`), best on the file system of a local target. */
  spoolDir: string;
  limits?: Partial<Limits>;
};

export type Downloads = Queue<DownloadJob> & {
  /** Why downloads wait (low disk, a spool that cannot be written), as far as is known; null: nothing is wrong. */
  spoolTrouble(): string | null;
};

/** The queue of downloads: each job's file is fetched into the spool, proven, made durable, and its row settled. */
export function createDownloads(options: DownloadOptions): Downloads {
  const { config, store, ports, spoolDir } = options;
  const { clock } = ports;
  const limits = { ...LIMITS, ...options.limits };
  const unfinished = createUnfinished();
  const room = createRoom(spoolDir, config.minFreeDisk);
  const alarm = createAlarm(ports);
  const most = UNFINISHED * config.concurrency;
  let gaveUpAt = Number.NEGATIVE_INFINITY;
  let probedAt = Number.NEGATIVE_INFINITY;
  let readyAt = Number.NEGATIVE_INFINITY;

  /** Whether anything may begin. While it may not, jobs are left where they are: they lose no attempt and no place. */
  async function isReady(): Promise<boolean> {
    if (clock.elapsed() - readyAt < READY_FOR) return true;
    const isSuspect = alarm.has("spool") && clock.elapsed() - probedAt >= PROBE_EVERY;
    if (isSuspect) probedAt = clock.elapsed();
    try {
      await probeSpool(spoolDir, isSuspect);
      await room.check();
      alarm.clear(EVERYBODY);
      readyAt = clock.elapsed();
      return true;
    } catch (error) {
      alarm.raise(kindOf(error), EVERYBODY, errorLine(error));
      if (kindOf(error) === "room") await tidy(dropLargestRemainder(spoolDir));
      return false;
    }
  }

  async function tidy(work: Promise<void>): Promise<void> {
    // The next start removes it.
    await work.catch((error) => ports.log.warn("spool not tidied", { error: errorLine(error) }));
  }

  /** A claim that was lost may mean that nobody wants the medium any longer: then it leaves nothing behind. */
  async function clearUnwanted({ mediumId }: DownloadJob): Promise<void> {
    if (!(await store.isSpooled(mediumId))) await clearSpool(spoolDir, mediumId);
  }

  async function run(job: DownloadJob, { signal, yieldSlot }: Lease): Promise<void> {
    const started = clock.elapsed();
    let requestedAt: number | null = null;
    let progressed = false;
    const outcome = await prepareFile({
      ...options,
      limits,
      room,
      job,
      signal,
      onRequest() {
        requestedAt = clock.now();
      },
      onSlow(slow: SlowDownload) {
        unfinished.note(job, slow);
        yieldSlot();
      },
      onWhole: () => unfinished.note(job, null),
      onProgress() {
        progressed = true;
      },
    }).catch(async (error: unknown) => {
      if (signal.aborted) return null;
      const judge = (cause: unknown) =>
        judgeFailure(cause, { job, now: clock.now(), requestedAt, progressed, limits, alarm });
      const failure = judge(error);
      if (failure.is === "retry" || error instanceof NeverMedia) return failure;
      // No better one will come: what came before is kept.
      return keepRemainder({ spoolDir, job, room, maxSize: config.maxSize, signal }).then(
        (file) => (file === null ? failure : ({ is: "spooled", file } as const)),
        (trouble) => (signal.aborted ? null : judge(trouble)),
      );
    });
    if (outcome?.is !== "retry" || !outcome.own) alarm.clear(job.mediumId);
    const isOurs = outcome !== null && !signal.aborted;
    if (!isOurs || !(await store.settleDownload(job, outcome, clock.now())).settled) return tidy(clearUnwanted(job));
    reportOutcome(ports.log, job, outcome, clock.elapsed() - started);
    if (outcome.is === "spooled") await tidy(clearStart(spoolDir, job.mediumId));
    else if (outcome.is !== "retry") await tidy(clearSpool(spoolDir, job.mediumId));
  }

  return {
    name: "download",
    concurrency: config.concurrency,
    spoolTrouble: alarm.line,

    async claim(wish) {
      if (!(await isReady())) return HELD_BACK;
      let places = most - unfinished.count();
      // Links that are tried again take places from slow ones only now and then; first tries as fast as slots allow.
      const mayGiveUp = places <= 0 && unfinished.hasSlow() && clock.elapsed() - gaveUpAt >= limits.yieldAfter;
      if (mayGiveUp) places = 1;
      if (places <= 0) return HELD_BACK;
      // Hosts that have the fewest unfinished downloads come first: a flood of one host's links holds nobody else's up.
      for (let share = config.concurrency; ; share += config.concurrency) {
        const busyHosts = unfinished.hostsWith(share);
        const claimed = await store.claimDownloads({ ...wish, limit: Math.min(wish.limit, places), busyHosts });
        const { jobs } = claimed;
        if (jobs.length === 0 && busyHosts.length > 0) continue;
        if (jobs[0] !== undefined && unfinished.count() >= most) {
          if (jobs[0].attempts > 0) gaveUpAt = clock.elapsed();
          unfinished.giveUpSlowest();
        }
        return claimed;
      }
    },

    async run(job, lease) {
      unfinished.add(job);
      try {
        await run(job, lease);
      } finally {
        unfinished.remove(job);
      }
    },
  };
}
