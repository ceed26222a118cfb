import type { Ports } from "../../ports.ts";
import { isNoSpace, OwnTrouble } from "../errors.ts";

/** Nobody has come back to this trouble for so long (milliseconds): what met it is wanted no longer. */
const FORGOTTEN = 15 * 60_000;

/** Trouble of a kind, and what it is over with. */
const KINDS = {
  room: { begins: "downloads wait for room on the spool's disk", ends: "there is room on the spool's disk again" },
  spool: { begins: "downloads wait: the spool cannot be used", ends: "the spool can be used again" },
} as const;

export type TroubleKind = keyof typeof KINDS;

/** Which kind an error is of. */
export function kindOf(error: unknown): TroubleKind {
  return isNoSpace(error) || (error instanceof OwnTrouble && error.doing === "room") ? "room" : "spool";
}

/** Trouble that many meet at once: the log hears of it when it begins and when it is over, not from each of them. */
export type Alarm = {
  /** `who` has met trouble; returns how often in a row. */
  raise(kind: TroubleKind, who: string, line: string): number;
  /** `who` meets it no longer. */
  clear(who: string): void;
  /** Whether anybody meets trouble of this kind. */
  has(kind: TroubleKind): boolean;
  /** What the trouble is, of whatever kind; null: there is none. */
  line(): string | null;
};

export function createAlarm({ clock, log }: Pick<Ports, "clock" | "log">): Alarm {
  type Met = { line: string; at: number; times: number };
  const kinds = Object.keys(KINDS) as TroubleKind[];
  const met = { room: new Map<string, Met>(), spool: new Map<string, Met>() } satisfies Record<TroubleKind, unknown>;

  function remove(kind: TroubleKind, who: string): void {
    if (met[kind].delete(who) && met[kind].size === 0) log.info(KINDS[kind].ends);
  }

  function forget(): void {
    const oldest = clock.elapsed() - FORGOTTEN;
    for (const kind of kinds) for (const [who, { at }] of met[kind]) if (at < oldest) remove(kind, who);
  }

  return {
    raise(kind, who, line) {
      forget();
      const all = met[kind];
      if (all.size === 0) log.error(KINDS[kind].begins, { error: line });
      const times = (all.get(who)?.times ?? 0) + 1;
      all.set(who, { line, at: clock.elapsed(), times });
      for (const other of kinds) if (other !== kind) remove(other, who);
      return times;
    },
    clear(who) {
      forget();
      for (const kind of kinds) remove(kind, who);
    },
    has: (kind) => met[kind].size > 0,
    line() {
      forget();
      return kinds.flatMap((kind) => [...met[kind].values()])[0]?.line ?? null;
    },
  };
}
