import { errorLine, RelayError } from "../../../errors.ts";
import { sleep } from "../../../platform/timing.ts";
import type { Random } from "../../../ports.ts";
import {
  type Answer,
  type Connection,
  type ConnectOptions,
  connect,
  lineOf,
  type Query,
  serverOf,
} from "./connection.ts";
import { isConflict, isTrouble, questionsPrimary, spoilsConnection, stateOf, translated } from "./errors.ts";
import { closed, type Primary } from "./primary.ts";
import type { Server } from "./session.ts";
import { type Begin, type Transaction, transact } from "./transaction.ts";

/** Connections that work; a relay has ten of a server, and one watches it. */
export const MOST = 9;

/** How many of them transactions may have that take long. */
export const MOST_LONG = 4;

/** How long a transaction may take in all, in milliseconds: an answer that is later finds its caller gone. */
const DEADLINE = 5_000;

/** Before a connection is tried again, in milliseconds. */
const PAUSE = 100;

const OTHER_PRIMARY = "PostgreSQL has another primary now";

/** Two transactions that were in each other's way try again after up to this; it doubles. Milliseconds. */
const CONFLICT_PAUSES = { first: 5, longest: 100 };

export type Pool = {
  transaction<T>(work: (tx: Transaction) => Promise<T>, how?: Begin): Promise<T>;
  query(query: Query): Promise<Answer>;
  /** Cuts what is connected to another server than the primary of now; what it was asked is in doubt. */
  dropOthers(): void;
  close(): Promise<void>;
};

/** A connection before its first use. */
export type Newcomer = Pick<Connection, "ask"> & {
  server: Server;
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
};

/** Looks at a connection, within 5 s; where it throws, the connection is not used, and those that wait for one get that. */
export type Admit = (newcomer: Newcomer) => Promise<void>;

export type PoolOptions = ConnectOptions & {
  random: Random;
  primary: Primary;
  admit: Admit;
  /** A connection that was in use, or might have been, is so no longer. */
  lost(): void;
};

type Waiter = { isLong: boolean; resolve(connection: Connection): void; reject(error: unknown): void };

