import type { Clock, Log } from "../../ports.ts";

/**
 * Writes warnings of one kind, at most `burst` within `every` milliseconds. The next line has `omitted`: how many were not
 * written.
 */
export function createLimitedLog(
  log: Pick<Log, "warn">,
  clock: Pick<Clock, "elapsed">,
  { every = 60_000, burst = 1 }: { every?: number; burst?: number } = {},
): Log["warn"] {
  let since = Number.NEGATIVE_INFINITY;
  let written = 0;
  let omitted = 0;
  return (fact, fields) => {
    const now = clock.elapsed();
    if (now - since >= every) {
      since = now;
      written = 0;
    }
    if (written === burst) {
      omitted++;
      return;
    }
    written++;
    log.warn(fact, omitted > 0 ? { ...fields, omitted } : fields);
    omitted = 0;
  };
}

/** The most kinds of lines at once; further ones are one kind. */
const MOST_KINDS = 100;

/** Characters of an error that tell its kind. */
const KIND = 200;

/** Writes one line of a kind and level at most once in `every` milliseconds. */
export type SampledLog = (
  level: "info" | "warn" | "error",
  kind: string,
  fact: string,
  fields: Record<string, unknown>,
) => void;

/**
 * For failures that repeat: of each kind the first line in `every` milliseconds is written, and the next one has `omitted`, how
 * many were not. Kinds that differ in long numbers only (of bytes, not of statuses) are one. When a kind does not come again, its last line and that number are
 * written with the next line of another kind.
 */
export function createSampledLog(
  log: Pick<Log, "info" | "warn" | "error">,
  clock: Pick<Clock, "elapsed">,
  { every = 60_000 }: { every?: number } = {},
): SampledLog {
  type Omitted = { since: number; omitted: number; write(): void };
  const kinds = new Map<string, Omitted>();

  /** Of the kinds whose time is over. */
  function writeRest(now: number, except: string): void {
    for (const [kind, { since, omitted, write }] of kinds) {
      if (now - since < every || kind === except) continue;
      kinds.delete(kind);
      if (omitted > 0) write();
    }
  }

  return (level, kind, fact, fields) => {
    const now = clock.elapsed();
    const plain = `${fact} ${kind.slice(0, KIND).replace(/\d{4,}/g, "#")}`;
    const known = kinds.has(plain) || kinds.size < MOST_KINDS ? plain : "";
    writeRest(now, known);
    const { since, omitted } = kinds.get(known) ?? { since: Number.NEGATIVE_INFINITY, omitted: 0 };
    if (now - since < every) {
      // The rest counts this line, which is written then.
      kinds.set(known, { since, omitted: omitted + 1, write: () => log[level](fact, { ...fields, omitted }) });
      return;
    }
    log[level](fact, omitted > 0 ? { ...fields, omitted } : fields);
    kinds.set(known, { since: now, omitted: 0, write() {} });
  };
}
