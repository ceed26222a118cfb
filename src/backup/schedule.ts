import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { withoutQueries } from "../platform/log/log.ts";
import { abortAfter } from "../platform/timing.ts";
import { type BackupPlaces, makeBackup, type RunBackup, removeBackup, removeUnfinished } from "./make.ts";

/** The wait after a failure, unless the next backup is due sooner. All times are milliseconds. */
const AGAIN_AFTER = 5 * 60_000;

/** The longest wait between two looks at the clock, which may be set, and stands still while the machine sleeps. */
const LOOK_EVERY = 60_000;

/** A backup is stopped when it takes longer than the interval between two, and than this. */
const LEAST_TIMEOUT = 60 * 60_000;

export type BackupParts = Omit<BackupPlaces, "dir"> & {
  config: NonNullable<Config["backup"]>;
  dataDir: string;
  run: RunBackup;
};

export function backupFolder({ dir }: { dir?: string | undefined }, dataDir: string): string {
  return dir ?? join(dataDir, "backups");
}

/**
 * Makes a backup whenever one is due, counted from the last one that the relay made by itself, also before a restart; then
 * removes the oldest beyond `keep`. A failure is logged as an error, and retried. `stop` ends what is under way.
 */
export function startBackups({ config, dataDir, run, ...parts }: BackupParts): { stop(): Promise<void> } {
  const { every, keep, to } = config;
  const { store, ports } = parts;
  const { clock, log } = ports;
  const dir = backupFolder(config, dataDir);
  const places = { dir, ...parts };
  const stopped = new AbortController();
  let notBefore = Number.NEGATIVE_INFINITY;
  let cancel = () => {};
  let turn = Promise.resolve();

  const clear = () => removeUnfinished(places, log, stopped.signal);

  function make(): Promise<string> {
    const timeout = Math.max(every, LEAST_TIMEOUT);
    const late = () => new Error(`it took longer than ${timeout / 60_000} min`);
    const work = (signal: AbortSignal) => makeBackup(places, to, run, signal);
    return abortAfter(timeout, clock, work, { late, signal: stopped.signal }).finally(() => clear().catch(() => {}));
  }

  /** Removes the oldest backups that the relay made by itself; never the newest. */
  async function prune(newest: string): Promise<void> {
    const planned = (await store.backups.list()).filter((backup) => backup.planned);
    for (const { id, place, name } of planned.slice(Math.max(keep, 1))) {
      if (name === newest) continue;
      try {
        await removeBackup(places, { place, name }, stopped.signal);
        await store.backups.forget(id);
      } catch (error) {
        if (stopped.signal.aborted) return;
        log.warn("an old backup was not removed", { name, error: errorLine(error) });
      }
    }
  }

  async function dueAt(): Promise<number> {
    const last = (await store.backups.list()).find(({ planned }) => planned);
    const now = clock.now();
    // A failure while the clock was ahead delays nothing.
    notBefore = Math.min(notBefore, now + Math.min(AGAIN_AFTER, every));
    // After the clock was set back the time since the last one is unknown: the next is due at once.
    return Math.max(notBefore, last === undefined || last.at > now ? now : last.at + every);
  }

  async function makeWhenDue(): Promise<void> {
    const due = await dueAt();
    if (due > clock.now()) return later(Math.min(due - clock.now(), LOOK_EVERY));
    try {
      await clear();
      const name = await make();
      notBefore = Number.NEGATIVE_INFINITY;
      await prune(name);
    } catch (error) {
      if (stopped.signal.aborted) return;
      const at = clock.now();
      notBefore = at + Math.min(AGAIN_AFTER, every);
      const where = to === "dir" ? dir : "mirror.target";
      log.error("backup failed", { to, where, error: errorLine(error), againAt: new Date(notBefore).toISOString() });
      // `doctor` reads it from the database.
      await store.backups
        .noteFailed({ at, error: withoutQueries(errorLine(error)), againAt: notBefore })
        .catch(() => {});
    }
    later(0);
  }

  function later(ms: number): void {
    if (stopped.signal.aborted) return;
    cancel = clock.after(ms, () => {
      turn = makeWhenDue().catch((error) => {
        // The store logs its own failures.
        log.debug("backups wait", { error: errorLine(error) });
        later(LOOK_EVERY);
      });
    });
  }

  turn = clear()
    .catch(() => {})
    .finally(() => later(0));
  return {
    async stop() {
      stopped.abort(new Error("the relay stops"));
      cancel();
      await turn;
    },
  };
}
