import { formatSpan } from "../actions/format.ts";
import type { Inspected } from "../store/postgres/relays/inspect.ts";
import { type Finding, failed, of, ok, warning } from "./probe.ts";

/** Milliseconds: a commit takes several round trips; what is behind an old transaction is not cleared away. */
const LONG_WAY = 20;
const LONG_TRANSACTION = 10 * 60_000;

/** A server's clock that is further from this machine's is wrong, or this machine's is; milliseconds. */
const FAR = 30_000;

/** Connections that one relay opens. */
const CONNECTIONS = 10;

/** The server that a store is on. */
export function judgeServer(found: Inspected): Finding[] {
  const { server, version, role, roundTrip, ahead, isSynchronous, oldest, connectionsLeft } = found;
  return [
    of(
      "version",
      Number.parseInt(version, 10) >= 14
        ? ok(`${server} takes writes, PostgreSQL ${version}`)
        : failed(`${server} is PostgreSQL ${version}`, "the relay needs 14 or newer"),
    ),
    ...judgeSchema(found),
    of(
      "way",
      roundTrip <= LONG_WAY
        ? ok(`an answer takes ${roundTrip.toFixed(1)} ms`)
        : warning(
            `an answer takes ${Math.round(roundTrip)} ms: accepting an event takes several of them`,
            "run the relays near the database",
          ),
    ),
    of(
      "clock",
      Math.abs(ahead) <= FAR
        ? ok(`its clock and this machine's are ${formatSpan(Math.abs(ahead))} apart; the relays go by its`)
        : warning(
            `its clock is ${formatSpan(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} this machine's, and the relays go by its`,
            "set the wrong one right: apps refuse signatures of another time",
          ),
    ),
    of(
      "replication",
      isSynchronous
        ? ok("a commit waits for a standby: a failover loses nothing")
        : warning(
            "a commit waits for no standby: a failover may lose what was acknowledged just before",
            "set synchronous_standby_names, unless the storage below keeps a second copy of each commit",
          ),
    ),
    of(
      "transactions",
      oldest === null || oldest.ms < LONG_TRANSACTION
        ? ok("no transaction of others is old")
        : warning(
            `a transaction is open for ${formatSpan(oldest.ms)} (${oldest.who}): what is deleted meanwhile is not cleared away, and claims get slower`,
            "end it; take dumps from a standby",
          ),
    ),
    of(
      "connections",
      connectionsLeft >= 2 * CONNECTIONS
        ? ok(`${connectionsLeft} connections are left for ${role}; a relay opens at most ${CONNECTIONS}`)
        : warning(
            `${Math.max(0, connectionsLeft)} connections are left for ${role}: a relay opens up to ${CONNECTIONS}`,
            "raise max_connections, or the limit of the role or the database",
          ),
    ),
  ];
}

function judgeSchema({ schema, newest, creates, role, hasTrigrams }: Inspected): Finding[] {
  if (schema === newest) {
    const titles = hasTrigrams
      ? ok(`schema ${schema}; titles are searched by an index`)
      : warning(
          `schema ${schema}; a search by title reads all titles: pg_trgm is not there`,
          "CREATE EXTENSION pg_trgm",
        );
    return [of("schema", titles)];
  }
  const next =
    schema === 0
      ? "empty: the first relay that starts makes its tables"
      : `of schema ${schema}, this program needs ${newest}`;
  if (!creates)
    return [of("schema", failed(`it is ${next}; ${role} may make none`, `GRANT CREATE ON SCHEMA public TO ${role}`))];
  return [of("schema", warning(`it is ${next}`, "start this version's relay once"))];
}
