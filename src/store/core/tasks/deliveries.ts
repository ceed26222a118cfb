import type { JobState } from "../../../model/job.ts";
import type { TaskVerb } from "../../../model/task.ts";
import { failedSince } from "../deliveries/failed.ts";
import { ofTypes } from "../events/type-filter.ts";
import { LISTED, listedEndpoints } from "../rows/listed-endpoints.ts";
import {
  all,
  among,
  any,
  type Between,
  bounds,
  type Condition,
  namedStates,
  rowsOf,
  type Source,
  when,
} from "../rows/merge.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import { BEYOND, type Driver, type Found, type Item, type Place, type Scope, type Step, search } from "./scope.ts";

// What a task that retries or cancels deliveries takes: in order of the lanes, or, to cancel, against it.

/** What is meant where no state is named; of several that are named one by one, all that the verb can be done to. */
const STATES: Partial<Record<TaskVerb, string[]>> = { retry: ["dead"], cancel: ["pending", "waiting", "running"] };
const RETRIED = ["dead", "canceled", "pending", "waiting"];

/** More types than these are looked for in other ways. */
const MOST_TYPES = 50;

/** The states in which, by now, may be what the scope takes. */
export function statesOf({ verb, filter: { ids, ...filter } }: Scope): string[] {
  const named = namedStates(filter);
  if (named === undefined) return ids !== undefined && verb === "retry" ? RETRIED : STATES[verb]!;
  return [...new Set(named.flatMap((state) => (state === "pending" ? ["pending", "running"] : [state])))];
}

/**
 * As it was when the task was made: one that runs since counts as pending, one whose gate has opened since as neither waiting
 * nor pending.
 */
function ofState(scope: Scope): Condition {
  const named = namedStates(scope.filter);
  const [first] = named ?? [];
  if (named === undefined || named.length < 2) return ofOneState(scope, first);
  return any(
    named.map((state) => ofOneState({ ...scope, filter: { ...scope.filter, state, states: undefined } }, state)),
  );
}

function ofOneState(scope: Scope, state: JobState | undefined): Condition {
  const { at } = scope;
  const isUnderWay = "d.state || '' IN ('running', 'canceling')";
  if (state === "pending") {
    return when(
      `coalesce(d.settled_at, 0) = 0 AND (d.opened_at IS NULL OR d.opened_at <= ?)
        AND (d.state || '' = 'pending' OR ${isUnderWay} AND d.tried_at > ?)`,
      at,
      at,
    );
  }
  if (state === "running") return when(`${isUnderWay} AND d.tried_at <= ?`, at);
  const named = statesOf(scope).flatMap((one) => (one === "running" ? [one, "canceling"] : [one]));
  return when(`d.state || '' IN (${named.map(() => "?").join(", ")})`, ...named);
}

/** What else is so of a delivery (`d`). None of them goes by an index: the events are known, or the states. */
export async function conditionsOf(tx: Tx, scope: Scope): Promise<Condition[]> {
  const { endpoint, videoId, since, until, error, failedSince: failed, types } = scope.filter;
  const given = (value: Value | undefined, text: string) => (value === undefined ? [] : [when(text, value)]);
  return [
    ofState(scope),
    // One that is canceled already goes when its attempt ends; where its lease has run out nothing may come to end it.
    when("(d.state || '' <> 'canceling' OR d.due <= ?)", tx.now()),
    when("d.id + 0 < ? AND d.generation < ?", scope.upTo, scope.upTo),
    ...given(endpoint, "d.endpoint || '' = ?"),
    ...given(videoId, "d.video = (SELECT id FROM videos WHERE video_id = ?)"),
    ...given(since === undefined ? since : idAt(since), "d.id + 0 >= ?"),
    ...given(until === undefined ? until : idAt(until), "d.id + 0 < ?"),
    ...given(error, "coalesce(d.last_error, '') = ?"),
    ...(failed === undefined ? [] : [failedSince(failed)]),
    ...(types === undefined ? [] : [(await ofTypes(tx, types)).any]),
  ];
}

