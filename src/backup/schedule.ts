import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import { makeFolders } from "../platform/files/plain-file.ts";
import { withoutQueries } from "../platform/log/log.ts";
import type { Ports } from "../ports.ts";
import { nameBackup } from "../store/backup.ts";
import type { Backup } from "../store/backups.ts";
import type { Store } from "../store/store.ts";
import { type BackupTarget, clearBegun, removeBackup } from "./begun.ts";
import type { MadeBackup, RunBackup } from "./process.ts";

/** After a failure it is tried again so much later, or at the next turn, if that is sooner. All times are milliseconds. */
const AGAIN_AFTER = 5 * 60_000;

/** The clock is looked at so often: it may be set, and the machine may have slept. */
const LOOK_EVERY = 60_000;

/** A backup that takes longer than a turn, and than this, is given up. */
const LEAST_PATIENCE = 60 * 60_000;

export type BackupParts = {
  config: NonNullable<Config["backup"]>;
  dataDir: string;
  store: Pick<Store, "backups">;
  target: BackupTarget;
  ports: Pick<Ports, "clock" | "log" | "random">;
  run: RunBackup;
};

/** Where backups are made, and, with `to: "dir"`, kept. */
export function backupFolder({ dir }: { dir?: string | undefined }, dataDir: string): string {
  return dir ?? join(dataDir, "backups");
}

/**
 * Makes a backup whenever its time has come, which follows from the last one that the relay made by itself, also if that was
 * before a restart. Whatever goes wrong is an error in the log, and is tried again. `stop` ends what is under way.
 */
export function startBackups({ config, dataDir, store, target, ports, run }: BackupParts): { stop(): Promise<void> } {
  const { every, keep, to } = config;
  const { clock, log, random } = ports;
  const dir = backupFolder(config, dataDir);
  const stopped = new AbortController();
  const places = { dir, target, signal: stopped.signal };
  let notBefore = Number.NEGATIVE_INFINITY;
  let cancel = () => {};
  let turn = Promise.resolve();

  async function make(): Promise<Backup["name"]> {
    const began = clock.elapsed();
    const limit = new AbortController();
    const patience = Math.max(every, LEAST_PATIENCE);
    const off = clock.after(patience, () => limit.abort(new Error(`it took longer than ${patience / 60_000} min`)));
    const signal = AbortSignal.any([stopped.signal, limit.signal]);
    // In the target it is as secret as the target is.
    const name = nameBackup(clock.now(), to === "target" ? random.bytes(4) : undefined);
    const file = join(dir, name);
    try {
      makeFolder(dir);
      // Whatever happens to the relay meanwhile: what nobody knows of would never be removed.
      await store.backups.begin({ place: "dir", name: file });
      // By this clock, which the turns go by: the backup's own process may be under one that is wrong for a moment.
      const at = clock.now();
      const made = await run(file, signal);
      const kept = to === "dir" ? file : await upload(name, file, made, signal);
      const { bytes, events, newest } = made;
      await store.backups.note({ at, place: to, name: kept, bytes, events, newest, planned: true });
      log.info("backup made", { to, name: kept, bytes, events, ms: Math.round(clock.elapsed() - began) });
      return kept;
    } finally {
      off();
      await clearBegun(store, places, log).catch(() => {});
    }
  }

  async function upload(name: string, file: string, made: MadeBackup, signal: AbortSignal): Promise<string> {
    await store.backups.begin({ place: "target", name: target.keyOf(name) });
    return target.put(name, { file, ...made }, signal);
  }

  /** Of those that it made by itself: whatever is beyond `keep`. The newest is never among them. */
  async function prune(newest: string): Promise<void> {
    const planned = (await store.backups.list()).filter((backup) => backup.planned);
    for (const { id, place, name } of planned.slice(Math.max(keep, 1))) {
      if (name === newest) continue;
      try {
        await removeBackup({ place, name }, places);
        await store.backups.forget(id);
      } catch (error) {
        if (stopped.signal.aborted) return;
        log.warn("an old backup was not removed", { name, error: errorLine(error) });
      }
    }
  }

  async function tellAge(): Promise<void> {
    const last = await store.backups.last();
    if (last === null || clock.now() - last.at <= 2 * every) return;
    const minutes = Math.round((clock.now() - last.at) / 60_000);
    log.warn("the last backup is old", { madeAt: new Date(last.at).toISOString(), minutes, name: last.name });
  }

  /** When the next is due. Where the clock was set back, nothing is known of the time since the last one: then at once. */
  async function dueAt(): Promise<number> {
    const last = (await store.backups.list()).find(({ planned }) => planned);
    const now = clock.now();
    // A failure while the clock was ahead holds nothing up.
    notBefore = Math.min(notBefore, now + Math.min(AGAIN_AFTER, every));
    return Math.max(notBefore, last === undefined ? now : last.at > now ? now : last.at + every);
  }

  async function look(): Promise<void> {
    const due = await dueAt();
    if (due > clock.now()) return later(Math.min(due - clock.now(), LOOK_EVERY));
    try {
      await clearBegun(store, places, log);
      const name = await make();
      notBefore = Number.NEGATIVE_INFINITY;
      await prune(name);
    } catch (error) {
      if (stopped.signal.aborted) return;
      const at = clock.now();
      notBefore = at + Math.min(AGAIN_AFTER, every);
      const where = to === "dir" ? dir : "mirror.target";
      log.error("backup failed", { to, where, error: errorLine(error), againAt: new Date(notBefore).toISOString() });
      // For whoever asks the database: doctor does.
      await store.backups
        .noteFailed({ at, error: withoutQueries(errorLine(error)), againAt: notBefore })
        .catch(() => {});
      await tellAge();
    }
    later(0);
  }

  function later(ms: number): void {
    if (stopped.signal.aborted) return;
    cancel = clock.after(ms, () => {
      turn = look().catch((error) => {
        // The store is in trouble, and says so itself.
        log.debug("backups wait", { error: errorLine(error) });
        later(LOOK_EVERY);
      });
    });
  }

  turn = tellAge()
    .then(() => clearBegun(store, places, log))
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

function makeFolder(dir: string): void {
  try {
    makeFolders(dir);
  } catch (error) {
    throw new RelayError("unsupported", `${dir} cannot be made: ${errorLine(error)}`);
  }
}
