import type { Config } from "../config/schema.ts";
import { type Lease, startWorker, type Worker } from "../jobs/worker.ts";
import { type Mirror, openMirror } from "../mirror/open.ts";
import type { Job } from "../model/job.ts";
import { openOutbound } from "../platform/net/outbound.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";

/** The mirror with its workers and its way out. */
export type Mirroring = Pick<Mirror, "targets" | "targetTrouble" | "spoolTrouble"> & {
  /** Begins to work the queues; again after a stop. */
  start(): void;
  wake(): void;
  /** Jobs under way have `grace` milliseconds; a download or an upload that is cut off goes on, or begins anew, later. */
  stop(grace: number): Promise<void>;
  /** Ends its connections; for one that has stopped. */
  close(): Promise<void>;
};

/** Opens the mirror of a config; nothing is worked on before `start`. `onSettled`: something may follow from a job. */
export async function openMirroring(options: {
  config: Pick<Config, "mirror" | "dataDir">;
  store: Store;
  ports: Ports;
  connectTimeout: number;
  onSettled(): void;
}): Promise<Mirroring> {
  const { config, store, ports, connectTimeout, onSettled } = options;
  const { allowPrivateAddresses } = config.mirror;
  const outbound = openOutbound({ allowPrivateAddresses, connectTimeout });
  const mirror = await openMirror({ config, store, outbound, ports }).catch(async (error) => {
    await outbound.close();
    throw error;
  });
  // A medium that is settled may have opened gates, and one step of it leads to the next.
  const queues = mirror.queues.map((queue) => ({
    ...queue,
    run: (job: Job & never, lease: Lease) => queue.run(job, lease).finally(onSettled),
  }));
  let workers: Worker[] = [];

  return {
    targets: mirror.targets,
    targetTrouble: mirror.targetTrouble,
    spoolTrouble: mirror.spoolTrouble,
    start() {
      workers = queues.map((queue) => startWorker(queue, store, ports));
    },
    wake() {
      for (const worker of workers) worker.wake();
    },
    async stop(grace) {
      const stopped = workers.splice(0);
      await Promise.all(stopped.map((worker) => worker.stop(grace)));
    },
    async close() {
      await mirror.close();
      await outbound.close();
    },
  };
}
