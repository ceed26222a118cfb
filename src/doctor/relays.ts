import { relativeTime } from "../actions/format.ts";
import { describeRelay, describeRelays } from "../actions/relay/relays.ts";
import type { RelaySeen } from "../store/access/relays.ts";
import { type Finding, of, ok, START, warning } from "./probe.ts";

/** The relays of a store that several work on. */
export function judgeRelays(seen: RelaySeen[], now: number): Finding[] {
  const relays = describeRelays(seen, now);
  if (!relays.some(({ live }) => live)) return [warning("none was seen within two minutes", START)];
  return relays.map((relay) => {
    const { host, live, configDiffers, lastSeenAt } = relay;
    const line = describeRelay(relay, relativeTime(Date.parse(lastSeenAt), now));
    if (!live) return of(host, warning(line, "start it; after a day without it, it is not listed any longer"));
    if (configDiffers) return of(host, warning(line, `give it the others' config, and there: wochit-relay reload`));
    return of(host, ok(line));
  });
}
