import type { Statement, Value } from "../core/tx.ts";
import type { Query } from "./wire/connection.ts";

type Known = { text: string; name: string; uses: number };

const known = new WeakMap<Statement, Known>();
let named = 0;

/**
 * A statement of the rules, with its values, as PostgreSQL takes it. One that is used again is prepared by name: those that
 * are made for one call would fill every connection with plans.
 */
export function toQuery(statement: Statement, values: readonly Value[]): Query {
  let one = known.get(statement);
  if (one === undefined) {
    one = { text: numbered(statement.text), name: "", uses: 0 };
    known.set(statement, one);
  }
  if (one.uses++ === 1) one.name = `s${named++}`;
  return { name: one.name, text: one.text, values: values.map(toValue) };
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
