import { NO_VIDEO } from "../core/deliveries/lanes.ts";
import type { Ids } from "../core/rows/ids.ts";
import type { Sums } from "../core/rows/tallies.ts";
import type { Statement, Value } from "../core/tx.ts";
import type { Counted, Numbered, TallyKind } from "../counts.ts";
import { claimsFrom, type Life } from "./epoch/life.ts";
import { holdAnswers, holdEndpoint, holdVideos, horizon, type Kind } from "./locks.ts";
import type { Rounds } from "./rounds.ts";
import { type Asking, toQuery } from "./statements.ts";
import type { Answer } from "./wire/connection.ts";

/**
 * What a job's transaction is: `life`: what it is run for; `lane`: where its statements stand in a round; `kind`: what it has locked. `isHeld`: of a job that
 * claims, whether no other transaction does so; null: of other jobs.
 */
export type Within = {
  life: Life;
  rounds: Rounds;
  lane: number;
  ids: Ids;
  kind: Kind;
  isHeld: boolean | null;
  turns: Turns;
};

/** What jobs of the transaction do one after the other, by its name: when the last of them ends. */
export type Turns = Map<string, Promise<unknown>>;

/** The `tx` of one job, but for what surrounds all of them. */
export class JobTx {
  readonly ids: Ids;
  /** It has changed something: then it is undone with its transaction only. */
  hasWritten = false;
  readonly #within: Within;
  readonly #counted: [TallyKind, string, Counted][] = [];
  readonly #numbers: [Numbered, number][] = [];
  #isOver = false;

  constructor(within: Within) {
    this.#within = within;
    this.ids = within.ids;
  }

  get epoch(): number {
    return this.#within.life.number;
  }

  claimsFrom(now: number): number {
    return claimsFrom(this.#within.life, now);
  }

  async get(statement: Statement, values: Value[]): Promise<unknown> {
    return (await this.#ask(toQuery(statement, values))).rows[0];
  }

  async all(statement: Statement, values: Value[]): Promise<unknown[]> {
    return (await this.#ask(toQuery(statement, values))).rows;
  }

  async changed(statement: Statement, values: Value[]): Promise<number> {
    this.hasWritten = true;
    return (await this.#ask(toQuery(statement, values))).rowCount;
  }

  write(statement: Statement, values: Value[]): void {
    this.hasWritten = true;
    this.#check(statement.text);
    const { rounds, lane } = this.#within;
    rounds.put(lane, toQuery(statement, values));
  }

  tally(...counted: [TallyKind, string, Counted]): void {
    this.#counted.push(counted);
  }

  count(of: Numbered, by: number): void {
    this.#numbers.push([of, by]);
  }

  async hold(videos: number[]): Promise<ReadonlySet<number> | null> {
    if (this.#within.kind === "all") return null;
    const { rows } = await this.#ask(holdVideos([...new Set(videos)]));
    // What is about no video is in no other's way: its lane is the endpoint's.
    return new Set([NO_VIDEO, ...rows.map(({ id }) => id as number)]);
  }

  async holdEndpoint(endpoint: string): Promise<boolean> {
    if (this.#within.isHeld !== null) return this.#within.isHeld;
    const { rows } = await this.#ask(holdEndpoint(endpoint));
    return rows[0]!.isHeld === 1;
  }

  async holdAnswers(endpoint: string): Promise<boolean> {
    return (await this.#ask(holdAnswers(endpoint))).rows.length > 0;
  }

  alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const { turns } = this.#within;
    const done = (turns.get(name) ?? Promise.resolve()).then(work);
    // A failure is that of its job; the others find it where they ask.
    turns.set(
      name,
      done.catch(() => {}),
    );
    return done;
  }

  async horizon(): Promise<number> {
    return (await this.#ask(horizon())).rows[0]!.id as number;
  }

  /** Its work was done. */
  addUp(sums: Sums, now: number): void {
    for (const [kind, label, counted] of this.#counted) sums.add(now, kind, label, counted);
    for (const [of, by] of this.#numbers) sums.count(of, by);
  }

  end(): void {
    this.#isOver = true;
  }

  #ask(query: Asking): Promise<Answer> {
    this.#check(query.text);
    return this.#within.rounds.ask(this.#within.lane, query);
  }

  /** A promise that was not awaited must not reach the transaction of another job. */
  #check(text: string): void {
    if (this.#isOver) throw new Error(`a statement came after the end of its job: ${text}`);
  }
}
