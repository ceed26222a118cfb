import type { Clock } from "../../ports.ts";
import { LATEST_TIME } from "../../rules/plausible-time.ts";
import type { Ids, Names } from "../core/rows/ids.ts";
import { PER_MS } from "../core/rows/numbers.ts";

/** A transaction wants more ids than it has drawn: it is begun anew, with more of them. */
export class MoreIds extends Error {}

/** The ids of one transaction; `end`: it has ended, however it did. */
export type Block = { of(index: number): Ids; end(): void };

export type IdBlocks = {
  /** Before a transaction draws `size` ids. Several may be under way at once. */
  draw(size: number): Drawing;
  /** A transaction failed: the server may not know yet, and what it drew is given no other. */
  forget(): void;
};

export type Drawing = {
  /** What `take_ids` is asked (schema/numbers.ts): the least of now, how many, and which ones this store has left. */
  asked: [at: number, size: number, used: number, upto: number];
  /** Each of the transaction's jobs has `each` of them, in the order in which the jobs came. */
  open(first: number, each: number, names: Names): Block;
};

/** Ids that no transaction has left over; there are none of them. */
const NONE = { used: -1, upto: -1 };

/** The blocks of ids that the transactions of a store draw. */
export function createIdBlocks(clock: Clock): IdBlocks {
  let left = NONE;
  return {
    draw(size) {
      const now = clock.now();
      const { used, upto } = left;
      // Another transaction draws none of what this one may be given.
      left = NONE;
      return {
        asked: [now < LATEST_TIME ? Math.floor(now) * PER_MS : 0, size, used, upto],
        open: (first, each, names) =>
          openBlock({ first, each, names, end: first <= upto ? Math.max(upto, first + size - 1) : first + size - 1 }),
      };
    },
    forget() {
      left = NONE;
    },
  };

  /** `end`: the last id that is this transaction's. A rest that was given out first may be longer than what was wanted of it. */
  function openBlock({ first, each, names, end }: { first: number; each: number; names: Names; end: number }): Block {
    let used = first - 1;
    return {
      of(index) {
        let next = first + index * each;
        const last = next + each - 1;
        const block = (count: number) => {
          const at = next;
          next += count;
          if (next - 1 > last) throw new MoreIds();
          used = Math.max(used, next - 1);
          return at;
        };
        return { ...names, next: () => block(1), block, taken() {} };
      },
      end() {
        left = { used, upto: end };
      },
    };
  }
}

/** Of a transaction that only reads. */
export function noIds(names: Names): Ids {
  const block = () => {
    throw new Error("an id is made where nothing is written");
  };
  return { ...names, next: block, block, taken() {} };
}
