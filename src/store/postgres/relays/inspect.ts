import type { Database } from "../../../config/store/database.ts";
import { RelayError } from "../../../errors.ts";
import type { Ports } from "../../../ports.ts";
import { schemaOf } from "../schema/migrate.ts";
import { migrations } from "../schema/migrations.ts";
import { type Connection, nameOf, SessionsLent } from "../wire/connection.ts";
import { openWire, type Wire } from "../wire/open.ts";

/** The oldest PostgreSQL that the relay works with, as `server_version_num`. */
const OLDEST = 140_000;

/** What a server says of itself, of what the relay may do on it, and of others. Times are milliseconds. */
export type Inspected = {
  server: string;
  version: string;
  role: string;
  /** Of the database; 0: it is empty. `newest`: what this program makes of it. */
  schema: number;
  newest: number;
  /** Whether the role may make tables. */
  creates: boolean;
  /** Whether titles are found by an index. */
  hasTrigrams: boolean;
  roundTrip: number;
  /** How far the server's clock is ahead of this machine's. */
  ahead: number;
  isSynchronous: boolean;
  /** The oldest transaction of others; null: there is none, or the role does not see it. */
  oldest: { ms: number; who: string } | null;
  connectionsLeft: number;
};

/** Looks at the server of `store.url` that takes writes, and changes nothing. Rejects as `openWire` does. */
export async function inspectServer(database: Database, ports: Ports): Promise<Inspected> {
  if (database.url === null) throw new RelayError("config", database.why);
  const wire = await openWire(database, ports);
  try {
    await refusePooler(wire);
    const one = async (text: string) => (await wire.query({ name: "", text, values: [] })).rows[0]!;
    const roundTrip = await measure(() => one("SELECT 1"), ports);
    const facts = await one(FACTS);
    const oldest = (await wire.query({ name: "", text: OLDEST_TRANSACTION, values: [] })).rows[0];
    const server = wire.server();
    return {
      server: nameOf(server),
      version: String(facts.version),
      role: String(facts.role),
      schema: await wire.transaction(schemaOf, { readonly: true }),
      newest: migrations.length,
      creates: facts.creates === true,
      hasTrigrams: facts.trigrams === true,
      roundTrip,
      ahead: Math.round(wire.now() - ports.clock.now()),
      isSynchronous: server.isSynchronous,
      oldest: oldest === undefined ? null : { ms: Number(oldest.ms), who: String(oldest.who) },
      connectionsLeft: Number(facts.left),
    };
  } finally {
    await wire.close();
  }
}

/** RelayError("unsupported") for a server that is too old. */
export function refuseOld(wire: Wire): void {
  const server = wire.server();
  if (server.version >= OLDEST) return;
  const version = Math.floor(server.version / 10_000);
  throw new RelayError("unsupported", `${nameOf(server)} is PostgreSQL ${version}: the relay needs 14 or newer`);
}

/**
 * Throws where connections have no sessions of their own. A pooler gives the session that was free last, or the next one: so
 * two connections that do nothing have the same, or one of them has another than before.
 */
export async function refusePooler(wire: Pick<Wire, "connect">): Promise<void> {
  const opened: Connection[] = [];
  try {
    opened.push(await wire.connect());
    opened.push(await wire.connect());
    await opened[0]!.look();
  } catch (error) {
    // Where there is no room for them it is not known.
    if (error instanceof SessionsLent) throw error;
  } finally {
    await Promise.all(opened.map((connection) => connection.end()));
  }
}

/** The connections of this look are its own. */
const FACTS = `SELECT current_setting('server_version') AS version, current_user AS role,
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS creates,
  EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm') AS trigrams,
  least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
      - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    (SELECT CASE WHEN datconnlimit < 0 THEN 100000 ELSE datconnlimit END FROM pg_database WHERE datname = current_database())
      - (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'),
    (SELECT CASE WHEN rolconnlimit < 0 THEN 100000 ELSE rolconnlimit END FROM pg_roles WHERE rolname = current_user)
      - (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND backend_type = 'client backend')
  )::int AS left`;

const OLDEST_TRANSACTION = `SELECT floor(extract(epoch FROM clock_timestamp() - xact_start) * 1000)::int8 AS ms,
  format('pid %s of %s in %s', pid, usename, datname) AS who
  FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  ORDER BY xact_start LIMIT 1`;

/** The median of some. */
async function measure(ask: () => Promise<unknown>, { clock }: Ports): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < 5; n++) {
    const began = clock.elapsed();
    await ask();
    took.push(clock.elapsed() - began);
  }
  return took.sort((a, b) => a - b)[2]!;
}
