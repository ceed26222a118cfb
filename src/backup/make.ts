import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorLine, RelayError } from "../errors.ts";
import { makeFolders } from "../platform/files/file-system.ts";
import { runOwnProcess } from "../platform/processes/own-process.ts";
import type { Ports } from "../ports.ts";
import { nameBackup, removePart } from "../store/backup.ts";
import type { Backup } from "../store/backups.ts";
import type { Store } from "../store/store.ts";
import type { MirrorTarget } from "../targets/target.ts";
import { backupKey, putBackup } from "./in-target.ts";

/** What a backup's own process reports. */
export type MadeBackup = {
  bytes: number;
  events: number;
  newest: number | null;
  /** Hexadecimal. */
  sha256: string;
};

/** Makes a verified backup at a path. Rejects with one line. When the signal is aborted it ends, and leaves nothing. */
export type RunBackup = (file: string, signal: AbortSignal) => Promise<MadeBackup>;

/** Where backups are, and where they are recorded. */
export type BackupPlaces = {
  /** Where backups are made and, with `to: "dir"`, kept. */
  dir: string;
  target: Pick<MirrorTarget, "put" | "delete">;
  store: Pick<Store, "backups">;
  ports: Pick<Ports, "clock" | "log" | "random">;
};

/**
 * Makes backups in a process of their own (`wochit-relay backup FILE --database PATH`): copying and checking block no event
 * loop of the relay. `self` is how this program is started again. The process is killed at once when it has to end, because
 * its check handles no signal; all that it leaves has one name.
 */
export function backupProcess(database: string, self: { command: string; args: string[] }): RunBackup {
  return async (file, signal) => {
    type Printed = Omit<MadeBackup, "newest"> & { newestEvent: string | null };
    const made = runOwnProcess<Printed>(self, ["backup", file, "--database", database], signal).catch(async (error) => {
      await removePart(file).catch(() => {});
      throw signal.aborted ? error : new RelayError("unsupported", errorLine(error));
    });
    const { bytes, events, newestEvent, sha256 } = await made;
    return { bytes, events, newest: newestEvent === null ? null : Date.parse(newestEvent), sha256 };
  };
}

/** Makes one backup, puts it into the target where it is wanted there, and records it; returns its path or key. `planned`: it is of the schedule. */
export async function makeBackup(
  { dir, target, store, ports }: BackupPlaces,
  to: "dir" | "target",
  run: RunBackup,
  signal: AbortSignal,
  { planned }: Pick<Backup, "planned"> = { planned: true },
): Promise<Backup["name"]> {
  const { clock, log, random } = ports;
  const began = clock.elapsed();
  // In the target the name cannot be guessed by readers of copies.
  const name = nameBackup(clock.now(), to === "target" ? random.bytes(4) : undefined);
  const file = join(dir, name);
  try {
    makeFolders(dir);
  } catch (error) {
    throw new RelayError("unsupported", `${dir} cannot be made: ${errorLine(error)}`);
  }
  // Recorded first, so that it is removed if the relay is killed meanwhile.
  await store.backups.begin({ place: "dir", name: file });
  // By the relay's clock, which the schedule uses: that of the backup's process may be wrong for a moment.
  const at = clock.now();
  const made = await run(file, signal);
  let kept = file;
  if (to === "target") {
    kept = backupKey(name);
    await store.backups.begin({ place: "target", name: kept });
    await putBackup(target, kept, { file, ...made }, signal);
  }
  const { bytes, events, newest } = made;
  await store.backups.note({ at, place: to, name: kept, bytes, events, newest, planned });
  log.info("backup made", { to, name: kept, bytes, events, ms: Math.round(clock.elapsed() - began) });
  return kept;
}

/** Removes a backup, which may be missing. `signal` stops the target. */
export async function removeBackup(
  { dir, target }: Pick<BackupPlaces, "dir" | "target">,
  { place, name: path }: Pick<Backup, "place" | "name">,
  signal: AbortSignal,
): Promise<void> {
  if (place === "target") {
    signal.throwIfAborted();
    return target.delete(path, signal);
  }
  await rm(path, { force: true });
  // The data folder may have been moved together with its backups.
  const moved = join(dir, basename(path));
  if (moved !== path) await rm(moved, { force: true });
}

/** Removes what is left of backups that were begun and not recorded as made. What cannot be removed now stays begun. */
export async function removeUnfinished(places: Omit<BackupPlaces, "ports">, log: Ports["log"], signal: AbortSignal) {
  const { store } = places;
  const begun = await store.backups.begun();
  if (begun.length === 0) return;
  const made = await store.backups.list();
  for (const one of begun) {
    const { place, name } = one;
    try {
      // Before the backup itself: a process that still runs renames its part to the backup's name.
      if (place !== "target") await removePart(name);
      // After the clock was set back an earlier backup may have the same name.
      if (!made.some((other) => other.place === place && other.name === name)) await removeBackup(places, one, signal);
    } catch (error) {
      if (!signal.aborted) {
        log.warn("what is left of a backup was not removed", { place, name, error: errorLine(error) });
      }
      continue;
    }
    await store.backups.end(one);
  }
}
