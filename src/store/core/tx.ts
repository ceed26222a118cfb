import type { Job as ClaimedJob } from "../../model/job.ts";
import type { Counted, Numbered, TallyKind } from "../counts.ts";
import type { StoreSettings } from "../settings.ts";
import type { VideoRow } from "./events/video-row.ts";
import type { Memory } from "./memory.ts";
import type { Ids } from "./rows/ids.ts";
import type { Titles } from "./titles/titles.ts";
import type { Value } from "./value.ts";

export type { Value };

/** A statement, with `?` for its values; each engine prepares it once. The types say what goes in and what comes out. */
export type Statement<Values extends readonly Value[] = Value[], Row = unknown> = {
  readonly text: string;
  /**
   * Of one that adds a row: its table, and what stands before the row, the row, and what follows it. Such rows need not be
   * written before something meets their table.
   */
  readonly adds?: { readonly table: string; readonly into: string; readonly row: string; readonly rest: string };
  /** Of a read that many jobs ask at once: the types of its values. All of them may be asked in one statement. */
  readonly takes?: readonly ("int8" | "text")[];
  /** Never there: it ties the types to the statement. */
  readonly types?: { values: Values; row: Row };
};

export function sql<Values extends readonly Value[] = Value[], Row = unknown>(
  text: string,
  takes?: Statement["takes"],
): Statement<Values, Row> {
  return { text, ...(takes && { takes }) };
}

/**
 * Writes one row of a table, from an object: its members are mapped to positions here, once. `rest` is what may follow the
 * values (ON CONFLICT).
 */
export function insert<Column extends string>(table: string, columns: readonly Column[], rest = "") {
  const into = `INSERT INTO ${table} (${columns.join(", ")}) VALUES`;
  const row = `(${columns.map(() => "?").join(", ")})`;
  const statement: Statement = { text: `${into} ${row} ${rest}`, adds: { table, into, row, rest } };
  return (tx: Tx, row: Record<Column, Value>): void => tx.write(statement, valuesOf(columns, row));
}

/** The same for the row of an id, of which it sets these columns. */
export function update<Column extends string>(table: string, columns: readonly Column[]) {
  const statement = sql(`UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE id = ?`);
  return (tx: Tx, id: number, row: Record<Column, Value>): void => {
    const values = valuesOf(columns, row);
    values.push(id);
    tx.write(statement, values);
  };
}

function valuesOf<Column extends string>(columns: readonly Column[], row: Record<Column, Value>): Value[] {
  const values: Value[] = [];
  for (const column of columns) values.push(row[column]);
  return values;
}

/**
 * A transaction, as a rule sees it, until its job ends. Rules are plain async functions over it: nothing but `tx` is
 * awaited inside of them, so that an engine whose answers are there at once runs a whole batch in one turn of the event
 * loop. On PostgreSQL each await is a round trip: reads that do not depend on each other are asked for together.
 */
export type Tx = {
  /** The first row. */
  get<Values extends readonly Value[], Row>(
    statement: Statement<Values, Row>,
    values: Values,
  ): Promise<Row | undefined>;
  all<Values extends readonly Value[], Row>(statement: Statement<Values, Row>, values: Values): Promise<Row[]>;
  /** How many rows it changed. */
  changed<Values extends readonly Value[]>(statement: Statement<Values>, values: Values): Promise<number>;
  /** Not awaited: it rides along with the commit. Where it fails, the job fails. */
  write<Values extends readonly Value[]>(statement: Statement<Values>, values: Values): void;
  /** Counts what has happened, by the hour. It is written with the commit, where the job succeeds. */
  tally(kind: TallyKind, label: string, counted: Counted): void;
  /** Adds to the number of rows that there are. It is written in the same way, where the tables do not count by themselves. */
  count(of: Numbered, by: number): void;
  /** The time by the store's clock, in milliseconds. */
  now(): number;
  readonly ids: Ids;
  readonly settings: Readonly<StoreSettings>;
  /** The number of this life of the store, which the sequences of its events are greater than. */
  readonly epoch: number;
  /**
   * When claims of deliveries go on, where the present epoch began so short before `now` that an attempt from before it may be
   * under way still; 0: they need not wait.
   */
  claimsFrom(now: number): number;
  /** Absolute. */
  readonly dataDir: string;
  readonly memory: Memory;
  readonly titles: Titles;
  readonly relay: Relay;
  /**
   * Of these videos those that no other relay changes until the transaction ends: what was read of them before is read again.
   * Null: all, and nothing has changed.
   */
  hold(videos: number[]): Promise<ReadonlySet<number> | null>;
  /** Whether no other relay claims deliveries to this endpoint, or ("") work on media, until the transaction ends. */
  holdEndpoint(endpoint: string): Promise<boolean>;
  /** Whether no other relay judges an answer of this endpoint until the transaction ends. */
  holdAnswers(endpoint: string): Promise<boolean>;
  /** Runs `work` while no other job of the transaction is in one of the same name. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T>;
  /**
   * The least id that a transaction under way may have given; beyond LIMIT where there is none. Of the ids up to one that a statement
   * before this one has seen, all lesser ones than this that will ever be are seen by the statements after it. For a job that `isLive`.
   */
  horizon(): Promise<number>;
};

