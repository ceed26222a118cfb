import { RelayError } from "../../../errors.ts";
import type { Silence } from "../../../model/alert.ts";
import { insert, sql, type Tx } from "../tx.ts";

// Alarms of which nothing is said for a while. A silence ends by itself.

const ALL = sql<[], Silence>("SELECT name, since, until, reason FROM silences ORDER BY name");
const SET = insert(
  "silences",
  ["name", "since", "until", "reason"],
  "ON CONFLICT (name) DO UPDATE SET since = excluded.since, until = excluded.until, reason = excluded.reason",
);
const END = sql<[string]>("DELETE FROM silences WHERE name = ?");

export async function list(tx: Tx, now: number): Promise<Silence[]> {
  return (await tx.all(ALL, [])).filter(({ until }) => until > now);
}

/** The names that are silenced at `now`; silences that have ended are forgotten. */
export async function reached(tx: Tx, now: number): Promise<Set<string>> {
  const all = await tx.all(ALL, []);
  for (const { name, until } of all) if (until <= now) tx.write(END, [name]);
  return new Set(all.filter(({ until }) => until > now).map(({ name }) => name));
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
