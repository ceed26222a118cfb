import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { spoolPaths } from "../../../src/mirror/spool/spool.ts";
import type { SpooledFile } from "../../../src/model/medium.ts";
import { createNames } from "../../../src/store/core/rows/ids.ts";
import { readEpochs } from "../../../src/store/sqlite/rows/epochs.ts";
import { sha256Of } from "../bytes.ts";

type MediumRow = {
  id: number;
  state: string;
  key: string | null;
  bytes: number | null;
  sha256: string | null;
  spooled: string | null;
};

/**
 * What is wrong with the folders of a relay after a power cut: acknowledged events that are not there, a damaged database, a
 * copy or a spooled file that is not what its row says. SQLite recovers the database as the relay's next start does.
 */
export function judgeImage(dir: string, acknowledged: Iterable<string>): string[] {
  const database = join(dir, "data/relay.db");
  const ids = [...acknowledged];
  if (!existsSync(database)) return ids.length > 0 ? ["LOST: there is no database"] : [];
  const db = new Database(database);
  try {
    const integrity = String(db.pragma("integrity_check(1)", { simple: true }));
    if (integrity !== "ok") return [`the database is damaged: ${integrity.split("\n").at(-1)}`];
    const isMade = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'events'").get() !== undefined;
    if (!isMade) return ids.length > 0 ? ["LOST: the database is empty"] : [];
    const names = createNames(readEpochs(db));
    const known = db.prepare("SELECT 1 FROM events WHERE id = ?");
    const lost = ids.filter((id) => known.get(names.read("evt", id)) === undefined);
    const problems = lost.length > 0 ? [`LOST: ${lost.length} of ${ids.length} acknowledged events`] : [];
    const rows = db
      .prepare<[], MediumRow>(
        "SELECT id, state, key, bytes, sha256, spooled FROM media WHERE state = 'mirrored' OR spooled IS NOT NULL",
      )
      .all();
    for (const row of rows) {
      const name = names.show("med", row.id);
      if (row.spooled !== null) {
        const file = JSON.parse(row.spooled) as SpooledFile;
        problems.push(...compare(`the spooled file of ${name}`, spoolPaths(join(dir, "data/spool"), name).file, file));
      } else if (row.key !== null) {
        problems.push(...compare(`the copy ${row.key} of ${name}`, join(dir, "data/media", row.key), row));
      }
    }
    return problems;
  } catch (error) {
    return [`the database cannot be used: ${(error as Error).message}`];
  } finally {
    db.close();
  }
}

function compare(
  what: string,
  path: string,
  { bytes, sha256 }: { bytes: number | null; sha256: string | null },
): string[] {
  if (!existsSync(path)) return [`${what} is missing`];
  const found = readFileSync(path);
  const isSame = found.length === bytes && sha256Of(found) === sha256;
  return isSame ? [] : [`${what} is damaged: ${found.length} of ${bytes} bytes`];
}
