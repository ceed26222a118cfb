import { createNames, type Epoch, type Names } from "../../core/rows/ids.ts";
import type { Answer, Query } from "../wire/connection.ts";

// A database is in an epoch (CONTRACT, "Ids"), and its ids are called by the tags of all of them, and by names that were given.
// Each relay knows that by heart. What changes any of it changes the mark, too, which every transaction looks at.

/**
 * What is known of it, of one moment. `epoch`: as `Store.epoch`. `number`: sequences are greater. `beganAt`: null: with the database.
 * `names`: what ids are called.
 */
export type Life = { epoch: string; number: number; beganAt: number | null; names: Names; mark: string };

export type KnownLife = {
  /**
   * As it was last read; RelayError before it was. What began for one keeps to it: one that was read earlier may be heard of later, and be
   * known for a while.
   */
  now(): Life;
  isKnown(): boolean;
  /** The database has answered. */
  touch(now: number): void;
  /** When it last has, by the database's time; 0: never. */
  touchedAt(): number;
  /** Reads it anew; `ask` sends a statement. */
  read(ask: (query: Query) => Promise<Answer>): Promise<void>;
};

/** What a transaction was made for has another epoch, or other names, by now: it is undone, and is made anew. */
export class OtherLife extends Error {}

const query = (text: string): Query => ({ name: "", text, values: [] });

export const readMark: Query = { ...query("SELECT value FROM meta WHERE name = 'names'"), name: "life_mark" };
const EPOCH = query("SELECT encode(value, 'hex') AS epoch FROM meta WHERE name = 'epoch'");
const EPOCHS = query("SELECT first, tag, number, began_at FROM epochs ORDER BY id DESC");
const GIVEN = query("SELECT name, event, is_shown FROM given_names");

/** As text. */
export const markOf = (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : "");

type EpochRow = Epoch & { number: number; began_at: number | null };
type GivenRow = { name: string; event: number; is_shown: number };

function namesOf(tagged: Names, given: GivenRow[]): Names {
  const found = new Map(given.map(({ name, event }) => [name, event]));
  const shown = new Map(given.filter(({ is_shown }) => is_shown === 1).map(({ name, event }) => [event, name]));
  return {
    ...tagged,
    show: (prefix, id) => (prefix === "evt" && shown.get(id)) || tagged.show(prefix, id),
    read: (prefix, text) => found.get(text) ?? tagged.read(prefix, text),
    find: (prefix, text) => found.get(text) ?? tagged.find(prefix, text),
  };
}

/** A delivery that was claimed before an epoch began ends within this: its lease, and a look at the other hosts. Milliseconds. */
const LONGEST_ATTEMPT = 25_000;

/** As `Tx.claimsFrom`. A clock that was set back says nothing. */
export function claimsFrom({ beganAt }: Life, now: number): number {
  return beganAt !== null && beganAt <= now && now < beganAt + LONGEST_ATTEMPT ? beganAt + LONGEST_ATTEMPT : 0;
}

export function createLife(): KnownLife {
  let life: Life | null = null;
  let touchedAt = 0;

  return {
    now() {
      if (life === null) throw new Error("the database's epoch was asked for before it was read");
      return life;
    },
    isKnown: () => life !== null,
    touch(now) {
      touchedAt = now;
    },
    touchedAt: () => touchedAt,
    async read(ask) {
      // The mark first: what changes after it is found by it.
      const [marks, epochs, of, names] = await Promise.all([ask(readMark), ask(EPOCH), ask(EPOCHS), ask(GIVEN)]);
      const rows = of.rows as EpochRow[];
      const { number, began_at: beganAt } = rows[0]!;
      const epoch = epochs.rows[0]!.epoch as string;
      const called = namesOf(createNames(rows), names.rows as GivenRow[]);
      life = { epoch, number, beganAt, names: called, mark: markOf(marks.rows[0]?.value) };
    },
  };
}
