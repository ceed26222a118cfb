import type { Config } from "../config.ts";
import type { Ports } from "../domain.ts";
import { backupsIn } from "../mirror/backups.ts";
import type { Targets } from "../mirror/targets.ts";
import { backupProcess } from "../operate/backup/process.ts";
import { startBackups } from "../operate/backup.ts";
import { selfCommand } from "../platform/runtime.ts";
import { databaseOf } from "../store/backup.ts";
import type { Store } from "../store/store.ts";

export type Backups = { stop(): Promise<void> };

/** The backups that the config asks for; without a wish there are none. */
export function openBackups(
  { backup, dataDir }: Pick<Config, "backup" | "dataDir">,
  { store, targets, ports }: { store: Store; targets: Targets; ports: Ports },
): Backups {
  if (backup === null) return { async stop() {} };
  const run = backupProcess(databaseOf(dataDir), selfCommand(), ports.clock.after);
  return startBackups({ config: backup, dataDir, store, target: backupsIn(targets.present), ports, run });
}
