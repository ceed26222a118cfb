import { createNames, type Epoch, type Names } from "../../core/rows/ids.ts";
import type { Answer, Query } from "../wire/connection.ts";

// A database is in an epoch (CONTRACT, "Ids"), and its ids are called by the tags of all of them, and by names that were given.
// Each relay knows that by heart. What changes any of it changes the mark, too, which every transaction looks at.

/** What is known of it. `epoch`: as `Store.epoch`. `number`: sequences are greater. `beganAt`: null: with the database. */
export type Life = { epoch: string; number: number; beganAt: number | null; mark: string };

export type KnownLife = {
  /** As it was last read; RelayError before it was. */
  now(): Life;
  isKnown(): boolean;
  /** The database has answered. */
  touch(now: number): void;
  /** When it last has, by the database's time; 0: never. */
  touchedAt(): number;
  /** What ids are called, as it was last read. */
  names: Names;
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

export function createLife(): KnownLife {
  let life: Life | null = null;
  let touchedAt = 0;
  let tagged = createNames([]);
  let given = { shown: new Map<number, string>(), found: new Map<string, number>() };

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
    names: {
      show: (prefix, id) => (prefix === "evt" && given.shown.get(id)) || tagged.show(prefix, id),
      read: (prefix, text) => given.found.get(text) ?? tagged.read(prefix, text),
      find: (prefix, text) => given.found.get(text) ?? tagged.find(prefix, text),
      claim: (claims) => tagged.claim(claims),
      claimed: (token) => tagged.claimed(token),
    },
    async read(ask) {
      // The mark first: what changes after it is found by it.
      const [marks, epochs, of, names] = await Promise.all([ask(readMark), ask(EPOCH), ask(EPOCHS), ask(GIVEN)]);
      const rows = of.rows as EpochRow[];
      const { number, began_at: beganAt } = rows[0]!;
      tagged = createNames(rows);
      given = { shown: new Map(), found: new Map() };
      for (const { name, event, is_shown } of names.rows as GivenRow[]) {
        given.found.set(name, event);
        if (is_shown === 1) given.shown.set(event, name);
      }
      const epoch = epochs.rows[0]!.epoch as string;
      life = { epoch, number, beganAt, mark: markOf(marks.rows[0]?.value) };
    },
  };
}