/** Connections to the primary, each with one transaction at a time. */
export function createPool({ clock, random, primary, admit, lost, ...options }: PoolOptions): Pool {
  const all = new Set<Connection>();
  const idle: Connection[] = [];
  let waiters: Waiter[] = [];
  let opening = 0;
  /** Transactions under way that take long. */
  let long = 0;
  let isClosed = false;
  let cancelRetry = () => {};
  /** The last opening failed a moment ago. */
  let isPausing = false;
  /** The primary is not known, and is waited for: once, however many transactions wait. */
  let isSeeking = false;
  /** Why the last connection could not be opened; null: it could. */
  let failure: string | null = null;
  let allIdle = () => {};

  /** Gives what is idle to those that wait, and opens what is lacking. */
  function serve(): void {
    if (isClosed || waiters.length === 0) return;
    if (!primary.isKnown()) return seek();
    for (let next = nextWaiter(); next !== undefined && idle.length > 0; next = nextWaiter()) {
      const connection = idle.pop()!;
      if (!isUsable(connection)) {
        drop(connection);
        continue;
      }
      remove(next);
      if (next.isLong) long++;
      next.resolve(connection);
    }
    const lacking = Math.min(waiters.length, waiters.filter(({ isLong }) => !isLong).length + MOST_LONG - long);
    while (!isPausing && opening < lacking && all.size + opening < MOST) void open();
  }

  function seek(): void {
    if (isSeeking) return;
    isSeeking = true;
    void primary.find().then(
      () => {
        isSeeking = false;
        serve();
      },
      () => {},
    );
  }

  const nextWaiter = () => waiters.find(({ isLong }) => !isLong || long < MOST_LONG);

  function remove(waiter: Waiter): void {
    waiters = waiters.filter((each) => each !== waiter);
  }

  async function open(): Promise<void> {
    opening++;
    let connection: Connection | null = null;
    let isAdmitting = false;
    let cancel = () => {};
    try {
      const opened = await connect(await primary.find(), { ...options, clock });
      connection = opened;
      const { refusal } = connection.said();
      if (refusal !== null) throw unavailable(`PostgreSQL ${lineOf(connection, refusal)}`);
      if (!primary.isCurrent(serverOf(connection))) throw unavailable(OTHER_PRIMARY);
      connection.trustTime();
      isAdmitting = true;
      cancel = clock.after(DEADLINE, () => opened.cut(late()));
      await admit({ server: serverOf(opened), ask: opened.ask, transaction: (work) => transact(opened, work) });
      if (isClosed) throw closed();
      if (opened.lost() !== null) throw opened.lost();
      opened.onLost(() => !isClosed && lost());
      failure = null;
    } catch (error) {
      connection?.cut(error as Error);
      failed(translated(error), isAdmitting);
      return;
    } finally {
      cancel();
      opening--;
    }
    all.add(connection);
    giveBack(connection);
  }

  function failed(error: unknown, isAdmitting: boolean): void {
    if (isClosed) return;
    failure = errorLine(error);
    // A refusal of the one is one of all: those that wait need not wait for their deadlines.
    if (isAdmitting && !isTrouble(error)) for (const { reject } of waiters.splice(0)) reject(error);
    // A server that cannot be reached may not be the primary any more; one that is full, or knows no such role, still is.
    if (stateOf(causeOf(error)) === null || questionsPrimary(causeOf(error))) primary.question();
    cancelRetry();
    isPausing = true;
    cancelRetry = clock.after(PAUSE, () => {
      isPausing = false;
      serve();
    });
  }

  function isUsable(connection: Connection): boolean {
    return connection.lost() === null && primary.isCurrent(serverOf(connection));
  }

  function drop(connection: Connection): void {
    all.delete(connection);
    connection.cut(unavailable(OTHER_PRIMARY));
  }

  function giveBack(connection: Connection): void {
    if (isClosed || isUsable(connection)) idle.push(connection);
    else drop(connection);
    if (isClosed && idle.length === all.size) allIdle();
    serve();
  }

  /** Runs `work` on a connection, until the deadline: then its connection is cut. */
  async function inTime<T>(
    work: (connection: Connection) => Promise<T>,
    { within = DEADLINE, isLong = false }: Begin = {},
  ): Promise<T> {
    if (isClosed) throw closed();
    let isLate = false;
    let atDeadline = () => {};
    const cancel = clock.after(Math.max(1, within), () => {
      isLate = true;
      atDeadline();
    });

    async function once(): Promise<T> {
      const connection = await new Promise<Connection>((resolve, reject) => {
        const waiter = { isLong, resolve, reject };
        atDeadline = () => {
          remove(waiter);
          const why = primary.isKnown()
            ? (failure ?? `all ${isLong ? MOST_LONG : MOST} connections are busy`)
            : primary.why();
          reject(unavailable(`no connection to PostgreSQL within ${secondsOf(within)} s: ${why}`));
        };
        waiters.push(waiter);
        serve();
      });
      atDeadline = () => connection.cut(late(within));
      if (isLate) atDeadline();
      try {
        return await work(connection);
      } catch (error) {
        judge(connection, error);
        throw error;
      } finally {
        atDeadline = () => {};
        if (isLong) long--;
        giveBack(connection);
      }
    }

    const { first, longest } = CONFLICT_PAUSES;
    try {
      for (let pause = first; ; pause = Math.min(2 * pause, longest)) {
        try {
          return await once();
        } catch (error) {
          if (!isConflict(causeOf(error))) throw error;
          if (!isLate) await sleep(pause * (0.5 + random.float()), clock);
          if (isLate) throw error;
        }
      }
    } finally {
      cancel();
    }
  }

  /** What an error says of the connection, and of the server. */
  function judge(connection: Connection, error: unknown): void {
    const cause = causeOf(error);
    if (connection.lost() === null && spoilsConnection(cause)) connection.cut(cause as Error);
    if (connection.lost() !== null || questionsPrimary(cause)) primary.question();
  }

  return {
    transaction: (work, how) => inTime((connection) => transact(connection, work, how), how),
    query: (query) =>
      inTime((connection) =>
        connection.ask(query).catch((error) => {
          throw translated(error);
        }),
      ),
    dropOthers() {
      for (const connection of idle.splice(0)) {
        if (isUsable(connection)) idle.push(connection);
        else drop(connection);
      }
      for (const connection of all) if (!isUsable(connection)) drop(connection);
    },
    async close() {
      isClosed = true;
      cancelRetry();
      for (const { reject } of waiters.splice(0)) reject(closed());
      if (all.size > idle.length)
        await new Promise<void>((resolve) => {
          allIdle = resolve;
        });
      await Promise.all(idle.splice(0).map((connection) => connection.end()));
    },
  };
}

function unavailable(why: string): RelayError {
  return new RelayError("store_unavailable", why);
}

const late = (within = DEADLINE) => unavailable(`PostgreSQL has not answered within ${secondsOf(within)} s`);
const secondsOf = (ms: number) => Math.round(ms / 100) / 10;

/** The driver's error behind one of ours. */
function causeOf(error: unknown): unknown {
  return error instanceof RelayError ? (error.cause ?? error) : error;
}
