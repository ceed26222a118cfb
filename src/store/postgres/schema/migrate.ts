import { RelayError } from "../../../errors.ts";
import type { Query } from "../wire/connection.ts";
import type { Wire } from "../wire/open.ts";
import type { Transaction } from "../wire/transaction.ts";
import { migrations } from "./migrations.ts";

/** All stores that start at once take it, one after the other; it ends with the transaction. */
const LOCK = 2004446329;

const SCHEMA = "schema";

/** Brings a database to the newest schema; refuses one that is newer than this program, or not ours. */
export async function migrate(wire: Pick<Wire, "transaction">): Promise<void> {
  if ((await wire.transaction(schemaOf, { readonly: true })) === migrations.length) return;
  await wire.transaction(async (transaction) => {
    await transaction.query(query("SELECT pg_advisory_xact_lock($1)", [LOCK]));
    const schema = await schemaOf(transaction);
    const statements = migrations.slice(schema).flat();
    transaction.cork();
    const answers = statements.map((statement) => transaction.query(query(statement)));
    answers.push(
      transaction.query(
        query(
          "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
          [SCHEMA, new TextEncoder().encode(String(migrations.length))],
        ),
      ),
    );
    transaction.uncork();
    await Promise.all(answers);
  });
}

/** For an operator's command, which changes no schema: refuses one that is not this program's. */
export async function checkSchema(wire: Pick<Wire, "transaction">): Promise<void> {
  const schema = await wire.transaction(schemaOf, { readonly: true });
  if (schema === migrations.length) return;
  if (schema === 0) throw new RelayError("not_found", "no relay has used the database of store.url yet: start one");
  throw new RelayError(
    "conflict",
    `the database of store.url has schema ${schema}, this program needs ${migrations.length}; start this version's relay once`,
  );
}

/** The steps that the database has taken; throws where it is not ours, or newer than this program. */
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
  const schema = Number(new TextDecoder().decode(value));
  if (schema <= migrations.length) return schema;
  throw new RelayError(
    "conflict",
    `the database of store.url has schema ${schema}, this program knows ${migrations.length}; run the newer wochit-relay`,
  );
}

const query = (text: string, values: Query["values"] = []): Query => ({ name: "", text, values });
