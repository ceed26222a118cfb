import { codeOf, errorLine, RelayError } from "../../../errors.ts";
import type { Actor } from "../../../model/audit.ts";
import type { Ports } from "../../../ports.ts";
import { typeOf } from "../../../targets/table.ts";
import type { CopiedTable, StoreCopied, StoreCopyOptions } from "../../backup.ts";
import type { Opening } from "../../settings.ts";
import { openSource, type Source } from "../../sqlite/copy/source.ts";
import { beginEpoch } from "../epoch/begin.ts";
import { ensureNode } from "../relays/node.ts";
import { LOCK } from "../schema/locks.ts";
import { noteSchema, schemaOf } from "../schema/migrate.ts";
import { migrations } from "../schema/migrations.ts";
import type { Query } from "../wire/connection.ts";
import { CommitInDoubt, stateOf } from "../wire/errors.ts";
import { openWire } from "../wire/open.ts";
import { type Transaction, transact } from "../wire/transaction.ts";
import { compare, fill } from "./rows.ts";
import { type Column, mapTables } from "./tables.ts";

// All of a copy is one transaction, the tables too: whatever ends it half-way, the database is as empty as before.

/** How long another copy, or a relay that makes the tables, is waited for; its connection may be one that has died. */
const LOCK_PATIENCE = "10s";

/** How long SQLite's disk may take to give the next rows. */
const READ_PATIENCE = "5min";

/** The fact of which database this one is a copy, and since when (JSON). */
const COPIED_FROM = "copied-from";

/** Rows are written faster without it. */
const LATER = /^(CREATE (UNIQUE )?INDEX|CREATE TRIGGER|DO)\b/;

const query = (text: string, ...values: Query["values"]): Query => ({ name: "", text, values });

/** See src/store/copy-database.ts. */
export async function copyToServer(
  { dataDir, server }: Pick<Opening, "dataDir" | "server">,
  ports: Ports,
  options: StoreCopyOptions,
): Promise<StoreCopied> {
  if (server?.url == null) throw new RelayError("config", server?.why ?? "store.url is not set");
  const began = ports.clock.elapsed();
  const source = openSource(dataDir);
  try {
    refuseFolders(source, dataDir);
    const node = ensureNode(dataDir, ports.random);
    const wire = await openWire(server, ports);
    try {
      const connection = await wire.connect();
      try {
        const now = wire.now();
        const parts = { source, node, now, random: ports.random, ...options };
        const copied = await transact(connection, (tx) => copyAll(tx, parts));
        return { ...copied, ms: Math.round(ports.clock.elapsed() - began) };
      } finally {
        await connection.end();
      }
    } finally {
      await wire.close();
    }
  } catch (error) {
    throw inOneLine(error, options.signal);
  } finally {
    source.close();
  }
}

type Parts = StoreCopyOptions & { source: Source; node: string; now: number; random: Ports["random"] };

async function copyAll(tx: Transaction, parts: Parts): Promise<Omit<StoreCopied, "ms">> {
  const { source, node, now, random, actor, signal, onProgress } = parts;
  await tx.query(query(`SET LOCAL lock_timeout = '${LOCK_PATIENCE}'`));
  await tx.query(query("SELECT pg_advisory_xact_lock($1, 0)", LOCK.migration));
  await refuseUsed(tx, source);
  const limits = `SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '${READ_PATIENCE}'`;
  for (const limit of limits.split("; ")) await tx.query(query(limit));

  const statements = migrations.flat();
  for (const one of statements) if (!LATER.test(one)) await tx.query(query(one));
  // What the first step of the schema writes is of a new database.
  for (const table of ["meta", "epochs"]) await tx.query(query(`DELETE FROM ${table}`));

  const tables = mapTables(source.tables, await columnsOf(tx), node);
  const total = tables.reduce(
    (sum, { from }) => sum + source.all<{ n: number }>(`SELECT count(*) AS n FROM ${from}`)[0]!.n,
    0,
  );
  const copied: CopiedTable[] = [];
  let done = 0;
  for (const table of tables) {
    const tell = (rows: number) => {
      done += rows;
      // Each row is written, and read again.
      onProgress?.({ step: `copying ${table.name}`, done: done / 2, total });
    };
    const filled = await fill(tx, table, source, { signal, tell });
    await compare(tx, table, filled, { signal, tell });
    copied.push({ table: table.name, rows: filled.rows, sha256: filled.sha256 });
  }

  const later = statements.filter((one) => LATER.test(one));
  for (const [at, one] of later.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ step: "making indexes", done: at, total: later.length });
    await tx.query(query(one));
  }
  await noteSchema(tx);
  const fact = { ...identityOf(source), at: now };
  await tx.query(
    query("INSERT INTO meta (name, value) VALUES ($1, $2)", COPIED_FROM, Buffer.from(JSON.stringify(fact))),
  );
  await tx.query(query("SELECT setval('ids', $1)", source.newestId()));
  await tx.query(query("SELECT setval(pg_get_serial_sequence('epochs', 'id'), (SELECT max(id) FROM epochs))"));
  const epoch = await beginEpoch(tx, {
    now,
    seen: newestSequence(source),
    random,
    isWanted: () => true,
    restoredBy: null,
    isWhole: true,
  });
  // No attempt of before is under way: no relay has the database.
  await tx.query(query("UPDATE epochs SET began_at = NULL"));
  await enter(tx, now, actor);
  onProgress?.({ step: "making indexes", done: later.length, total: later.length });
  await tx.query(query("ANALYZE"));
  return { tables: copied, rows: total, epoch: epoch! };
}