/** What tells a relay from the others of its database. */
export type Relay = {
  /** There are no others. */
  readonly isAlone: boolean;
  /** In a statement: that a job's row was last claimed by this relay. */
  readonly isOwn: string;
  /** Whose rows of the tallies it writes: rows that several write would be waited for. */
  readonly writer: string;
};

/** Of a database that one relay has for itself. */
export const ALONE: Relay = { isAlone: true, isOwn: "1 = 1", writer: "" };

/**
 * A rule as it is run. `key` is the video that it is about: what concerns one video runs one after the other. `lock` reads
 * the row of that video for `run`, before anything else; where it is null, `run` is given none.
 */
export type Job<Result> = {
  readonly key: string | null;
  readonly lock: Statement<[string], VideoRow> | null;
  /** What a job without `key` changes, where that is not anything: an engine of several relays locks that only. */
  readonly only?: Only;
  /**
   * Of a job without `key` that changes some videos: their names, which such an engine reads before it locks them, and runs the
   * job. It may change rows of a table (`only`), too.
   */
  readonly videos?: (tx: Tx) => Promise<Iterable<string>>;
  /** Of a job that judges an answer: the endpoint's, and whether it failed. */
  readonly judges?: { endpoint: string; fails: boolean };
  /** What it has claimed for its caller, which gives it back where the caller is not answered. */
  gives?(result: Result): ClaimedJob[];
  /** Each of its statements sees what was committed before it; what only reads is else shown one moment, by some engines. */
  readonly isLive?: true;
  run(tx: Tx, row: VideoRow | undefined): Promise<Result>;
};

/**
 * `claim`: deliveries to this endpoint, `claims`: work on media; of videos that the job holds by itself. `table`: its rows, and
 * others that only jobs of the same table write.
 */
export type Only = { claim: string } | { claims: "media" } | { table: Apart };
export type Apart =
  | ("quarantine" | "sessions" | "alarms" | "link_secrets" | "audit" | "titles" | "tasks" | "meta")
  /** How far retention is, and what is archived. */
  | "retention";

/** A job read something, and when it wrote another relay had changed that: nothing of it is kept, and it runs anew. */
export class Outdated extends Error {}

/** A job about one video, by its id at the provider. */
export function about<Result>(videoId: string, run: (tx: Tx) => Promise<Result>): Job<Result> {
  return { key: videoId, lock: null, run };
}

/** A job about no video in particular, or about one that is not known before it runs. */
export function job<Result>(run: (tx: Tx) => Promise<Result>): Job<Result> {
  return { key: null, lock: null, run };
}

/** A job about some videos, whose names are read before it runs, and about rows that no job of another table writes. */
export function aboutSome<Result>(
  videos: (tx: Tx) => Promise<Iterable<string>>,
  run: (tx: Tx) => Promise<Result>,
  table?: Apart,
): Job<Result> {
  return { ...job(run), videos, ...(table !== undefined && { only: { table } }) };
}

/** A job about rows that no job of another table writes. */
export function apart<Result>(table: Apart, run: (tx: Tx) => Promise<Result>): Job<Result> {
  return { ...job(run), only: { table } };
}
