import type { Config } from "../config/schema.ts";
import type { Command } from "../platform/processes/own-process.ts";
import type { Log, Ports } from "../ports.ts";
import { databaseOf } from "../store/backup.ts";
import type { Store } from "../store/store.ts";
import type { MirrorTarget } from "../targets/target.ts";
import { backupProcess, removeUnfinished } from "./make.ts";
import { backupFolder, startBackups } from "./schedule.ts";

/** Backups: due → a process makes and verifies one → folder or target → recorded → older ones are removed. */

export type Backups = { stop(): Promise<void> };

/** Starts the backups of the config. Without `backup` only what unfinished ones left is removed. */
export function openBackups(
  { backup, dataDir, mirror }: Pick<Config, "backup" | "dataDir" | "mirror">,
  {
    store,
    mirrorTarget: target,
    ports,
    self,
  }: { store: Store; mirrorTarget: MirrorTarget; ports: Ports; self: Command },
): Backups {
  // The store logs its own failures.
  void warnOfPublicBackups(mirror.publicBaseUrl, store, target, ports.log).catch(() => {});
  if (backup === null) {
    const stopped = new AbortController();
    const places = { dir: backupFolder({}, dataDir), target, store };
    const cleared = removeUnfinished(places, ports.log, stopped.signal).catch(() => {});
    return {
      async stop() {
        stopped.abort(new Error("the relay stops"));
        await cleared;
      },
    };
  }
  const run = backupProcess(databaseOf(dataDir), self);
  return startBackups({ config: backup, dataDir, store, target, ports, run });
}

/**
 * Logs an error where backups lie in a target that is public: the config alone does not show that. Records of backups that are
 * gone are removed. One that cannot be looked up counts as there.
 */
export async function warnOfPublicBackups(
  publicBaseUrl: string | null,
  store: Pick<Store, "backups">,
  target: Pick<MirrorTarget, "head">,
  log: Pick<Log, "error">,
): Promise<void> {
  if (publicBaseUrl === null) return;
  const there: string[] = [];
  for (const { id, place, name } of await store.backups.list()) {
    if (place !== "target") continue;
    if ((await target.head(name).catch(() => true)) !== null) there.push(name);
    else await store.backups.forget(id);
  }
  if (there.length === 0) return;
  log.error("backups lie in a public target: anyone with their names can read every event; remove them", {
    publicBaseUrl,
    count: there.length,
    newest: there[0],
  });
}