/** A copy in a folder is of this machine alone, and so is the deletion of one. */
function refuseFolders(source: Source, dataDir: string): void {
  const lies = source.all<{ place: string; copies: number }>(
    `SELECT t.place, sum(c.copies) AS copies FROM targets t JOIN (
       SELECT target, count(*) AS copies FROM media
         WHERE key IS NOT NULL AND state NOT IN ('superseded', 'deleted') GROUP BY target
       UNION ALL SELECT target, count(*) FROM former_copies GROUP BY target
       UNION ALL SELECT target, count(*) FROM transfers WHERE action = 'delete' GROUP BY target
     ) c ON c.target = t.id GROUP BY t.id ORDER BY t.id`,
  );
  for (const { place: text, copies } of lies) {
    const stored = JSON.parse(text) as Parameters<typeof typeOf>[0];
    const type = typeOf(stored);
    const place = type.fromStored(stored as never, dataDir);
    if (type.folderOf(place) === null) continue;
    throw new RelayError(
      "conflict",
      `${copies} copies of media lie in ${type.describe(place)}, or are still to be deleted there, which other relays cannot reach: start the relay without store.url, and run "wochit-relay media move --delete-source" first`,
    );
  }
}

/** Refuses a database that holds anything; says so where it is what an earlier copy of the same has made. */
async function refuseUsed(tx: Transaction, source: Source): Promise<void> {
  const schema = await schemaOf(tx);
  if (schema === 0) return;
  const { rows } = await tx.query(
    query("SELECT convert_from(value, 'UTF8') AS fact FROM meta WHERE name = $1", COPIED_FROM),
  );
  const fact = rows[0] && (JSON.parse(rows[0].fact as string) as { epoch: string; at: number });
  if (fact !== undefined && fact.epoch === identityOf(source).epoch) {
    const at = new Date(fact.at).toISOString();
    throw new RelayError(
      "conflict",
      `the database of store.url is a whole copy of this one already, of ${at}: start the relay`,
    );
  }
  throw new RelayError("conflict", "the database of store.url has a store in it: copy into an empty one");
}

async function columnsOf(tx: Transaction): Promise<Column[]> {
  const { rows } = await tx.query(
    query(
      `SELECT c.relname::text AS table, a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
         coalesce(a.attnum = ANY(i.indkey), false) AS "isKey"
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
       WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
       ORDER BY c.oid, array_position(i.indkey::int2[], a.attnum), a.attnum`,
    ),
  );
  return rows as Column[];
}

/** Which database is copied: its epoch, which only it has. */
const identityOf = (source: Source) =>
  source.all<{ epoch: string }>("SELECT lower(hex(value)) AS epoch FROM meta WHERE name = 'epoch'")[0]!;

const newestSequence = (source: Source) =>
  source.all<{ last: number }>("SELECT coalesce(max(sequence), 0) AS last FROM videos")[0]!.last;

/** Its id is the first of the new epoch. */
async function enter(tx: Transaction, now: number, { through, by }: Actor): Promise<void> {
  await tx.query(
    query(
      `INSERT INTO audit (id, at, through, actor, verb, subject, count, outcome)
         SELECT first, $1, $2, $3, 'store copy', NULL, NULL, 'done' FROM epochs ORDER BY id DESC LIMIT 1`,
      ...[now, through, by],
    ),
  );
}

function inOneLine(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted && !(error instanceof CommitInDoubt))
    return new RelayError("conflict", `${errorLine(signal.reason)}: nothing was copied`);
  if (error instanceof CommitInDoubt)
    return new RelayError(error.code, `${error.message}: run it again, which says so where it has`, { cause: error });
  const cause = error instanceof RelayError ? error.cause : error;
  // lock_not_available
  if (stateOf(cause) === "55P03")
    return new RelayError(
      "conflict",
      "another store copy, or a relay that starts, has the database of store.url: try again later",
    );
  if (stateOf(error) === null && codeOf(error) === "") return error;
  if (codeOf(error) === "store_unavailable")
    return new RelayError("store_unavailable", `nothing was copied: ${errorLine(error)}`, { cause: error });
  return error instanceof RelayError
    ? error
    : new RelayError("unsupported", `nothing was copied: ${errorLine(error)}`, { cause: error });
}
