import { insert, sql, type Tx } from "../tx.ts";

/** Where a copy is, and its size; null: not known. */
export type FormerCopy = { target: number; key: string; bytes: number | null };

// Copies that moves have left where they were. They go with their medium's own.

const AT_ONCE = 100;

const addFormer = insert("former_copies", ["medium", "target", "key", "bytes"], "ON CONFLICT DO NOTHING");
const OF_MEDIUM = sql<[number], FormerCopy>("SELECT target, key, bytes FROM former_copies WHERE medium = ?");
const DROP_ALL = sql<[number]>("DELETE FROM former_copies WHERE medium = ?");
const DROP = sql<[number, number, string]>("DELETE FROM former_copies WHERE medium = ? AND target = ? AND key = ?");
const IN_TARGET = sql<[number, number], FormerCopy & { medium: number }>(
  "SELECT medium, target, key, bytes FROM former_copies WHERE target = ? LIMIT ?",
);
const BETWEEN = sql<[number, number], { medium: number; target: number; bytes: number | null }>(
  "SELECT medium, target, bytes FROM former_copies WHERE medium > ? AND medium <= ?",
);

export const add = (tx: Tx, medium: number, copy: FormerCopy) => addFormer(tx, { medium, ...copy });

export const drop = (tx: Tx, medium: number, { target, key }: Pick<FormerCopy, "target" | "key">) =>
  tx.write(DROP, [medium, target, key]);

/** All of a medium; from now on they are the caller's to know. */
export async function take(tx: Tx, medium: number): Promise<FormerCopy[]> {
  const taken = await tx.all(OF_MEDIUM, [medium]);
  if (taken.length > 0) tx.write(DROP_ALL, [medium]);
  return taken;
}

/** The same of some in a target, of any media. */
export async function takeIn(tx: Tx, target: number): Promise<(FormerCopy & { medium: number })[]> {
  const taken = await tx.all(IN_TARGET, [target, AT_ONCE]);
  for (const { medium, ...copy } of taken) drop(tx, medium, copy);
  return taken;
}

export const between = (tx: Tx, above: number, upTo: number) => tx.all(BETWEEN, [above, upTo]);
