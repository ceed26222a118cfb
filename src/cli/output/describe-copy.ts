import { formatCount, formatSize, shortTime } from "../../actions/format.ts";

/** A database that was copied and checked. `newestEvent` is an ISO time. */
export function describeCopy(copy: { events: number; newestEvent: string | null; bytes: number; ms: number }): string {
  const { events, newestEvent, bytes, ms } = copy;
  const upTo = newestEvent === null ? "" : `, the newest of ${shortTime(newestEvent)}`;
  return `${formatCount(events, "event")}${upTo}, ${formatSize(bytes)}, checked, in ${(ms / 1000).toFixed(1)} s`;
}
