/** How long bodies and attempts are kept after their end, in milliseconds. */
export type Retention = { bodies: number; attempts: number };

/** What is pruned: what has ended before these times, in milliseconds since 1970. */
export type Expiry = { bodies: number; attempts: number };

export function expiryAt(now: number, { bodies, attempts }: Retention): Expiry {
  return { bodies: now - bodies, attempts: now - attempts };
}

/**
 * Rows that are pruned, and their content in bytes: `bodies` of events that stay, `autosaves` (events that go whole),
 * `duplicates` (the bodies of repeated events), `attempts`.
 */
export type Pruned = Record<"bodies" | "autosaves" | "duplicates" | "attempts", { rows: number; bytes: number }>;

export function nothingPruned(): Pruned {
  const none = () => ({ rows: 0, bytes: 0 });
  return { bodies: none(), autosaves: none(), duplicates: none(), attempts: none() };
}

export function addPruned(to: Pruned, more: Pruned): void {
  for (const kind of Object.keys(to) as (keyof Pruned)[]) {
    to[kind].rows += more[kind].rows;
    to[kind].bytes += more[kind].bytes;
  }
}
