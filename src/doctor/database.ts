import { access, constants, stat } from "node:fs/promises";
import { tellSize } from "../actions/format-size.ts";
import { errorLine } from "../errors.ts";
import { checkEach, type Inspected, RESTORE } from "../store/check-tables.ts";
import type { Place } from "./files/place.ts";
import { AS_SOMEBODY_ELSE, type Finding, failed, of, ok, type Probe, warning } from "./probe.ts";

/** Milliseconds. It is looked at between two tables: while SQLite reads one, nothing else runs. */
const PATIENCE = 30 * 60_000;

/** Bytes. A larger one is checked without its indexes, a table at a time, so that the relay's log can be taken in between. */
const LARGE = 256 * 2 ** 20;

/** The relay's log is cut to 64 MiB whenever it has been taken over; much more is a log that cannot be. */
const LONG_LOG = 256 * 2 ** 20;

/** What became of looking at it: whether a store can be opened on it. */
export type Verdict = { isUsable: boolean };

/** The database: whose it is, whether it is whole, and how long its log is. Says in `verdict` whether more can be asked of it. */
export function databaseProbe(options: {
  place: () => Promise<Place>;
  inspect(path: string): Promise<Inspected>;
  verdict: Verdict;
}): Probe {
  const { place, inspect, verdict } = options;
  return {
    name: "database",
    patience: PATIENCE,
    async run(signal, tell) {
      const { dataDir, database } = await place();
      if (database === null)
        return of("file", warning(`none in ${dataDir} yet: the relay makes it at its first start`));
      const { path, bytes } = database;
      const log = await stat(`${path}-wal`).then(
        ({ size }) => size,
        () => 0,
      );
      const unread = await judgeUnread(path, log);
      if (unread !== null) return of("file", unread);
      const found: Finding[] = [];
      let opened: Inspected;
      try {
        opened = await inspect(path);
      } catch (error) {
        return of("file", failed(`${path} cannot be opened: ${errorLine(error)}`, RESTORE));
      }
      try {
        const schema = judgeSchema(opened, path, bytes);
        found.push(of("file", schema));
        if (schema.state === "failed") return found;
        const wrong = await check(opened, bytes, signal, tell);
        const how = bytes <= LARGE ? "integrity_check" : "quick_check of each table";
        verdict.isUsable = wrong.length === 0 && schema.state === "ok";
        found.push(of("integrity", wrong.length === 0 ? ok(`${how} finds nothing wrong`) : damaged(path, wrong)));
      } catch (error) {
        found.push(of(found.length === 0 ? "file" : "integrity", damaged(path, [errorLine(error)])));
      } finally {
        opened.close();
      }
      found.push(of("log", judgeLog(path, log)));
      return found;
    },
  };
}

/** What can be said without reading it; null: it has to be read. `log`: bytes of its write-ahead log. */
async function judgeUnread(path: string, log: number): Promise<Finding | null> {
  const found = await stat(path).catch(() => null);
  if (found?.isFile() && found.size === 0) {
    // SQLite takes the one for a new database, and then removes the other (sqlite.org/walformat.html).
    if (log > 0)
      return failed(`${path} is empty, and its write-ahead log is not: the next start would end that`, RESTORE);
    return warning(`${path} is empty: the relay makes its database of it at its next start`);
  }
  const refusal = await access(path, constants.R_OK).then(
    () => null,
    ({ code }: NodeJS.ErrnoException) => code,
  );
  return refusal === "EACCES" ? failed(`this user may not read ${path} (EACCES)`, AS_SOMEBODY_ELSE) : null;
}

function judgeSchema(opened: Inspected, path: string, bytes: number): Finding {
  const { isOurs, schema, newest, journalMode } = opened.facts();
  if (!isOurs)
    return failed(
      `${path} is not a database of wochit-relay`,
      "choose another dataDir, or move it away and restore a backup",
    );
  if (schema > newest) {
    return failed(`${path} has schema ${schema}, this program knows ${newest}`, "run the newer wochit-relay");
  }
  if (journalMode !== "wal") {
    const what = `${path} has journal_mode ${journalMode} instead of wal, as a restored one has`;
    return warning(what, "start the relay, which sets it");
  }
  if (schema < newest) {
    return warning(`${path} has schema ${schema}, this program needs ${newest}`, "start this version's relay once");
  }
  return ok(`${path}, ${tellSize(bytes)}, schema ${schema}, write-ahead log`);
}

async function check(
  opened: Inspected,
  bytes: number,
  signal: AbortSignal,
  tell: (how: string) => void,
): Promise<string[]> {
  return bytes <= LARGE ? opened.checkAll() : checkEach(opened, signal, tell);
}

function damaged(path: string, wrong: string[]): Finding {
  const more = wrong.length > 2 ? `; and ${wrong.length - 2} more` : "";
  return failed(`${path} is damaged: ${wrong.slice(0, 2).join("; ")}${more}`, RESTORE);
}

function judgeLog(path: string, bytes: number): Finding {
  if (bytes <= LONG_LOG) return ok(`the write-ahead log has ${tellSize(bytes)}`);
  return warning(
    `${path}-wal has ${tellSize(bytes)}: something reads the database without an end, so that it cannot be taken over`,
    "end what else has relay.db open (lsof tells), or restart the relay",
  );
}
