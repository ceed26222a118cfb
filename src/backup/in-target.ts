import { RelayError } from "../errors.ts";
import type { MirrorTarget } from "../targets/target.ts";

/** No template and no id makes a key below this (`keys.ts`), and no media row names one: nobody is served from here. */
const FOLDER = "~backups";

/** What `put` has to know of a backup. */
export type BackupFile = { file: string; bytes: number; sha256: string };

/** Backups in a mirror target. Names are keys, with the folder; all verbs throw what the target throws. */
export type BackupsInTarget = {
  /** Keeps it, confirmed by the target, under a key that it makes of the name. */
  put(name: string, backup: BackupFile, signal: AbortSignal): Promise<string>;
  /** The key that `put` makes of a name. */
  keyOf(name: string): string;
  remove(key: string, signal: AbortSignal): Promise<void>;
  /** What the key holds; RelayError("not_found") where there is nothing. */
  read(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Whether the key holds anything. */
  has(key: string): Promise<boolean>;
};

/** What any target can hold. */
const NAME = /^[\w~-][\w.~-]{0,254}$/;

/** `relay-20261122T031427Z.db` or `~backups/relay-…db`: both name the same. */
export function backupKey(name: string): string {
  return name.startsWith(`${FOLDER}/`) ? name : `${FOLDER}/${name}`;
}

/** Whether a person's word can be the name of a backup. */
export function isBackupName(name: string): boolean {
  return NAME.test(backupKey(name).slice(FOLDER.length + 1));
}

/** All that lie in a target, those of other relays too, newest first. `at`: when it was made, or else put there. Throws what the target throws. */
export async function listBackups(
  target: Pick<MirrorTarget, "list">,
  signal?: AbortSignal,
): Promise<{ name: string; bytes: number; at: number }[]> {
  const found = await target.list(FOLDER, signal);
  return found
    .map(({ key, bytes, modifiedAt }) => ({ name: key, bytes, at: timeIn(key) ?? modifiedAt }))
    .sort((one, other) => other.at - one.at || (one.name < other.name ? 1 : -1));
}

/** As `nameBackup` of the store puts it there. */
function timeIn(name: string): number | null {
  const [, year, month, day, hour, minute, second] = /relay-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(name) ?? [];
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? null : time;
}

export function backupsIn(target: Pick<MirrorTarget, "put" | "delete" | "read" | "head">): BackupsInTarget {
  return {
    async put(name, { file, bytes, sha256 }, signal) {
      const key = backupKey(name);
      const about = { contentType: "application/vnd.sqlite3", bytes, sha256, eventId: "backup", videoId: "backup" };
      const how = { replace: false, again: false, isPrivate: true };
      const placed = await target.put(key, file, { ...about, ...how }, signal);
      if (placed !== "exists-different") return key;
      throw new RelayError("conflict", `the target has another file called ${key} already; try again in a second`);
    },

    keyOf: backupKey,

    remove: (key, signal) => target.delete(key, signal),

    async read(key, signal) {
      const bytes = await target.read(backupKey(key), signal);
      if (bytes === null) throw new RelayError("not_found", `the target has no ${backupKey(key)}`);
      return bytes;
    },

    has: async (key) => (await target.head(backupKey(key))) !== null,
  };
}
