import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { errorLine, RelayError } from "../../../errors.ts";
import type { Clock, Log } from "../../../ports.ts";
import { databaseOf, stampOf } from "../../backup.ts";
import { inWords } from "../files/database.ts";
import { withFile } from "../files/driver.ts";
import { checkVersion, migrations } from "../schema/migrations.ts";
import { copyDatabase } from "./copy.ts";

const PATIENCE = 5_000;

/**
 * Backs up a database of an older schema, beside it, before it is migrated: going back to the older program needs the
 * older database. RelayError where that fails; then nothing is migrated. An earlier such backup of the same schema goes.
 */
export async function backUpBeforeMigration(dataDir: string, clock: Clock, log: Log): Promise<void> {
  const database = databaseOf(dataDir);
  const schema = olderSchema(database);
  if (schema === null) return;
  const prefix = `relay-schema-${schema}-`;
  const name = `${prefix}${stampOf(clock.now())}.db`;
  try {
    const { bytes, events, ms } = await copyDatabase(database, join(dataDir, name), { clock });
    for (const former of readdirSync(dataDir)) {
      if (former.startsWith(prefix) && former.endsWith(".db") && former !== name) rmSync(join(dataDir, former));
    }
    log.info("database backed up before its migration", {
      file: name,
      schema,
      to: migrations.length,
      bytes,
      events,
      ms,
    });
  } catch (error) {
    const message = `the database is not migrated from schema ${schema} to ${migrations.length}: ${errorLine(error)}`;
    throw new RelayError("unsupported", message, { cause: error });
  }
}

/** The schema of a database that holds something and is to be migrated; null: there is no such thing. */
function olderSchema(database: string): number | null {
  if ((statSync(database, { throwIfNoEntry: false })?.size ?? 0) === 0) return null;
  const schema = inWords(`${database} cannot be opened`, () =>
    withFile(database, { timeout: PATIENCE, fileMustExist: true }, (db) => checkVersion(db)),
  );
  return schema > 0 && schema < migrations.length ? schema : null;
}
