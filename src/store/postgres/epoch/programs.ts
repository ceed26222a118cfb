import { LOCK } from "../schema/locks.ts";
import { migrations } from "../schema/migrations.ts";
import type { Query } from "../wire/connection.ts";
import type { Wire } from "../wire/open.ts";

// Programs of several releases on one database, by how many steps of the schema each knows. Each connection holds a lock of its
// program's number for as long as it lasts: so those of older programs are found, and a frozen one cannot wake and write.

export const PROGRAM = migrations.length;

/** Holds it; others do so too. */
export const holdAs = (program: number): Query => ({
  name: "",
  text: `SELECT pg_advisory_lock_shared(${LOCK.program}, $1)`,
  values: [program],
});

/** Ends the sessions of programs that are too old for the database by now, and gives how many there were. */
export async function endOlder(wire: Pick<Wire, "transaction">): Promise<number> {
  const { rows } = await wire.transaction((transaction) =>
    transaction.query({
      name: "",
      text: `SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_locks
        WHERE locktype = 'advisory' AND classid = ${LOCK.program} AND objsubid = 2
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND objid::int8 < (SELECT convert_from(value, 'UTF8')::int8 FROM meta WHERE name = 'oldest')`,
      values: [],
    }),
  );
  return rows[0]!.ended as number;
}
