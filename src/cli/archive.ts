import { mkdir } from "node:fs/promises";
import type { ArchiveParts } from "../archive/put-part.ts";
import type { Config } from "../config/schema.ts";
import type { Targets } from "../mirror/open-targets.ts";
import { giveToOwnerOf } from "../platform/files/file-system.ts";
import type { ArchiveQueued } from "../store/retention.ts";
import type { Store } from "../store/store.ts";
import { ownFolders } from "../targets/own-folders.ts";
import type { Program } from "./program.ts";

/** The config for a command that reads or fills the archive: with the secrets of the target, where that holds it. */
export async function loadArchiveConfig(program: Program): Promise<Config> {
  const config = await program.loadConfig({ secrets: false });
  return config.retention.archive === "target" ? program.loadConfig({ secrets: "target" }) : config;
}

/** Runs `work` with the archive of a config, beside a relay that may be running. Targets are opened when they are needed. */
export async function withArchive<T>(
  { ports }: Program,
  { config, store }: { config: Config; store: Store },
  work: (parts: ArchiveParts) => Promise<T>,
): Promise<T> {
  const { openShelves } = await import("../archive/shelves.ts");
  const { mirror, dataDir, retention } = config;
  let targets: Promise<Targets> | null = null;
  async function openOnce(): Promise<Targets> {
    const { openTargets } = await import("../mirror/open-targets.ts");
    targets ??= openTargets({ config: mirror, dataDir, store, clock: ports.clock, beside: true });
    return targets;
  }
  const taken = ownFolders(config);
  /** Where something was archived before, a folder that is missing may be a disk that is away. */
  async function make(dir: string): Promise<void> {
    if ((await store.archiveState()).parts > 0) return;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await giveToOwnerOf(dataDir, dir);
  }
  const shelves = openShelves({ archive: retention.archive, targets: openOnce, access: "shared", taken, make });
  try {
    return await work({ store, shelves, ports, dataDir });
  } finally {
    await (await (targets as Promise<Targets> | null))?.close();
  }
}

/** Fills the archive, before it is pruned. */
export async function archiver(parts: ArchiveParts): Promise<ArchiveQueued> {
  const { archiveQueued } = await import("../archive/archive.ts");
  return (by, signal) => archiveQueued(parts, by, signal);
}
