import { RelayError } from "../../../errors.ts";
import type { Answer, Query } from "../wire/connection.ts";
import type { Wire } from "../wire/open.ts";
import type { Transaction } from "../wire/transaction.ts";
import { LOCK } from "./locks.ts";
import { migrations, OLDEST } from "./migrations.ts";

const SCHEMA = "schema";

/** A step goes through whole tables, and those that start meanwhile wait for it, as long as this, in milliseconds. */
const LONGEST = 3_600_000;

/** What the planner knows of tables is wrong once they were filled anew: all of them, but no one else's. */
const ANALYZE = `DO $$
  BEGIN
    EXECUTE (SELECT 'ANALYZE ' || string_agg(oid::regclass::text, ', ') FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r');
  END $$`;

/** Brings a database to the newest schema, and leaves one that is newer as it is; refuses one that is not ours. */
export async function migrate(wire: Pick<Wire, "transaction">): Promise<void> {
  if ((await wire.transaction(schemaOf, { readonly: true })) >= migrations.length) return;
  const migrateIn = async (transaction: Transaction) => {
    // All stores that start at once take it, one after the other.
    await transaction.query(query("SELECT pg_advisory_xact_lock($1, 0)", [LOCK.migration]));
    const schema = await schemaOf(transaction);
    if (schema >= migrations.length) return;
    const statements = migrations.slice(schema).flat();
    transaction.cork();
    const answers = [...statements, ANALYZE].map((statement) => transaction.query(query(statement)));
    answers.push(noteSchema(transaction));
    transaction.uncork();
    await Promise.all(answers);
  };
  await wire.transaction(migrateIn, { within: LONGEST });
}

/** Writes down that the database has all steps. */
export function noteSchema(transaction: Transaction): Promise<Answer> {
  return transaction.query(
    query(
      `INSERT INTO meta (name, value) VALUES ($1, $2), ('oldest', $3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      [SCHEMA, ...[migrations.length, OLDEST].map((number) => new TextEncoder().encode(String(number)))],
    ),
  );
}

/** For an operator's command, which changes no schema: refuses one that is older than this program. */
export async function checkSchema(wire: Pick<Wire, "transaction">): Promise<void> {
  const schema = await wire.transaction(schemaOf, { readonly: true });
  if (schema >= migrations.length) return;
  if (schema === 0) throw new RelayError("not_found", "no relay has used the database of store.url yet: start one");
  throw new RelayError(
    "conflict",
    `the database of store.url has schema ${schema}, this program needs ${migrations.length}; start this version's relay once`,
  );
}

/** The steps that the database has taken; throws where it is not ours. Whether it is too new each connection asks (epoch/admission.ts). */
export async function schemaOf(transaction: Transaction): Promise<number> {
  const found = await transaction.query(
    query(
      `SELECT to_regclass('meta') IS NOT NULL AS "hasMeta",
         EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r') AS "hasTables"`,
    ),
  );
  const { hasMeta, hasTables } = found.rows[0] as { hasMeta: boolean; hasTables: boolean };
  if (!hasTables) return 0;
  const answer = hasMeta ? await transaction.query(query("SELECT value FROM meta WHERE name = $1", [SCHEMA])) : null;
  const value = answer?.rows[0]?.value as Uint8Array | undefined;
  if (value === undefined) {
    throw new RelayError(
      "conflict",
      "the database of store.url has tables of another program; give wochit-relay a database of its own",
    );
  }
  return Number(new TextDecoder().decode(value));
}

const query = (text: string, values: Query["values"] = []): Query => ({ name: "", text, values });
