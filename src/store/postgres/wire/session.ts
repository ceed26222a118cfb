/** A PostgreSQL that takes writes. */
export type Server = {
  host: string;
  port: number;
  /** Its identifier, which a standby has from its primary; more digits than a number has. */
  system: string;
  /** It grows with each promotion. */
  timeline: number;
  /** As `server_version_num`: 150018 is 15.18. */
  version: number;
  /** A commit waits for a standby. */
  isSynchronous: boolean;
};

/**
 * What a server says of itself. `now`: its clock, in milliseconds since 1970. `session`: of all its sessions this one alone, in
 * whichever of its lives. `refusal`: why it takes no writes; null: it does.
 */
export type Said = Omit<Server, "host" | "port"> & { now: number; session: string; refusal: string | null };

/**
 * What a session of the relay relies on, whatever the server, the database or the role has as its default. The servers of
 * today may lack some of them, and those of tomorrow all but a few: what a server does not know is left out.
 */
const SETTINGS: Record<string, string> = {
  default_transaction_isolation: "read committed",
  // A statement of the relay has an index. One that is planned while its tables are empty would keep its sequential scan.
  enable_seqscan: "off",
  // By its price, a sequential scan that cannot be avoided would be worth compiling.
  jit: "off",
  // A connection that was cut silently must not keep its locks.
  idle_in_transaction_session_timeout: "5000",
  tcp_keepalives_idle: "5",
  tcp_keepalives_interval: "2",
  tcp_keepalives_count: "3",
  tcp_user_timeout: "8000",
  // Nor must what a client asked go on without it, or wait for a lock and stand in the way of others. Since PostgreSQL 14.
  client_connection_check_interval: "2000",
  // A wait for the standby that is canceled is a success with a warning: so are a timeout's cancels.
  statement_timeout: "0",
  transaction_timeout: "0",
  lock_timeout: "0",
  idle_session_timeout: "0",
  client_min_messages: "warning",
  synchronous_commit: "on",
};

const values = Object.entries(SETTINGS)
  .map(([name, value]) => `('${name}', '${value}')`)
  .join(", ");

/**
 * A commit without a sync is no commit; what waits for more, or for no standby, is the operator's choice. A system that cannot
 * see the end of a connection refuses to look for it; Linux can.
 */
export const PREPARE = `SELECT set_config(known.name, wanted.value, false)
  FROM (VALUES ${values}) AS wanted (name, value) JOIN pg_settings AS known ON known.name = wanted.name
  WHERE (known.name <> 'synchronous_commit' OR known.setting = 'off')
    AND (known.name <> 'client_connection_check_interval' OR version() ~ 'linux')`;

const SYSTEM = "(SELECT system_identifier::text FROM pg_control_system())";

/** Of a server that takes writes, by the write-ahead log itself: pg_control_checkpoint() has the old one for seconds after a promotion. */
const TIMELINE = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

/** Which server this is, and in which of its lives, as text: a promotion begins another one. */
export const IDENTITY = `${SYSTEM} || '/' || ${TIMELINE}`;

/** A standby has no timeline of its own. */
export const LOOK = `SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') AS readonly,
  CASE WHEN pg_is_in_recovery() THEN '0' ELSE ${TIMELINE} END AS timeline, ${SYSTEM} AS system,
  current_setting('server_version_num')::int AS version,
  pg_backend_pid() || '/' || extract(epoch FROM pg_postmaster_start_time()) AS session,
  current_setting('synchronous_commit') AS waits, current_setting('synchronous_standby_names') AS standbys,
  floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 AS now`;

/** Reads the row of LOOK. */
export function saidIn(row: Record<string, unknown> | undefined): Said {
  if (row === undefined) throw new Error("the server says nothing of itself");
  const { standby, readonly, timeline, system, version, session, waits, standbys, now } = row;
  const refusal = standby === true ? "is a standby" : readonly === "on" ? "is read-only" : null;
  return {
    system: String(system),
    timeline: Number.parseInt(String(timeline), 16),
    version: Number(version),
    isSynchronous: standbys !== "" && !/^(off|local)$/.test(String(waits)),
    now: Number(now),
    session: String(session),
    refusal,
  };
}
