import { TALLY_BOUNDS, type Tally, type TallyKind } from "../../store/counts.ts";
import type { Store } from "../../store/store.ts";

const HOUR = 3_600_000;

/** Hours that are shown, unless asked otherwise, and at most. */
export const HOURS = 24;
export const MOST_HOURS = 168;

/** What one hour came to at an endpoint: how its deliveries ended, and how its attempts went. */
export type EndpointHour = {
  /** When it began, ISO 8601. */
  hour: string;
  delivered: number;
  dead: number;
  attempts: number;
  /** Of the attempts; they may have been made again. */
  failed: number;
  /** What half of the attempts, and 95 of 100, took at most, in milliseconds, by the bounds of `TALLY_BOUNDS`; null: there was none. */
  p50: number | null;
  p95: number | null;
};

/** What one hour came to in all. `received` without `duplicates`. */
export type TrafficHour = {
  hour: string;
  received: number;
  duplicates: number;
  delivered: number;
  dead: number;
  mirrored: number;
  /** Media that failed or expired. */
  lost: number;
};

type Tallies = Pick<Store, "tallies">;
type Span = { now: number; count?: number | undefined };

/** The last `count` hours of each of these endpoints, this hour last. `now`: milliseconds since 1970. */
export async function readEndpointHours(
  store: Tallies,
  ids: string[],
  { now, count = HOURS }: Span,
): Promise<Map<string, EndpointHour[]>> {
  const hours = lastHours(now, count);
  const label = ids.length === 1 ? { label: ids[0]! } : {};
  const read = async (kind: TallyKind) => sumUp(await store.tallies({ kind, ...label, since: hours[0]! }), labelled);
  const [ended, tried] = await Promise.all([read("deliveries"), read("attempts")]);
  const hourOf = (id: string, hour: number): EndpointHour => {
    const [{ ok: delivered, failed: dead }, { ok, failed, times }] = [ended(hour, id), tried(hour, id)];
    const took = { p50: within(times, 0.5), p95: within(times, 0.95) };
    return { hour: new Date(hour).toISOString(), delivered, dead, attempts: ok + failed, failed, ...took };
  };
  return new Map(ids.map((id) => [id, hours.map((hour) => hourOf(id, hour))]));
}

/** The last `count` hours in all, this hour last. `now`: milliseconds since 1970. */
export async function readTraffic(store: Tallies, { now, count = HOURS }: Span): Promise<TrafficHour[]> {
  const hours = lastHours(now, count);
  const read = async (kind: TallyKind) => sumUp(await store.tallies({ kind, since: hours[0]! }), () => "");
  const [came, ended, copied] = await Promise.all([read("received"), read("deliveries"), read("media")]);
  return hours.map((hour) => {
    const [events, deliveries, media] = [came(hour), ended(hour), copied(hour)];
    return {
      ...{ hour: new Date(hour).toISOString(), received: events.ok, duplicates: events.failed },
      ...{ delivered: deliveries.ok, dead: deliveries.failed, mirrored: media.ok, lost: media.failed },
    };
  });
}

/** `120 delivered, 2 died; 5 of 127 attempts failed; of the newest half took at most 100 ms, 95 % at most 3000 ms` */
export function describeHours(hours: EndpointHour[]): string {
  const total = (of: "delivered" | "dead" | "attempts" | "failed") => hours.reduce((sum, hour) => sum + hour[of], 0);
  const attempts = total("attempts");
  if (attempts === 0) return "nothing was sent";
  const { p50, p95 } = hours.findLast(({ p50 }) => p50 !== null)!;
  const took = `of the newest half took at most ${p50} ms, 95 % at most ${p95} ms`;
  return `${total("delivered")} delivered, ${total("dead")} died${total("dead") > 0 ? " (one that is sent again may have been delivered since)" : ""}; ${total("failed")} of ${attempts} attempts failed; ${took}`;
}

/** When each began, milliseconds since 1970. */
function lastHours(now: number, count: number): number[] {
  const present = Math.floor(now / HOUR) * HOUR;
  return Array.from({ length: count }, (_, at) => present - (count - 1 - at) * HOUR);
}

type Sum = Pick<Tally, "ok" | "failed" | "times">;

const labelled = ({ label }: Tally) => label;

/** The sums of an hour and what `of` gives; zeros where nothing was counted. */
function sumUp(tallies: Tally[], of: (tally: Tally) => string): (hour: number, of?: string) => Sum {
  const sums = new Map<string, Sum>();
  for (const tally of tallies) {
    const key = `${tally.hour} ${of(tally)}`;
    const sum = sums.get(key) ?? { ok: 0, failed: 0, times: [] };
    sums.set(key, { ...tally, ok: sum.ok + tally.ok, failed: sum.failed + tally.failed });
  }
  return (hour, of = "") => sums.get(`${hour} ${of}`) ?? { ok: 0, failed: 0, times: [] };
}

/** The first of `TALLY_BOUNDS` within which this share was over, the last one also for what took longer; null: there is none. */
function within(times: number[], share: number): number | null {
  const all = times.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let over = 0;
  const at = times.findIndex((count) => {
    over += count;
    return over >= share * all;
  });
  return TALLY_BOUNDS[at] ?? TALLY_BOUNDS.at(-1)!;
}
