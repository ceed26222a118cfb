import { chmodSync, createReadStream, lstatSync, statSync, writeFileSync } from "node:fs";
import { errorLine, RelayError } from "../../../errors.ts";
import {
  type BackupSource,
  COMPANIONS,
  type CopyOptions,
  databaseOf,
  type Restored,
  type RestoreOptions,
} from "../../backup.ts";
import { inWords, lockFolder, makeFolder } from "../files/database.ts";
import { beginEpoch } from "../rows/epochs.ts";
import { openIds } from "../rows/ids.ts";
import { migrations } from "../schema/migrations.ts";
import { makePlain, oneLine } from "./copy.ts";
import { isOurs, makeFile } from "./file.ts";
import { checkIntegrity, readContents } from "./integrity-check.ts";
import { FORGET_BEGUN } from "./records.ts";

const CHUNK = 4 * 2 ** 20;

const CANCEL_TASKS = `UPDATE tasks SET state = 'canceled', ended_at = ?, error = 'a backup was restored' WHERE ended_at IS NULL`;

const ENTER = `INSERT INTO audit (id, at, through, actor, verb, subject, count, outcome)
  VALUES (@id, @at, @through, @by, 'restore', @subject, NULL, 'done')`;
const END_SESSIONS = "DELETE FROM sessions";

/** What tells that a folder has, or had, a database: SQLite would take the log of another one for its own. */
const TRACES = ["", ...COMPANIONS];

/** See src/store/backup.ts. */
export async function restoreDatabase(from: BackupSource, dataDir: string, options: RestoreOptions): Promise<Restored> {
  const began = options.clock.elapsed();
  const name = typeof from === "string" ? from : from.name;
  if (typeof from === "string") checkBackup(from);
  makeFolder(dataDir);
  const path = databaseOf(dataDir);
  return oneLine(`${name} was not restored`, dataDir, async () => {
    refuseTraces(path);
    const unlock = lockFolder(dataDir);
    try {
      refuseTraces(path);
      chmodSync(dataDir, 0o700);
      return await makeFile(path, async ({ temp, handle }) => {
        await copyBytes(from, handle, options);
        const bytes = statSync(temp).size;
        options.onProgress?.({ step: "checking", done: 0, total: bytes });
        if (!isOurs(temp)) throw new RelayError("conflict", `${name} is not a database of wochit-relay`);
        const { schema, events, newest } = inspect(temp, name, options);
        options.signal?.throwIfAborted();
        const ms = Math.round(options.clock.elapsed() - began);
        return { file: path, bytes, schema, events, newest, newestSchema: migrations.length, ms };
      });
    } finally {
      unlock();
    }
  });
}

/** A backup is one file. What has a log beside it is a database that is in use, or was not closed. */
function checkBackup(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new RelayError("not_found", `there is no file ${file}`);
  if (!found.isFile()) throw new RelayError("conflict", `${file} is no file`);
  if (!inWords(`${file} cannot be read`, () => isOurs(file)))
    throw new RelayError("conflict", `${file} is not a database of wochit-relay`);
  const beside = ["-wal", "-journal"].find((end) => (statSync(file + end, { throwIfNoEntry: false })?.size ?? 0) > 0);
  if (beside === undefined) return;
  throw new RelayError(
    "conflict",
    `${file + beside} is beside it: make a backup of it first (wochit-relay backup FILE --database ${file})`,
  );
}

function refuseTraces(path: string): void {
  const trace = TRACES.map((end) => path + end).find((one) => lstatSync(one, { throwIfNoEntry: false }) !== undefined);
  if (trace === undefined) return;
  throw new RelayError("conflict", `${trace} is there: restore into an empty data folder, or move it away first`);
}

async function copyBytes(from: BackupSource, goal: number, { signal, onProgress }: CopyOptions): Promise<void> {
  const total = typeof from === "string" ? statSync(from).size : null;
  const bytes = typeof from === "string" ? createReadStream(from, { highWaterMark: CHUNK }) : await from.read();
  let done = 0;
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    // Of a descriptor it goes on where the write before ended.
    writeFileSync(goal, chunk);
    done += chunk.length;
    if (total !== null) onProgress?.({ step: "copying", done, total });
  }
}

/** Looks whether it is whole, and begins its new life. */
function inspect(temp: string, file: string, { clock, actor }: RestoreOptions) {
  const now = clock.now();
  try {
    return makePlain(temp, (db) => {
      const contents = readContents(db);
      checkIntegrity(db, file);
      db.exec("BEGIN IMMEDIATE");
      if (contents.schema > 0) beginEpoch(db, contents.schema, now);
      // What its former life has kept elsewhere is not this one's.
      if (contents.counts.backups !== undefined) db.exec("DELETE FROM backups");
      db.exec(FORGET_BEGUN);
      if (contents.schema >= 6) db.prepare(CANCEL_TASKS).run(now);
      // An older one has no audit yet.
      if (actor && contents.schema === migrations.length) {
        const ids = openIds(db, clock);
        ids.catchUp();
        db.prepare(ENTER).run({ id: ids.next(), at: now, ...actor, subject: file });
      }
      if (contents.schema >= 7) db.exec(END_SESSIONS);
      db.exec("COMMIT");
      return contents;
    });
  } catch (error) {
    const code = String((error as { code?: unknown }).code ?? "");
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
      throw new RelayError("conflict", `${file} is damaged: ${errorLine(error)}`);
    }
    // The message names the file that was given, not its copy.
    if (error instanceof RelayError) throw new RelayError(error.code, error.message.replaceAll(temp, file));
    throw error;
  }
}
