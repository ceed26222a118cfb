import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { nullWhereMissing } from "../../platform/files/file-system.ts";
import { COMPANIONS } from "../../store/backup.ts";
import { type Finding, failed, ok } from "../probe.ts";
import type { DataFolder } from "./data-folder.ts";
import { may, ownerName } from "./permissions.ts";

/** The most files of one folder that are examined; a spool or a media folder may hold millions. */
const MOST_FILES = 5_000;

/** The most files that the chown(1) of the advice names. */
const MOST_NAMED = 10;

/** What the relay has in its folders; they may hold other files, like the `lost+found` of a disk. */
const DATABASE = ["relay.db", ...COMPANIONS.map((end) => `relay.db${end}`)];
const OWN = [...DATABASE, "relay.lock", "reserve", "spool"];
const SPOOLED = /\.(part|part\.json|best|unpacked|file)$/;
/** A part of an object key, or the folder of unfinished copies (targets/local). */
const COPIES = /^[\w~-][\w.~-]*$|^\.incoming$/;

/** What the relay does with a file. A copy is read, and removed by write access to its folder. */
type Use = "change" | "read" | "copy";

/**
 * Files that root or another user has left in the relay's folders, where the relay may not use them: without this line a restart
 * would be the first to show it.
 */
export async function judgeOwnership(
  { path: dataDir, account }: DataFolder,
  mediaDir: string | null,
): Promise<Finding | []> {
  if (account === null) return [];
  const wrong: string[] = [];
  let count = 0;
  async function look(path: string, use: Use): Promise<void> {
    const file = await lstat(path).catch(nullWhereMissing);
    if (file === null) return;
    count++;
    const isRead = use === "read" || (use === "copy" && file.isFile());
    if (file.isSymbolicLink() || (may(account!, "read", file) && (isRead || may(account!, "write", file)))) return;
    wrong.push(path);
    // The user who made this folder may have made what is in it.
    if (use === "copy" && file.isDirectory()) await lookInto(path, COPIES, use);
  }
  async function lookInto(folder: string, names: RegExp, use: Use): Promise<void> {
    const found = (await readdir(folder).catch(nullWhereMissing)) ?? [];
    for (const name of found.filter((one) => names.test(one)).slice(0, MOST_FILES)) {
      await look(join(folder, name), use);
    }
  }
  for (const name of OWN) await look(join(dataDir, name), "change");
  await look(join(dataDir, ".native"), "read");
  await lookInto(join(dataDir, "spool"), SPOOLED, "change");
  if (mediaDir !== null) await lookInto(mediaDir, COPIES, "copy");
  if (wrong.length === 0) return ok(`${count} files and folders, all of them usable for ${account.name}`);
  const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : "";
  const rest = wrong.length > MOST_NAMED ? ", then run doctor again for the others" : "";
  return failed(
    `${wrong.slice(0, 3).join(", ")}${more}: the relay's user ${account.name} cannot use ${wrong.length === 1 ? "it" : "them"}`,
    `chown ${ownerName(account)} ${wrong.slice(0, MOST_NAMED).join(" ")}${rest}`,
  );
}
