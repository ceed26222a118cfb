import type { SecureContext } from "node:tls";
import { parsePlace } from "../../../config/store/place.ts";
import { errorLine, RelayError } from "../../../errors.ts";
import { secureContextOf } from "../../../platform/net/trust.ts";
import type { Clock, Ports } from "../../../ports.ts";
import { type Answer, type Connection, connect, lineOf, nameOf, type Query } from "./connection.ts";
import { type Admit, createPool, MOST } from "./pool.ts";
import { watchPrimary } from "./primary.ts";
import { createServerClock } from "./server-clock.ts";
import type { Server } from "./session.ts";
import type { Begin, Transaction } from "./transaction.ts";

export type WireOptions = {
  /** The value of `store.url`, and of `store.ca`: PEM text; null: none. */
  url: string;
  ca: string | null;
};

/** The way to a PostgreSQL: connections to the server that takes writes, and its clock. */
export type Wire = {
  /** How many transactions may be under way at once. */
  readonly most: number;
  /**
   * BEGIN, `work`, COMMIT (transaction.ts), within 5 s in all (or `within`), the wait for a connection included. CommitInDoubt, or another
   * RelayError("store_unavailable") where nothing was committed; any other error is a statement's, or what `work` threw. A
   * conflict with another transaction is tried again: `work` touches nothing but `tx`.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, how?: Begin): Promise<T>;
  /** One statement by itself. It reads, or may be done twice: whether it was committed is not judged. */
  query(query: Query): Promise<Answer>;
  /**
   * A connection to the server that takes writes beside those of the pool, for work that takes long: it has no deadline, is not
   * looked at before its use, and is ended by who asked for it.
   */
  connect(): Promise<Connection>;
  /** The database's time, in milliseconds since 1970. */
  now(): number;
  /** It tells the database's time; what elapses is the process's. */
  readonly clock: Clock;
  /** Calls back when the database's clock was set (server-clock.ts). */
  onJump(listener: (ms: number) => void): void;
  /** The server that takes writes, as it was last known. */
  server(): Server;
  /** From now on each new connection is looked at before its first use. For one that calls it before it asks for anything else. */
  guard(admit: Admit): void;
  /** Calls back, one, whenever a connection was lost: what was committed on it may be gone, where another server is next. */
  onLost(run: () => void): void;
  /**
   * When the last look at all hosts was begun that found the server that takes writes to be the one of before, by the clock's
   * `elapsed`; -1: none has, since the server was last in question.
   */
  confirmedAt(): number;
  /** May be called again. */
  close(): Promise<void>;
};

/**
 * Opens it, once each host was asked. RelayError("config") for an address that is not understood;
 * RelayError("store_unavailable") where no host takes writes, with what each of them says.
 */
export async function openWire({ url, ca }: WireOptions, { clock, log, random }: Ports): Promise<Wire> {
  const place = parsePlace(url);
  const time = createServerClock(clock);
  const connecting = {
    place,
    tls: place.tls ? tlsOf(ca) : false,
    clock,
    measured: time.measured,
    sessions: new Set<string>(),
  } as const;
  let admit: Admit = async () => {};
  let lost = () => {};
  const primary = watchPrimary({
    ...connecting,
    log,
    changed(server, before) {
      pool.dropOthers();
      if (before === null) return;
      log.warn("PostgreSQL has another primary", {
        from: nameOf(before),
        to: nameOf(server),
        timeline: server.timeline,
      });
    },
  });
  const pool = createPool({
    ...{ ...connecting, random, primary },
    admit: (newcomer) => admit(newcomer),
    lost: () => lost(),
  });

  let closing: Promise<void> | null = null;
  function close(): Promise<void> {
    closing ??= pool.close().then(primary.close);
    return closing;
  }

  try {
    await primary.find({ once: true });
  } catch (error) {
    await close();
    throw error;
  }

  return {
    most: MOST,
    transaction: pool.transaction,
    query: pool.query,
    async connect() {
      const connection = await connect(await primary.find(), connecting);
      const { refusal } = connection.said();
      if (refusal === null) return connection;
      await connection.end();
      throw new RelayError("store_unavailable", `PostgreSQL ${lineOf(connection, refusal)}`);
    },
    now: time.clock.now,
    clock: time.clock,
    onJump: time.onJump,
    server: () => primary.last()!,
    guard(given) {
      admit = given;
    },
    onLost(run) {
      lost = run;
    },
    confirmedAt: primary.confirmedAt,
    close,
  };
}

/** Made once, because reading the authorities takes some 20 ms. */
function tlsOf(ca: string | null): { secureContext: SecureContext } {
  try {
    return { secureContext: secureContextOf({ ca, cert: null, key: null }) };
  } catch (error) {
    throw new RelayError("config", `store.ca is no certificate in PEM: ${errorLine(error)}`);
  }
}
