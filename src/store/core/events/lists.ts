import type { StoredEvent } from "../../../model/event.ts";
import type { Store } from "../../store.ts";
import { LISTED, listedEndpoints } from "../rows/listed-endpoints.ts";
import {
  all,
  type Between,
  bounds,
  type Condition,
  isContext,
  newest,
  rowsOf,
  type Source,
  when,
} from "../rows/merge.ts";
import type { Filter } from "../rows/source.ts";
import { ofTitle } from "../titles/events.ts";
import type { Tx } from "../tx.ts";
import { COLUMNS, CONTEXT_MISSING, type EventRow, FROM, STATUS, toEvent } from "./shown.ts";
import { ofTypes } from "./type-filter.ts";

// Which events match some filters. The narrowest of the filters gives the events by its index, newest first; the others are
// conditions on each.

type Wish = Omit<Parameters<Store["events"]>[0], "limit"> & Between;

const ROWS = { select: `SELECT ${COLUMNS}, ${STATUS} AS status FROM ${FROM}`, column: "e.id" };

export async function list(tx: Tx, wish: Parameters<Store["events"]>[0]): Promise<StoredEvent[]> {
  const ids = await find(tx, wish, wish.limit);
  const rows = await rowsOf<EventRow & { status: StoredEvent["status"] }>(tx, ROWS, ids);
  return rows.map((row) => toEvent(tx.ids, row));
}

/** The newest ids that match. */
export async function find(tx: Tx, wish: Wish, limit: number): Promise<number[]> {
  const [first, ...others] = await filtersOf(tx, wish);
  const rest = others.map(({ condition }) => condition);
  return newest(tx, await first!.sources(rest, limit), limit);
}

/** The narrowest first; the last one takes all. */
export async function filtersOf(tx: Tx, wish: Wish): Promise<Filter[]> {
  const { videoId, contextMissing, status, endpoint, context, q } = wish;
  const types = wish.types?.join() === "*" ? undefined : wish.types;
  const events = (...where: Condition[]): Source => ({
    id: "e.id",
    from: FROM,
    where: [...bounds(tx, ["e.id"], "evt", wish), ...where],
  });
  const filters: Filter[] = [];
  const rest: Filter[] = [];
  const provider = types === undefined ? [when("e.dialect <> 'notice'")] : [];
  let isProvided = provider;
  if (videoId !== undefined) {
    const of = (column: string) => when(`${column} = (SELECT id FROM videos WHERE video_id = ?)`, videoId);
    filters.push({ sources: (rest) => [events(of("e.video"), ...rest)], condition: of("e.video + 0") });
  }
  if (contextMissing) {
    const found = (rest: Condition[]): Source => ({
      id: "a.event",
      from: "annotations a JOIN events e ON e.id = a.event LEFT JOIN videos v ON v.id = e.video",
      where: [...bounds(tx, ["a.event"], "evt", wish), when(CONTEXT_MISSING), ...rest],
    });
    filters.push({ sources: (rest) => [found(rest)], condition: when(CONTEXT_MISSING) });
  }
  if (status !== undefined && status !== "settled") {
    filters.push(status === "dead" ? dead(tx, wish) : waiting(tx, wish, events));
  }
  if (q !== undefined) {
    const { isFew, ...filter } = await ofTitle(tx, q, wish);
    (isFew ? filters : rest).push(filter);
    // Notices have none of their video's numbers (notices.ts): so the index of a video's events says what they are.
    if (types === undefined) isProvided = [when("e.sequence > 0")];
  }
  if (context !== undefined) {
    const given: Source = {
      id: "a.event",
      from: "annotations a JOIN events e ON e.id = a.event LEFT JOIN videos v ON v.id = e.video",
      where: [
        ...bounds(tx, ["a.event"], "evt", wish),
        isContext("a.context", context),
        when("(e.context || '') IS NULL"),
      ],
    };
    filters.push({
      sources: (rest) => [
        events(isContext("e.context", context), ...rest),
        { ...given, where: [...given.where, ...rest] },
      ],
      condition: when("coalesce(e.context, a.context) = ?", context),
    });
  }
  if (types !== undefined) {
    const { each, any } = await ofTypes(tx, types);
    filters.push({ sources: (rest) => each.map((one) => events(one, ...rest)), condition: any });
  }
  if (endpoint !== undefined) filters.push(ofEndpoint(tx, endpoint, wish));
  if (status === "settled") {
    filters.push({
      sources: (rest) => [events(when(`${STATUS} = 'settled'`), ...rest)],
      condition: when(`${STATUS} = 'settled'`),
    });
  }
  filters.push(...rest, { sources: (rest) => [events(...provider, ...rest)], condition: all(isProvided) });
  return filters.map((filter) => (filter.condition.text === "" ? { ...filter, condition: when("1 = 1") } : filter));
}

const OF_DELIVERY =
  "deliveries d JOIN events e ON e.id = d.event LEFT JOIN videos v ON v.id = e.video LEFT JOIN annotations a ON a.event = e.id";

