import { RelayError } from "../../../errors.ts";
import type { Silence } from "../../../model/alert.ts";
import { insert, sql, type Tx } from "../tx.ts";

// Alarms of which nothing is said for a while. A silence ends by itself.

/** Clocks of machines are so far apart, in milliseconds: a silence of later than that was made by a clock that was wrong. */
const APART = 60_000;

const ALL = sql<[], Silence>("SELECT name, since, until, reason FROM silences ORDER BY name");
const SET = insert(
  "silences",
  ["name", "since", "until", "reason"],
  "ON CONFLICT (name) DO UPDATE SET since = excluded.since, until = excluded.until, reason = excluded.reason",
);
const END = sql<[string]>("DELETE FROM silences WHERE name = ?");

export async function list(tx: Tx, now: number): Promise<Silence[]> {
  return (await tx.all(ALL, [])).filter((one) => holds(one, now));
}

const holds = ({ since, until }: Silence, now: number) => since <= now + APART && until > now;

/** The names that are silenced at `now`; silences that do not hold are forgotten. */
export async function reached(tx: Tx, now: number): Promise<Set<string>> {
  const all = await tx.all(ALL, []);
  for (const one of all) if (!holds(one, now)) tx.write(END, [one.name]);
  return new Set(all.filter((one) => holds(one, now)).map(({ name }) => name));
}

export function begin(tx: Tx, name: string, { until, reason }: Pick<Silence, "until" | "reason">, now: number): void {
  SET(tx, { name, since: now, until, reason });
}

export async function end(tx: Tx, name: string, now: number): Promise<void> {
  if (!(await list(tx, now)).some((one) => one.name === name)) {
    throw new RelayError("conflict", `${name} is not silenced`);
  }
  tx.write(END, [name]);
}
