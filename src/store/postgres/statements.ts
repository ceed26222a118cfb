import type { Statement, Value } from "../core/tx.ts";
import type { Answer, Query } from "./wire/connection.ts";

type Known = { text: string; name: string; uses: number };

/** With the statement that it is. */
export type Asking = Query & { readonly of?: Statement };

const known = new WeakMap<Statement, Known>();
const together = new WeakMap<Statement, Map<number, Pick<Query, "name" | "text">>>();
let named = 0;

/** How many rows one statement adds, at most; each power of two up to there is a statement of its own. */
const MOST_ROWS = 64;

/**
 * A statement of the rules, with its values, as PostgreSQL takes it. One that is used again is prepared by name: those that
 * are made for one call would fill every connection with plans.
 */
export function toQuery(statement: Statement, values: readonly Value[]): Asking {
  let one = known.get(statement);
  if (one === undefined) {
    one = { text: numbered(statement.text), name: "", uses: 0 };
    known.set(statement, one);
  }
  if (one.uses++ === 1) one.name = `s${named++}`;
  return { name: one.name, text: one.text, values: values.map(toValue), of: statement };
}

/** Statements that do what the same one does with each of these values, and what each of those is answered. */
export type Joined = { query: Query; first: number; count: number; share(answer: Answer, nth: number): Answer };

/** What follows a row (ON CONFLICT) may change one row only once in a statement. */
export const isJoined = ({ of }: Asking): boolean => of?.adds?.rest === "" || of?.takes !== undefined;

export function join(statement: Statement, values: Query["values"][]): Joined[] {
  return statement.takes !== undefined ? [askAll(statement, values)] : addAll(statement, values);
}

function addAll(statement: Statement, rows: Query["values"][]): Joined[] {
  const { into, row } = statement.adds!;
  const all: Joined[] = [];
  for (let first = 0; first < rows.length; ) {
    const count = 2 ** Math.floor(Math.log2(Math.min(MOST_ROWS, rows.length - first)));
    const text = () => numbered(`${into} ${Array(count).fill(row).join(", ")}`);
    const query = { ...prepared(statement, count, text), values: rows.slice(first, first + count).flat() };
    all.push({ query, first, count, share: (answer) => answer });
    first += count;
  }
  return all;
}

/** Each is asked by itself, in their order, within the server: by the plan that it has alone. */
function askAll(statement: Statement, values: Query["values"][]): Joined {
  const { text, takes } = statement as Required<Statement>;
  const places = takes.map((_, at) => `v${at}`);
  const one = () => {
    let at = 0;
    return text.replace(/\?/g, () => `a.${places[at++]}`);
  };
  const whole = () =>
    `SELECT r.*, a.nth FROM unnest(${takes.map((type, at) => `$${at + 1}::${type}[]`).join()})
       WITH ORDINALITY AS a (${places.join()}, nth) CROSS JOIN LATERAL (SELECT * FROM (${one()}) AS one OFFSET 0) AS r`;
  let shares: Answer["rows"][] | null = null;
  const query = {
    ...prepared(statement, 0, whole),
    values: takes.map((_, at) => values.map((each) => each[at] as Value)),
  };
  return {
    ...{ query, first: 0, count: values.length },
    share(answer, nth) {
      shares ??= shareOut(answer, values.length);
      return { ...answer, rows: shares[nth]!, rowCount: shares[nth]!.length };
    },
  };
}

function shareOut({ rows }: Answer, count: number): Answer["rows"][] {
  const shares: Answer["rows"][] = Array.from({ length: count }, () => []);
  for (const row of rows) {
    const { nth } = row as { nth: number };
    delete row.nth;
    shares[nth - 1]!.push(row);
  }
  return shares;
}

/** `count`: of how many rows; 0: of any number. */
function prepared(statement: Statement, count: number, text: () => string): Pick<Query, "name" | "text"> {
  const sizes = together.get(statement) ?? new Map<number, Pick<Query, "name" | "text">>();
  together.set(statement, sizes);
  const one = sizes.get(count) ?? { name: `s${named++}`, text: text() };
  sizes.set(count, one);
  return one;
}

/** `?` as `$1`, `$2`: no statement of the rules has a question mark for anything else. */
function numbered(text: string): string {
  let at = 0;
  return text.replace(/\?/g, () => `$${++at}`);
}

/** The driver would write anything as text. A text of PostgreSQL holds no NUL (postgresql.org/docs/current/datatype-character.html). */
export function toValue(value: Value): Value {
  if (typeof value === "string") return value.replaceAll("\0", "\ufffd");
  if (value === null || typeof value === "number" || value instanceof Uint8Array) return value;
  throw new TypeError(`a column holds no ${typeof value}`);
}
