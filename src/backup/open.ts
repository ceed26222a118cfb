import type { Config } from "../config/schema.ts";
import type { Ports } from "../ports.ts";
import { databaseOf } from "../store/backup.ts";
import type { Store } from "../store/store.ts";
import type { MirrorTarget } from "../targets/target.ts";
import { clearBegun } from "./begun.ts";
import { backupsIn } from "./in-target.ts";
import { backupProcess } from "./process.ts";
import { warnOfPublicBackups } from "./public-warning.ts";
import { backupFolder, startBackups } from "./schedule.ts";

export type Backups = { stop(): Promise<void> };

/** How this program is started again, in a process of its own. */
export type Command = { command: string; args: string[] };

/** The backups that the config asks for; without a wish there are none, and only what was cut off before is removed. */
export function openBackups(
  { backup, dataDir, mirror }: Pick<Config, "backup" | "dataDir" | "mirror">,
  { store, mirrorTarget, ports, self }: { store: Store; mirrorTarget: MirrorTarget; ports: Ports; self: Command },
): Backups {
  const target = backupsIn(mirrorTarget);
  // The store, where it is in trouble, says so itself.
  void warnOfPublicBackups(mirror.publicBaseUrl, store, target.has, ports.log).catch(() => {});
  if (backup === null) {
    const stopped = new AbortController();
    const places = { dir: backupFolder({}, dataDir), target, signal: stopped.signal };
    const cleared = clearBegun(store, places, ports.log).catch(() => {});
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
