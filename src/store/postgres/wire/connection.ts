import type { SecureContext } from "node:tls";
import pg from "pg";
import type { Place } from "../../../config/store/place.ts";
import { RelayError } from "../../../errors.ts";
import type { Clock } from "../../../ports.ts";
import type { Value } from "../../core/value.ts";
import { explained } from "./advice.ts";
import { stateOf } from "./errors.ts";
import { LOOK, PREPARE, type Said, type Server, saidIn } from "./session.ts";

/** A statement with `$n` for its values, or arrays of them. With a name it is prepared once a connection; "": it has none. */
export type Query = { name: string; text: string; values: readonly (Value | readonly Value[])[] };

/** `rowCount`: how many rows were found or changed. `command`: the first word of the server's tag. */
export type Answer = { rows: Record<string, unknown>[]; rowCount: number; command: string };

/** How long a server may take to let in, and to say what it is, in milliseconds; unless a connection is given another time. */
const PATIENCE = 2_000;

/** How long a farewell may take, in milliseconds. */
const FAREWELL = 500;

/** A connection that carries nothing is tried by the kernel after this, in milliseconds. */
const KEEP_ALIVE = 5_000;

/** What happens to a connection beside its answers. */
export type Listener = {
  /** The server warns, while it works on what is answered next. */
  warned(warning: string): void;
  lost(why: RelayError): void;
};

/**
 * One connection, in pipeline mode: what is sent is answered in its order. Errors are what the server answers, or, once the
 * connection is lost, why: RelayError("store_unavailable").
 */
export type Connection = {
  readonly host: string;
  readonly port: number;
  /** What the server last said of itself. */
  said(): Said;
  /** Sends at once. `done` is called in the turn in which the answer was read, with all that came before it called already. */
  send(query: Query, done: (error: Error | null, answer: Answer | null) => void): void;
  ask(query: Query): Promise<Answer>;
  /** Asks again what the server is. */
  look(): Promise<Said>;
  /** The server is the one that takes writes: the time that it said last is the database's. Counts once. */
  trustTime(): void;
  cork(): void;
  uncork(): void;
  /** From now on there is this listener; null: none. */
  listen(to: Listener | null): void;
  /** Why it is of no use any more; null: it is. */
  lost(): RelayError | null;
  /** Calls back when that comes to be; one for each connection. */
  onLost(run: () => void): void;
  /** Ends it at once, without a word to the server: all that waits for an answer fails. */
  cut(why: Error): void;
  /** Says farewell, and ends it. */
  end(): Promise<void>;
};

export type ConnectOptions = {
  place: Place;
  /** What the server's certificate is verified by; false: there is no TLS. */
  tls: { secureContext: SecureContext } | false;
  clock: Clock;
  /**
   * By the process's elapsed time: when the server that takes writes was asked for its time, when it answered, and what it said.
   * The clocks of others, a standby's too, may be wrong by any amount.
   */
  measured(asked: number, answered: number, now: number): void;
  /** How long the server may take to let in. */
  patience?: number;
  /** The sessions of all connections: no two have one. */
  sessions: Set<string>;
};

/** What a session is set to, has prepared and has locked is another connection's after the next transaction. */
export class SessionsLent extends RelayError {
  override readonly name = "SessionsLent";
  constructor() {
    const what = "a pooler in transaction mode lends its sessions out";
    super("store_unavailable", `${what}: name the server itself in store.url, or set the pooler to session mode`);
  }
}

/** Int8 and numeric as numbers: ids, times and sums are below 2^53. */
const NUMBERS = new Set([20, 1700]);
const types = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    NUMBERS.has(oid) ? Number : pg.types.getTypeParser(oid, format as "text")) as typeof pg.types.getTypeParser,
};

