import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import type { Queue } from "../jobs/worker.ts";
import type { Job } from "../model/job.ts";
import type { Copy } from "../model/medium.ts";
import { createTurns } from "../platform/keyed-mutex.ts";
import type { Outbound } from "../platform/net/outbound.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { createDeletions } from "./delete/queue.ts";
import { createDownloads } from "./download/queue.ts";
import { openTargets, type Targets } from "./open-targets.ts";
import { spooledFiles, sweepSpool } from "./spool/spool.ts";
import { createUploads } from "./upload/queue.ts";
import { createTargetHealth } from "./upload/target-health.ts";

/** The whole mirror: where copies are, and the work on them. */
export type Mirror = {
  targets: Targets;
  /** Downloads (where mirroring is on), uploads and deletions, in the order of the pipeline. */
  queues: Queue<Job & never>[];
  /** Why copies cannot be kept, and why media cannot be downloaded, as far as is known; null: nothing is wrong. */
  targetTrouble(): string | null;
  spoolTrouble(): string | null;
  close(): Promise<void>;
};

/**
 * Opens the targets, clears the spool of what nobody wants any longer, and makes the queues. With mirroring off nothing new
 * is downloaded; what is in the spool still goes to its target, and deletions are made. A target or a spool that cannot be
 * used now keeps nobody from starting.
 */
export async function openMirror(options: {
  config: Pick<Config, "mirror" | "dataDir">;
  store: Store;
  outbound: Outbound;
  ports: Ports;
}): Promise<Mirror> {
  const { store, outbound, ports } = options;
  const { mirror: config, dataDir } = options.config;
  const { clock, log } = ports;
  const spoolDir = join(dataDir, "spool");
  const targets = await openTargets({ config, dataDir, store, clock, log });
  const targetHealth = createTargetHealth({ target: targets.present, ports, spoolDir });
  const inTurn = createTurns();

  async function heldCopy({ target, key, bytes }: Copy): Promise<boolean | null> {
    try {
      const held = await (await targets.at(target))?.head(key);
      return held?.bytes === bytes;
    } catch {
      return null;
    }
  }

  async function clearSpool(): Promise<void> {
    await store.reviveSpooled(await spooledFiles(spoolDir), clock.now());
    await sweepSpool(spoolDir, await store.spooledMedia());
  }

  await clearSpool().catch((error) => log.error("the spool cannot be used yet", { error: errorLine(error) }));
  const downloads = createDownloads({ config, store, outbound, heldCopy, ports, spoolDir });
  const uploads = createUploads({
    config,
    store,
    target: targets.present,
    targetId: targets.presentId,
    ports,
    spoolDir,
    targetHealth,
    inTurn,
  });
  const deletions = createDeletions({ store, targets, ports, spoolDir, inTurn });
  const queues = [...(config.enabled ? [downloads] : []), uploads, deletions];

  return {
    targets,
    queues: queues as unknown as Queue<Job & never>[],
    targetTrouble: targetHealth.trouble,
    spoolTrouble: downloads.spoolTrouble,
    close: targets.close,
  };
}
