import { access, constants, stat } from "node:fs/promises";
import { formatSize } from "../actions/format.ts";
import { codeOf, errorLine } from "../errors.ts";
import { checkEach, type Inspected, LONG_LOG, RESTORE } from "../store/check-tables.ts";
import { type DataFolder, sizeOf } from "./files/data-folder.ts";
import { type Finding, failed, of, ok, USE_ANOTHER_USER, warning } from "./probe.ts";

/** Bytes. A larger database is checked without its indexes, a table at a time, so that the relay's log can be cut in between. */
const LARGE = 256 * 2 ** 20;

/** The database: whose it is, whether it is whole, and how long its write-ahead log is. */
export async function judgeDatabase(
  data: DataFolder,
  inspect: (path: string) => Promise<Inspected>,
  signal: AbortSignal,
  progress: (how: string) => void,
): Promise<Finding[]> {
  if (data.database === null) {
    return [of("file", warning(`none in ${data.path} yet: the relay makes it at its first start`))];
  }
  const { path, bytes } = data.database;
  const log = await sizeOf(`${path}-wal`);
  const unread = await judgeUnread(path, log);
  if (unread !== null) return [of("file", unread)];
  const found: Finding[] = [];
  let opened: Inspected | null = null;
  try {
    opened = await inspect(path);
    const schema = judgeSchema(opened, path, bytes);
    found.push(of("file", schema));
    if (schema.state === "failed") return found;
    const isSmall = bytes <= LARGE;
    const wrong = isSmall ? opened.checkAll() : await checkEach(opened, signal, progress);
    const how = isSmall ? "integrity_check" : "quick_check of each table";
    found.push(of("integrity", wrong.length === 0 ? ok(`${how} finds nothing wrong`) : damaged(path, wrong)));
  } catch (error) {
    const line = errorLine(error);
    if (opened === null) return [of("file", failed(`${path} cannot be opened: ${line}`, RESTORE))];
    found.push(of(found.length === 0 ? "file" : "integrity", damaged(path, [line])));
  } finally {
    opened?.close();
  }
  return [...found, of("log", judgeLog(path, log))];
}

/** Whether a store can be opened on a database with these findings. */
export function isUsable(findings: Finding[]): boolean {
  return ["file", "integrity"].every((part) => findings.some(({ of, state }) => of === part && state === "ok"));
}

/** What is known without reading the database; null: it has to be read. `log`: bytes of its write-ahead log. */
async function judgeUnread(path: string, log: number): Promise<Finding | null> {
  const found = await stat(path).catch(() => null);
  if (found?.isFile() && found.size === 0) {
    if (log === 0) return warning(`${path} is empty: the relay makes its database of it at its next start`);
    // SQLite takes the empty file for a new database, and removes the log (sqlite.org/walformat.html).
    return failed(`${path} is empty, and its write-ahead log is not: the next start would remove that`, RESTORE);
  }
  const refusal = await access(path, constants.R_OK).then(() => null, codeOf);
  return refusal === "EACCES" ? failed(`this user may not read ${path} (EACCES)`, USE_ANOTHER_USER) : null;
}

function judgeSchema(opened: Inspected, path: string, bytes: number): Finding {
  const { isOurs, schema, newest, journalMode } = opened.facts();
  if (!isOurs) {
    const advice = "choose another dataDir, or move it away and restore a backup";
    return failed(`${path} is not a database of wochit-relay`, advice);
  }
  if (schema > newest) {
    return failed(`${path} has schema ${schema}, this program supports ${newest}`, "run the newer wochit-relay");
  }
  if (journalMode !== "wal") {
    const what = `${path} has journal_mode ${journalMode} instead of wal, as a restored one has`;
    return warning(what, "start the relay, which sets it");
  }
  if (schema < newest) {
    return warning(`${path} has schema ${schema}, this program needs ${newest}`, "start this version's relay once");
  }
  return ok(`${path}, ${formatSize(bytes)}, schema ${schema}, write-ahead log`);
}

function damaged(path: string, wrong: string[]): Finding {
  const more = wrong.length > 2 ? `; and ${wrong.length - 2} more` : "";
  return failed(`${path} is damaged: ${wrong.slice(0, 2).join("; ")}${more}`, RESTORE);
}

function judgeLog(path: string, bytes: number): Finding {
  if (bytes <= LONG_LOG) return ok(`the write-ahead log has ${formatSize(bytes)}`);
  return warning(
    `${path}-wal has ${formatSize(bytes)}: a reader of the database that does not end keeps it from being cut`,
    "end what else has relay.db open (see lsof), or restart the relay",
  );
}
