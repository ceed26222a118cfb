import { GONE_AFTER, type RelaySeen } from "../../store/access/relays.ts";
import { isoTime } from "../json.ts";

// The relays of a store that several work on.

export type RelayJson = ReturnType<typeof describeRelays>[number];

export const isLive = ({ seenAt }: Pick<RelaySeen, "seenAt">, now: number) => now - seenAt < GONE_AFTER;

/**
 * They, in the order of their starts. `configDiffers`: from that of most that live; where as many have another, from that of the
 * relay that was started last.
 */
export function describeRelays(seen: RelaySeen[], now: number) {
  const live = seen.filter((one) => isLive(one, now));
  const alike = [...Map.groupBy(live, ({ config }) => config)].map(([config, those]) => ({
    config,
    count: those.length,
  }));
  const usual = alike.reduce((one, other) => (other.count >= one.count ? other : one), { config: "", count: 0 });
  return seen.map(({ id, host, version, config, startedAt, seenAt }) => ({
    ...{ id, host, version },
    startedAt: isoTime(startedAt)!,
    lastSeenAt: isoTime(seenAt)!,
    live: now - seenAt < GONE_AFTER,
    configDiffers: now - seenAt < GONE_AFTER && config !== usual.config,
  }));
}

/** `version 0.3.0, seen 2 s ago` */
export function describeRelay({ version, live, configDiffers }: RelayJson, seen: string): string {
  const silence = live ? "" : ": it does not answer, or was stopped";
  return `version ${version}, seen ${seen}${silence}${configDiffers ? "; its config is not that of the others" : ""}`;
}
