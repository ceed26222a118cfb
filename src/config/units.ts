/** Durations and sizes as a config writes them. */

export const DURATION = /^(0|[1-9]\d*)(ms|s|m|h|d)$/;

export const SIZE = /^(0|[1-9]\d*)(B|KiB|MiB|GiB|TiB)?$/;

const UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const SIZE_UNIT = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/**
 * Milliseconds of a duration like "500ms", "15s", "5m", "24h" or "90d"; null for anything else, and beyond the safe
 * integers.
 */
export function parseDuration(text: string): number | null {
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (count === undefined) return null;
  const ms = Number(count) * UNIT[unit as keyof typeof UNIT];
  return Number.isSafeInteger(ms) ? ms : null;
}

/** Bytes of a size: a number, or a string like "256KiB", "5MiB", "10GiB"; null for anything else. */
export function parseSize(given: number | string): number | null {
  const [, count, unit] = SIZE.exec(String(given)) ?? [];
  if (count === undefined) return null;
  const bytes = Number(count) * SIZE_UNIT[(unit ?? "B") as keyof typeof SIZE_UNIT];
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Milliseconds as a config writes them, in the largest unit that divides them: "90d", "1500ms"; one day is "24h". */
export function formatDuration(ms: number): string {
  return ms === UNIT.d ? "24h" : format(ms, UNIT, "ms");
}

/** Bytes as a config writes them, in the same way: "5MiB", "1000B". */
export function formatSize(bytes: number): string {
  return format(bytes, SIZE_UNIT, "B");
}

function format(count: number, units: Record<string, number>, smallest: string): string {
  const [unit, size] = Object.entries(units).findLast(([, size]) => count > 0 && count % size === 0) ?? [smallest, 1];
  return `${count / size}${unit}`;
}
