import { formatCount, formatSize } from "../../actions/format.ts";
import type { Zone } from "../../actions/parse-time.ts";
import { inZone } from "./times.ts";

/** A database that was copied and checked. `newestEvent` is an ISO time, shown in `zone`. */
export function describeCopy(
  copy: { events: number; newestEvent: string | null; bytes: number; ms: number },
  zone: Zone,
): string {
  const { events, newestEvent, bytes, ms } = copy;
  const upTo = newestEvent === null ? "" : `, the newest of ${inZone(newestEvent, zone)}`;
  return `${formatCount(events, "event")}${upTo}, ${formatSize(bytes)}, checked, in ${(ms / 1000).toFixed(1)} s`;
}
