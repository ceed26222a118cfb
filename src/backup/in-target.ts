import { RelayError } from "../errors.ts";
import type { MirrorTarget } from "../targets/target.ts";

/** No template and no id makes a key below this (`object-keys.ts`), and no media row has one: it is never served. */
const FOLDER = "~backups";

/** File names that every target accepts. */
const NAME = /^[\w~-][\w.~-]{0,254}$/;

/** The key of a name with or without its folder: `relay-20261122T031427Z.db`, `~backups/relay-…db`. */
export function backupKey(name: string): string {
  return name.startsWith(`${FOLDER}/`) ? name : `${FOLDER}/${name}`;
}

/** Whether a user's input can be the name of a backup. */
export function isBackupName(name: string): boolean {
  return NAME.test(backupKey(name).slice(FOLDER.length + 1));
}

/** All backups in a target, those of other relays included, newest first. `at` is the time in the name, else of the upload. */
export async function listBackups(
  target: Pick<MirrorTarget, "list">,
  signal?: AbortSignal,
): Promise<{ name: string; bytes: number; at: number }[]> {
  const found = await target.list(FOLDER, signal);
  return found
    .map(({ key, bytes, modifiedAt }) => ({ name: key, bytes, at: timeIn(key) ?? modifiedAt }))
    .sort((one, other) => other.at - one.at || (one.name < other.name ? 1 : -1));
}

/** The time that `nameBackup` of the store writes into a name; null: none. */
function timeIn(name: string): number | null {
  const [, year, month, day, hour, minute, second] = /relay-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(name) ?? [];
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? null : time;
}

/** Puts a backup into the target, confirmed. Throws what the target throws. */
export async function putBackup(
  target: Pick<MirrorTarget, "put">,
  key: string,
  { file, bytes, sha256 }: { file: string; bytes: number; sha256: string },
  signal: AbortSignal,
): Promise<void> {
  const about = { contentType: "application/vnd.sqlite3", bytes, sha256, eventId: "backup", videoId: "backup" };
  const how = { replace: false, again: false, isPrivate: true };
  const placed = await target.put(key, file, { ...about, ...how }, signal);
  if (placed !== "exists-different") return;
  throw new RelayError("conflict", `the target has another file called ${key} already; try again in a second`);
}
