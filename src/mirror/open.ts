import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { type Queue, startWorker, type Worker } from "../jobs/worker.ts";
import type { Job, QueueName } from "../model/job.ts";
import type { Copy } from "../model/medium.ts";
import { openOutbound } from "../platform/net/outbound.ts";
import { every } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { createCopyLocks } from "./copy-locks.ts";
import { deletionQueue } from "./delete/queue.ts";
import { downloadQueue } from "./download/queue.ts";
import { createMover } from "./move/mover.ts";
import { openTargets } from "./open-targets.ts";
import { createCopies } from "./serve/copy.ts";
import { reviveAll, sweepSpool, sweepUnwanted } from "./spool/spool.ts";
import { uploadQueue } from "./upload/queue.ts";
import { createTargetHealth } from "./upload/target-health.ts";

/** How often the spool is swept of what other relays have ended, in milliseconds. */
const SWEEP_EVERY = 10 * 60_000;

/** The mirror: link → download into the spool → upload to the target, from where the copy is served → deletion. */

/**
 * Opens the targets, clears the spool of files that no medium needs, and makes the queues; work begins with `start`. With
 * mirroring off nothing new is downloaded; uploads and deletions go on. A target or spool that fails now is logged and tried
 * again later. `onSettled` is called after each job.
 */
export async function openMirror(options: {
  config: Pick<Config, "mirror" | "dataDir">;
  store: Store;
  ports: Ports;
  /** Milliseconds. */
  connectTimeout: number;
  onSettled?(): void;
}) {
  const { store, ports, connectTimeout, onSettled } = options;
  const { mirror: config, dataDir } = options.config;
  const { clock, log } = ports;
  const spoolDir = join(dataDir, "spool");
  const outbound = openOutbound({ allowPrivateAddresses: config.allowPrivateAddresses, connectTimeout });
  const targets = await openTargets({ config, dataDir, store, clock, log }).catch(async (error) => {
    await outbound.close();
    throw error;
  });
  const target = targets.present;
  const targetHealth = createTargetHealth({ target, ports, spoolDir });
  const locks = createCopyLocks();

  const heldCopy = async ({ target, key, bytes }: Copy) =>
    (await (await targets.at(target))?.head(key))?.bytes === bytes;

  async function clearSpool(): Promise<void> {
    await reviveAll({ store, clock, spoolDir });
    await sweepSpool(spoolDir, await store.spooledMedia());
  }

  await clearSpool().catch((error) => log.error("the spool cannot be used yet", { error: errorLine(error) }));
  const downloads = downloadQueue({ config, store, outbound, heldCopy, ports, spoolDir });
  const { presentId: targetId } = targets;
  const uploads = uploadQueue({ config, store, target, targetId, ports, spoolDir, targetHealth, locks });
  const deletions = deletionQueue({ store, targets, ports, spoolDir, locks });
  const queues = [...(config.enabled ? [downloads] : []), uploads, deletions];
  /** How many jobs of each queue run. */
  const running: Partial<Record<QueueName, number>> = {};
  // New copies go before those that are moved.
  const isBusy = () => (running.upload ?? 0) > 0 || (running.download ?? 0) >= config.concurrency;
  const mover = createMover({ config, store, targets, ports, spoolDir, targetHealth, locks, isBusy, onSettled });
  let workers: Worker[] = [];
  let endSweeps = () => {};

  return {
    targets,
    copies: createCopies({ store, targets, log }),
    /** In the order of the pipeline; without the downloads where mirroring is off. */
    queues,
    /** Why uploads and why downloads wait, as far as is known; null: they do not. */
    targetTrouble: targetHealth.trouble,
    spoolTrouble: downloads.spoolTrouble,
    /** Starts the workers; again after a stop. */
    start(): void {
      // A settled job may open gates and make the medium's next job due.
      workers = (queues as Queue<Job>[]).map((queue) => {
        const { name } = queue;
        const run: typeof queue.run = (job, lease) => {
          running[name] = (running[name] ?? 0) + 1;
          return queue.run(job, lease).finally(() => {
            running[name]!--;
            onSettled?.();
          });
        };
        return startWorker({ ...queue, run }, store, ports);
      });
      mover.start();
      // A medium whose file lies here may have been settled, or deleted, by another relay.
      if (store.shared !== null) {
        endSweeps = every(SWEEP_EVERY, clock, () => sweepUnwanted({ store, clock, spoolDir }).catch(() => {}));
      }
    },
    /** Moves copies into the present target, as a task asks for it. */
    move: mover.move,
    /** Jobs of these queues, or (without) of any may be due. */
    wake(fed: readonly QueueName[] = queues.map(({ name }) => name)): void {
      for (const [index, { name }] of queues.entries()) if (fed.includes(name)) workers[index]?.wake();
    },
    /** Gives running jobs `grace` milliseconds to end; a later start resumes or repeats what is cut off. */
    async stop(grace: number): Promise<void> {
      endSweeps();
      await Promise.all([mover.stop(), ...workers.splice(0).map((worker) => worker.stop(grace))]);
    },
    /** Closes the connections of a stopped mirror. */
    async close(): Promise<void> {
      await targets.close();
      await outbound.close();
    },
  };
}

export type Mirror = Awaited<ReturnType<typeof openMirror>>;