/** Some delivery is dead, of those to the endpoint where one is named. */
function dead(tx: Tx, { endpoint, ...wish }: Wish): Filter {
  const to = endpoint === undefined ? [] : [when("d.endpoint || '' = ?", endpoint)];
  const source: Source = {
    id: "d.event",
    from: OF_DELIVERY,
    where: [...bounds(tx, ["d.event"], "evt", wish), when("d.state = 'dead'"), ...to],
    isRepeated: true,
  };
  const { text, values } = all([when("d.event = e.id AND d.state = 'dead'"), ...to]);
  return {
    sources: (rest) => [{ ...source, where: [...source.where, ...rest] }],
    condition: { text: `EXISTS (SELECT 1 FROM deliveries d WHERE ${text})`, values },
  };
}

/** Own deliveries in a state: their ids are in the order of their events', between which they lie. */
function own(tx: Tx, wish: Wish, where: Condition[]): Source {
  const within = bounds(tx, ["d.id", "e.id"], "evt", wish);
  return {
    id: "d.event",
    from: OF_DELIVERY,
    where: [...within, when("coalesce(d.replay, 0) = 0"), ...where],
    by: "d.id",
  };
}

/** Own deliveries that run: in no order of an index, so that the one of only these is used. */
function underWay(tx: Tx, wish: Wish, where: Condition[]): Source {
  const within = bounds(tx, ["e.id + 0"], "evt", wish);
  const isSo = when("d.state IN ('running', 'canceling') AND coalesce(d.replay, 0) = 0");
  return { id: "d.event", from: OF_DELIVERY, where: [...within, isSo, ...where], by: "d.id + 0" };
}

/** Some delivery has not ended, of those to the endpoint where one is named; or, where none is, some medium. None is dead. */
function waiting(tx: Tx, wish: Wish, events: (...where: Condition[]) => Source): Filter {
  const { endpoint } = wish;
  const to = endpoint === undefined ? [] : [when("d.endpoint || '' = ?", endpoint)];
  const isSo = when(`${STATUS} = 'waiting'`);
  const condition =
    endpoint === undefined
      ? isSo
      : all([
          isSo,
          when(
            `(EXISTS (SELECT 1 FROM deliveries d WHERE d.id BETWEEN e.id + 1 AND e.id + e.deliveries
                AND d.endpoint || '' = ? AND coalesce(d.settled_at, 0) = 0)
              OR EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.id AND d.replay > 0 AND d.settled_at IS NULL
                AND d.endpoint || '' = ?))`,
            endpoint,
            endpoint,
          ),
        ]);
  return {
    async sources(rest) {
      const where = [isSo, ...rest];
      const endpoints = endpoint === undefined ? await listedEndpoints(tx) : [endpoint];
      const media = events(
        when("m.state IN ('pending', 'running')"),
        when("e.video = m.video AND (e.video_medium = m.id OR e.thumbnail_medium = m.id)"),
        ...where,
      );
      return [
        ...endpoints.flatMap((one) =>
          ["pending", "waiting"].map((state) =>
            own(tx, wish, [when(`d.endpoint = ? AND d.state = ? AND ${LISTED}`, one, state), ...where]),
          ),
        ),
        underWay(tx, wish, [...to, ...where]),
        {
          id: "d.event",
          from: OF_DELIVERY,
          where: [
            ...bounds(tx, ["d.event"], "evt", wish),
            when("d.replay > 0 AND d.settled_at IS NULL"),
            ...to,
            ...where,
          ],
          isRepeated: true,
        },
        ...(endpoint === undefined ? [{ ...media, from: `media m CROSS JOIN ${FROM}`, isRepeated: true }] : []),
      ];
    },
    condition,
  };
}

/** The states of deliveries that deliveries_listed holds. */
const STATES = ["pending", "waiting", "delivered", "dead", "canceled", "superseded"];
const ALL_STATES = [...STATES, "running", "canceling"];

/** It was, is or will be sent to the endpoint. */
function ofEndpoint(tx: Tx, endpoint: string, wish: Wish): Filter {
  return {
    sources: (rest) => [
      ...STATES.map((state) =>
        own(tx, wish, [when(`d.endpoint = ? AND d.state = ? AND ${LISTED}`, endpoint, state), ...rest]),
      ),
      underWay(tx, wish, [when("d.endpoint || '' = ?", endpoint), ...rest]),
      ...ALL_STATES.map((state) => ({
        id: "d.event",
        from: OF_DELIVERY,
        where: [
          ...bounds(tx, ["d.event"], "evt", wish),
          when("d.replay > 0 AND d.endpoint = ? AND d.state = ?", endpoint, state),
          ...rest,
        ],
        isRepeated: true,
      })),
    ],
    condition: when(
      `(EXISTS (SELECT 1 FROM deliveries d WHERE d.id BETWEEN e.id + 1 AND e.id + e.deliveries AND d.endpoint || '' = ?)
        OR EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.id AND d.replay > 0 AND d.endpoint || '' = ?))`,
      endpoint,
      endpoint,
    ),
  };
}