/** Connects to one host, with the settings of the relay. Rejects with the server's or the system's own error. */
export async function connect(
  { host, port }: Place["hosts"][number],
  { place, tls, clock, measured, sessions, patience = PATIENCE }: ConnectOptions,
): Promise<Connection> {
  const { user, password, database, application } = place;
  const client = new pg.Client({
    ...{ host, port, user, database, pipeline: true, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE, types },
    // A function: without a password the driver would look for one in the environment and in files.
    password: () => password,
    application_name: application ?? "wochit-relay",
    ssl: tls && { ...tls, rejectUnauthorized: true },
  });
  let lost: RelayError | null = null;
  let listener: Listener | null = null;
  let onLost = () => {};
  let said: Said;
  /** Null: it has not said yet. */
  let session: string | null = null;
  let measure = () => {};

  function lose(why: Error): void {
    if (lost !== null) return;
    lost =
      why instanceof RelayError
        ? why
        : new RelayError("store_unavailable", `PostgreSQL ${lineOf({ host, port }, why)}`, { cause: why });
    if (session !== null) sessions.delete(session);
    listener?.lost(lost);
    onLost();
  }

  /** Throws where it is not the only connection of its session, or has another one than before. */
  function holdSession(): void {
    if (session === said.session) return;
    if (session !== null || sessions.has(said.session)) throw new SessionsLent();
    session = said.session;
    sessions.add(session);
  }

  function cut(why: Error): void {
    lose(why);
    client.connection.stream.destroy();
  }

  const ended = new Promise<void>((resolve) => {
    client.on("end", () => {
      lose(new Error("Connection terminated"));
      resolve();
    });
  });
  client.on("error", lose);
  client.on("notice", ({ code, message }) => {
    // The severity comes in the server's language. 00000 is a notice, or less.
    if (code !== "00000") listener?.warned(`${message} (${code})`);
  });

  const connection: Connection = {
    host,
    port,
    said: () => said,
    send({ name, text, values }, done) {
      if (lost !== null) return done(lost, null);
      // The driver's types leave out what it does: a callback beside an object.
      const query = { ...(name !== "" && { name }), text, values: values as Value[] };
      void client.query(query as unknown as string, (error: Error | null, answer: pg.QueryResult) => {
        if (error) done(stateOf(error) === null ? (lost ?? error) : error, null);
        else done(null, { rows: answer.rows, rowCount: answer.rowCount ?? 0, command: answer.command });
      });
    },
    ask: (query) =>
      new Promise((resolve, reject) => {
        connection.send(query, (error, answer) => (error === null ? resolve(answer!) : reject(error)));
      }),
    async look() {
      const asked = clock.elapsed();
      const cancel = clock.after(patience, () => cut(slow(patience)));
      try {
        const { rows } = await connection.ask({ name: "wire_look", text: LOOK, values: [] }).catch((error) => {
          // A session of its own has not prepared it before, and does not forget it.
          throw /^(42P05|26000)$/.test(stateOf(error) ?? "") ? new SessionsLent() : error;
        });
        if (lost !== null) throw lost;
        said = saidIn(rows[0]);
        holdSession();
        const [answered, { now, refusal }] = [clock.elapsed(), said];
        measure = refusal === null ? () => measured(asked, answered, now) : () => {};
        return said;
      } finally {
        cancel();
      }
    },
    trustTime() {
      measure();
      measure = () => {};
    },
    cork: () => client.connection.stream.cork(),
    uncork: () => client.connection.stream.uncork(),
    listen(to) {
      listener = to;
    },
    lost: () => lost,
    onLost(run) {
      onLost = run;
    },
    cut,
    async end() {
      lose(new RelayError("store_unavailable", "the store is closed"));
      const cancel = clock.after(FAREWELL, () => client.connection.stream.destroy());
      void client.end();
      await ended;
      cancel();
    },
  };

  const cancel = clock.after(patience, () => cut(slow(patience)));
  try {
    await client.connect();
    await Promise.all([connection.ask({ name: "", text: PREPARE, values: [] }), connection.look()]);
    patience = PATIENCE;
    return connection;
  } catch (error) {
    const hasAnswered = error instanceof SessionsLent || stateOf(error) !== null;
    const why = lost === null || hasAnswered ? (error as Error) : lost;
    cut(why);
    throw why.cause ?? why;
  } finally {
    cancel();
  }
}

function slow(patience: number): Error {
  return new RelayError("store_unavailable", `no answer within ${patience / 1_000} s`);
}

/** The server at the other end, as it last spoke of itself. */
export function serverOf({ host, port, said }: Connection): Server {
  const { system, timeline, version, isSynchronous } = said();
  return { host, port, system, timeline, version, isSynchronous };
}

/** One line about a host that cannot be used. */
export function lineOf(host: Place["hosts"][number], why: unknown): string {
  return `${nameOf(host)} ${typeof why === "string" ? why : explained(why)}`;
}

export function nameOf({ host, port }: Place["hosts"][number]): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
