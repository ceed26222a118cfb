import { tellSize } from "../../actions/format-size.ts";
import { shortTime } from "../../actions/times.ts";

const PLURAL = {
  event: "events",
  medium: "media",
  copy: "copies",
  "refused body": "refused bodies",
  problem: "problems",
};

/** "1 copy", "2 copies". */
export function tellCount(many: number, noun: keyof typeof PLURAL): string {
  return `${many} ${many === 1 ? noun : PLURAL[noun]}`;
}

/** A database that was copied and checked. `newestEvent` is an ISO time. */
export function describeCopy(copy: { events: number; newestEvent: string | null; bytes: number; ms: number }): string {
  const { events, newestEvent, bytes, ms } = copy;
  const upTo = newestEvent === null ? "" : `, the newest of ${shortTime(newestEvent)}`;
  return `${tellCount(events, "event")}${upTo}, ${tellSize(bytes)}, checked, in ${(ms / 1000).toFixed(1)} s`;
}
