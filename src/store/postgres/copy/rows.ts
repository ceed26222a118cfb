import { createHash } from "node:crypto";
import { RelayError } from "../../../errors.ts";
import type { Value } from "../../core/value.ts";
import type { Source } from "../../sqlite/copy/source.ts";
import { CUT, MOST } from "../schema/lengths.ts";
import { toValue } from "../statements.ts";
import type { Query } from "../wire/connection.ts";
import type { Transaction } from "../wire/transaction.ts";
import { type Column, type CopyTable, quoted } from "./tables.ts";

/** At most this much goes out in one statement; a longer row by itself. */
const ROWS = 5_000;
const BYTES = 1_048_576;

/** `tell`: rows that were done since it was called last. */
type How = { signal: AbortSignal | undefined; tell(rows: number): void };

/** What was written of a table. `ends`: the key of the last row of each statement. `sha256`: of all its rows, in order. */
export type Filled = { rows: number; sha256: string; ends: Value[][] };

/** Writes all rows of a table; the next ones are read while the server writes. */
export async function fill(tx: Transaction, table: CopyTable, source: Source, { signal, tell }: How): Promise<Filled> {
  const hash = createHash("sha256");
  const ends: Value[][] = [];
  const keys = table.key.map((column) => table.columns.indexOf(column));
  const send = insertInto(table);
  let rows = 0;
  let sent: Promise<unknown> = Promise.resolve();
  for (const batch of batches(source.rows(table.select), table.columns)) {
    signal?.throwIfAborted();
    await sent;
    sent = tx.query(send(batch));
    for (const row of batch) hash.update(lineOf(row));
    ends.push(keys.map((at) => batch.at(-1)![at]!));
    rows += batch.length;
    tell(batch.length);
  }
  await sent;
  return { rows, sha256: hash.digest("hex"), ends };
}

/** Reads a table as it is now, in the pieces in which it was written, and refuses it where it is another. */
export async function compare(tx: Transaction, table: CopyTable, filled: Filled, { signal, tell }: How): Promise<void> {
  const hash = createHash("sha256");
  const { name, columns, key } = table;
  const names = columns.map((column) => column.name);
  const order = key.map((column) => quoted(column.name)).join(", ");
  const parameters = (from: number) => key.map(({ type }, at) => `$${from + at}::${type}`).join(", ");
  const select = (where: string) =>
    `SELECT ${names.map(quoted).join(", ")} FROM ${name} WHERE ${where} ORDER BY ${order}`;
  const upTo = `(${order}) <= (${parameters(1)})`;
  const first = select(upTo);
  const next = select(`${upTo} AND (${order}) > (${parameters(1 + key.length)})`);
  const read = (at: number) => {
    const [end, before] = [filled.ends[at], filled.ends[at - 1]];
    if (end === undefined) return null;
    return tx.query({ name: "", text: before === undefined ? first : next, values: [...end, ...(before ?? [])] });
  };
  let reading = read(0);
  for (let at = 0; reading !== null; at++) {
    signal?.throwIfAborted();
    const { rows } = await reading;
    reading = read(at + 1);
    for (const row of rows) hash.update(lineOf(names.map((column) => row[column] as Value)));
    tell(rows.length);
  }
  const { rows } = await tx.query({ name: "", text: `SELECT count(*) AS count FROM ${name}`, values: [] });
  const { count } = rows[0] as { count: number };
  if (count !== filled.rows) throw differs(name, `it has ${count} rows, and ${filled.rows} were copied`);
  if (hash.digest("hex") !== filled.sha256) throw differs(name, "its rows are not those that were copied");
}

function differs(table: string, how: string): RelayError {
  return new RelayError("conflict", `PostgreSQL has stored another table ${table}: ${how}; nothing was kept`);
}

/** One array for each column: a statement for any number of rows. */
function insertInto({ name, columns }: CopyTable): (rows: Value[][]) => Query {
  const into = columns.map((column) => quoted(column.name)).join(", ");
  const arrays = columns.map(({ type }, at) => `$${at + 1}::${type}[]`).join(", ");
  const text = `INSERT INTO ${name} (${into}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest(${arrays})`;
  return (rows) => ({
    ...{ name: `copy_${name}`, text },
    values: columns.map((_, at) => rows.map((row) => row[at]!)),
  });
}

function* batches(rows: Iterable<unknown[]>, columns: Column[]): Iterable<Value[][]> {
  const convert = columns.map(converter);
  let batch: Value[][] = [];
  let bytes = 0;
  for (const row of rows) {
    const values = row.map((value, at) => convert[at]!(value));
    const size = values.reduce<number>((sum, value) => sum + sizeOf(value), 0);
    if (batch.length > 0 && (batch.length === ROWS || bytes + size > BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(values);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

const sizeOf = (value: Value) => (typeof value === "string" || value instanceof Uint8Array ? value.length : 8);

/** A value as PostgreSQL has it. It takes no NUL in a text, and keeps no longer ones where the rules cut them (schema/lengths.ts). */
function converter({ table, name, type }: Column): (value: unknown) => Value {
  const isCut = CUT.some(([cutTable, column]) => cutTable === table && column === name);
  const fits = FITS[type] ?? (() => false);
  return (value) => {
    if (value === null) return null;
    if (!fits(value)) throw new RelayError("unsupported", `a value of ${table}.${name} is no ${type} of PostgreSQL`);
    const plain = toValue(value as Value);
    return isCut && (plain as string).length > MOST ? [...(plain as string)].slice(0, MOST).join("") : plain;
  };
}

/** What is beyond a number's precision has been read as another number. */
const FITS: Record<string, (value: unknown) => boolean> = {
  text: (value) => typeof value === "string",
  bigint: Number.isSafeInteger,
  integer: Number.isSafeInteger,
  "double precision": Number.isFinite,
  bytea: (value) => value instanceof Uint8Array,
};

/** A row in text, the same for the same values. */
function lineOf(row: Value[]): string {
  const values = row.map((value) =>
    value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64") : value,
  );
  return `${JSON.stringify(values)}\n`;
}
