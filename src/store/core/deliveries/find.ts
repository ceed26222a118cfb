import type { JobState } from "../../../model/job.ts";
import type { Store } from "../../store.ts";
import { ofTypes } from "../events/type-filter.ts";
import { LISTED, listedEndpoints } from "../rows/listed-endpoints.ts";
import { bounds, type Condition, isOneWordOf, namedStates, newest, type Source, when } from "../rows/merge.ts";
import type { Filter } from "../rows/source.ts";
import type { Tx } from "../tx.ts";
import * as failed from "./failed.ts";

// Which deliveries match some filters. The narrowest of the filters gives them by its index, newest first; the others are
// conditions on each.

export type Wish = Omit<Parameters<Store["deliveries"]>[0], "limit">;

export const FROM = "deliveries d LEFT JOIN events e ON e.id = d.event LEFT JOIN videos v ON v.id = d.video";

const OF_EVENTS = "events e CROSS JOIN deliveries d LEFT JOIN videos v ON v.id = d.video";
const OWN = when("d.id BETWEEN e.id + 1 AND e.id + e.deliveries AND coalesce(d.replay, 0) = 0");
const REPLAY = when("d.event = e.id AND d.replay > 0");

const UNDER_WAY = when("d.state IN ('running', 'canceling')");

/** The states that the index holds, and those in which a delivery may have failed. */
const STATES: JobState[] = ["pending", "waiting", "delivered", "dead", "canceled", "superseded"];
const FAILED = ["pending", "waiting", "running", "canceling", "dead", "canceled", "superseded"];

/** The newest ids that match; with `failedSince` those of the last attempts, but of one event or video. */
export async function find(tx: Tx, wish: Wish, limit: number): Promise<number[]> {
  const { failedSince, eventId, videoId } = wish;
  if (failedSince !== undefined && eventId === undefined && videoId === undefined) {
    return findFailed(tx, { ...wish, failedSince }, limit);
  }
  const [first, ...others] = await filtersOf(tx, wish);
  const since = failedSince === undefined ? [] : [failed.failedSince(failedSince)];
  const rest = [...since, ...others.map(({ condition }) => condition)];
  return newest(tx, await first!.sources(rest), limit);
}

async function findFailed(tx: Tx, wish: Wish & { failedSince: number }, limit: number): Promise<number[]> {
  const { before, failedSince: since, endpoint, error, types, ...range } = wish;
  const states = namedStates(wish);
  const asked = {
    since,
    before: before === undefined ? before : tx.ids.read("dlv", before),
    states: states?.flatMap((one) => (one === "running" ? [one, "canceling"] : [one])) ?? FAILED,
    endpoints: endpoint === undefined ? await listedEndpoints(tx) : [endpoint],
  };
  const rest = [
    ...bounds(tx, ["d.id + 0"], "dlv", range),
    ...(error === undefined ? [] : [when("coalesce(d.last_error, '') = ?", error)]),
    ...(types === undefined ? [] : [(await ofTypes(tx, types)).any]),
  ];
  return failed.find(tx, asked, { from: FROM, rest, limit });
}

/** By no index. */
const inStates = (states: JobState[]): Condition =>
  isOneWordOf(
    "d.state || ''",
    states.flatMap((one) => (one === "running" ? [one, "canceling"] : [one])),
  );

/** The narrowest first; the last one takes all. */
async function filtersOf(tx: Tx, wish: Wish): Promise<Filter[]> {
  const { eventId, videoId, error, types, endpoint } = wish;
  const states = namedStates(wish);
  const listed = states?.filter((one) => one !== "running") ?? STATES;
  const isRunning = states?.includes("running") ?? true;
  const within = bounds(tx, ["d.id"], "dlv", wish);
  const rows = (from: string, where: Condition[]): Source => ({ id: "d.id", from, where: [...within, ...where] });
  // In no order of an index, so that the one of only these is used.
  const underWay = (where: Condition[]): Source => ({
    ...{ id: "d.id", from: FROM, by: "d.id + 0" },
    where: [...bounds(tx, ["d.id + 0"], "dlv", wish), UNDER_WAY, ...where],
  });
  const endpoints = () => (endpoint === undefined ? listedEndpoints(tx) : [endpoint]);
  const filters: Filter[] = [];
  if (eventId !== undefined || videoId !== undefined) {
    const event = eventId === undefined ? [] : [when("e.id = ?", tx.ids.read("evt", eventId))];
    const video = videoId === undefined ? [] : [when("e.video = (SELECT id FROM videos WHERE video_id = ?)", videoId)];
    const of = [...event, ...video];
    filters.push({
      sources: (rest) => [rows(OF_EVENTS, [...of, OWN, ...rest]), rows(OF_EVENTS, [...of, REPLAY, ...rest])],
      condition: when("1 = 1"),
    });
  }
  if (states?.join() === "running") filters.push({ sources: (rest) => [underWay(rest)], condition: UNDER_WAY });
  if (error !== undefined) {
    const failing = states?.flatMap((one) => (one === "running" ? [one, "canceling"] : [one])) ?? FAILED;
    filters.push({
      async sources(rest) {
        const where = (one: string, to: string) =>
          when("d.state = ? AND d.endpoint = ? AND d.last_error = ? AND d.last_error IS NOT NULL", one, to, error);
        const failed = await Promise.all(failing.map(async (one) => (await endpoints()).map((to) => where(one, to))));
        return failed.flat().map((one) => rows(FROM, [one, ...rest]));
      },
      condition: when("coalesce(d.last_error, '') = ?", error),
    });
  }
  const isRare = states !== undefined && !states.includes("pending") && !states.includes("delivered");
  const byState: Filter = {
    async sources(rest) {
      const found = (await endpoints()).flatMap((to) =>
        listed.map((one) => rows(FROM, [when(`d.endpoint = ? AND d.state = ? AND ${LISTED}`, to, one), ...rest])),
      );
      const to = endpoint === undefined ? [] : [when("d.endpoint || '' = ?", endpoint)];
      return isRunning ? [...found, underWay([...to, ...rest])] : found;
    },
    condition: states === undefined ? when("1 = 1") : inStates(states),
  };
  if (isRare && listed.length > 0) filters.push(byState);
  if (types !== undefined) {
    const { each, any } = await ofTypes(tx, types);
    filters.push({
      async sources(rest) {
        const replays = (await endpoints()).map((to) =>
          rows(FROM, [when("d.endpoint = ? AND d.replay > 0", to), any, ...rest]),
        );
        return [...each.map((one) => ({ ...rows(OF_EVENTS, [one, OWN, ...rest]), by: "e.id DESC, d.id" })), ...replays];
      },
      condition: any,
    });
  }
  if (!isRare && (states !== undefined || endpoint !== undefined)) filters.push(byState);
  if (endpoint !== undefined)
    filters.push({ sources: byState.sources, condition: when("d.endpoint || '' = ?", endpoint) });
  filters.push({ sources: (rest) => [rows(FROM, rest)], condition: when("1 = 1") });
  return filters;
}