export async function find(tx: Tx, scope: Scope, from: Place | null, limit: number): Promise<Found> {
  const isDown = scope.verb === "cancel";
  const sign = isDown ? -1 : 1;
  const conditions = await conditionsOf(tx, scope);
  const wanted = scope.filter.ids && new Set(scope.filter.ids.map((id) => tx.ids.read("dlv", id)));

  async function look(events: number[], behind: Place, most: number) {
    const looks = among("e.id", events).flatMap((some) =>
      [OWN, REPLAYS].map((kind) => all([some, kind, ...conditions])),
    );
    const rows = looks.map(({ text, values }) => tx.all(sql<Value[], Item>(`${SELECT} WHERE ${text}`), values));
    const found = (await Promise.all(rows)).flat();
    const items = found
      .filter((one) => sign * (one.event - behind[0] || one.id - behind[1]) > 0 && (wanted?.has(one.id) ?? true))
      .sort((a, b) => sign * (a.event - b.event || a.id - b.id))
      .slice(0, most);
    const last = items.at(-1);
    return { items, to: last && items.length === most ? ([last.event, last.id] as const) : null };
  }

  const known = await knownEvents(tx, scope, wanted);
  const drivers = known === null ? await driversOf(tx, scope) : async () => [{ events: known }];
  return search(tx, { from, isDown, limit, share: scope.share, drivers }, look);
}

const SELECT = "SELECT d.id, d.event, d.video, d.endpoint FROM events e CROSS JOIN deliveries d";
// The ids of an event's own deliveries follow its id; replays have ids of their own time.
const OWN = when("d.id BETWEEN e.id + 1 AND e.id + e.deliveries AND coalesce(d.replay, 0) = 0");
const REPLAYS = when("d.event = e.id AND d.replay > 0");

/** Null: they are looked for. */
async function knownEvents(tx: Tx, { filter }: Scope, wanted: Set<number> | undefined): Promise<number[] | null> {
  if (filter.eventId !== undefined) return [tx.ids.read("evt", filter.eventId)];
  if (wanted === undefined) return null;
  const select = { select: "SELECT d.id, d.event FROM deliveries d", column: "d.id" };
  return (await rowsOf<{ id: number; event: number }>(tx, select, [...wanted])).map(({ event }) => event);
}

/** What each of the filters goes by. */
async function driversOf(tx: Tx, scope: Scope): Promise<(step: Step) => Promise<Driver[]>> {
  const { endpoint, error, videoId, types, since, until } = scope.filter;
  const endpoints = endpoint === undefined ? await listedEndpoints(tx) : [endpoint];
  const states = statesOf(scope);
  const listed = states.filter((state) => state !== "running");
  const pairs = endpoints.flatMap((to) => listed.map((state) => [to, state] as const));
  const { each = [] } = types === undefined ? {} : await ofTypes(tx, types);
  const first = since === undefined ? 0 : idAt(since);
  const beyond = Math.min(scope.upTo, until === undefined ? BEYOND : idAt(until));

  return async ({ events, own }) => {
    const span = { above: Math.max(own.above ?? 0, first - 1), below: Math.min(own.below ?? BEYOND, beyond) };
    const owned = (where: Condition): Source => ({
      ...{ id: "d.event", by: "d.id", from: "deliveries d" },
      where: [where, ...bounds(tx, ["d.id"], "dlv", span)],
    });
    const of = (where: Condition): Source => ({
      ...{ id: "e.id", from: "events e" },
      where: [where, ...bounds(tx, ["e.id"], "evt", events)],
    });
    const others = [
      ...pairs.map(([to, state]) => replays(tx, events, to, state)),
      ...(listed.length < states.length ? [underWay(tx, events)] : []),
    ];
    const byState = (to: string, state: string) => when(`d.endpoint = ? AND d.state = ? AND ${LISTED}`, to, state);
    const byError = (to: string, state: string) =>
      when("d.state = ? AND d.endpoint = ? AND d.last_error = ? AND d.last_error IS NOT NULL", state, to, error!);
    const ofVideo = "e.video = (SELECT id FROM videos WHERE video_id = ?)";
    return [
      { sources: [...pairs.map(([to, state]) => owned(byState(to, state))), ...others] },
      ...(error === undefined
        ? []
        : [{ sources: [...pairs.map(([to, state]) => owned(byError(to, state))), ...others] }]),
      ...(videoId === undefined ? [] : [{ sources: [of(when(ofVideo, videoId))] }]),
      ...(types === undefined || each.length > MOST_TYPES ? [] : [{ sources: each.map(of) }]),
    ];
  };
}

const replays = (tx: Tx, events: Between, to: string, state: string): Source => ({
  ...{ id: "d.event", from: "deliveries d" },
  where: [
    when("d.endpoint = ? AND d.state = ? AND d.replay > 0", to, state),
    ...bounds(tx, ["d.event"], "evt", events),
  ],
});

/** In no order of an index, so that the one of only these is used. */
const underWay = (tx: Tx, events: Between): Source => ({
  ...{ id: "d.event", from: "deliveries d", by: "d.event + 0" },
  where: [when("d.state IN ('running', 'canceling')"), ...bounds(tx, ["d.event + 0"], "evt", events)],
});
