import { DOCUMENTED_TYPES } from "../model/event.ts";
import type { Metrics } from "../ports.ts";
import { createHistogram, type Distribution } from "../store/histogram.ts";
import { METRICS } from "./table.ts";

/** What stands for an endpoint that has left the config. */
export const REMOVED = "removed";

/** One series: the values of its labels, in their order. */
export type Series<Value> = { labels: readonly string[]; value: Value };

/** What the process has counted since its start. */
export type Counted = {
  counters: Record<CounterName, Series<number>[]>;
  attempts: Series<Distribution>[];
};

type CounterName = (typeof COUNTERS)[number];

const COUNTERS = [
  "received_total",
  "refused_total",
  "unknown_sender_events_total",
  "would_refuse_total",
  "deliveries_settled_total",
  "attempts_total",
  "media_settled_total",
  "media_bytes_total",
] as const;

const TYPES = [...DOCUMENTED_TYPES, "legacy", "other"];
const OUTCOMES = ["2xx", "3xx", "4xx", "5xx", "timeout", "connect", "tls", "dns", "probe", "unsent"];
const REASONS = ["source", "token", "size", "path", "method", "broken", "request", "stray"];
const KINDS = ["video", "thumbnail"];

/**
 * The counters of the process. A series that appears with its first event would hide that event from `increase()`: all of
 * them exist from the start, at 0, as far as their labels are known.
 */
export function createMeters(): { port: Metrics; setEndpoints(ids: string[]): void; read(): Counted } {
  const counters = Object.fromEntries(COUNTERS.map((name) => [name, createSeries(() => ({ value: 0 }))])) as Record<
    CounterName,
    ReturnType<typeof createSeries<{ value: number }>>
  >;
  const attempts = createSeries(() => createHistogram(METRICS.attempt_seconds.bounds));
  let endpoints = new Set<string>();

  const count = (name: CounterName, labels: readonly string[], by = 1) => {
    counters[name].of(labels).value += by;
  };
  const known = (endpoint: string) => (endpoints.has(endpoint) ? endpoint : REMOVED);
  const typeOf = (type: string | null) => (type !== null && TYPES.includes(type) ? type : "other");

  function beginEndpoint(id: string): void {
    for (const outcome of OUTCOMES) count("attempts_total", [id, outcome], 0);
    for (const state of ["delivered", "dead", "canceled", "superseded"]) {
      count("deliveries_settled_total", [id, state], 0);
    }
    attempts.of([id]);
  }

  for (const type of TYPES) for (const how of ["accepted", "duplicate"]) count("received_total", [type, how], 0);
  for (const how of ["quarantined", "unavailable"]) count("received_total", ["other", how], 0);
  for (const reason of REASONS) count("refused_total", [reason], 0);
  count("unknown_sender_events_total", [], 0);
  for (const reason of ["source", "token"]) count("would_refuse_total", [reason], 0);
  for (const kind of KINDS) {
    for (const state of ["mirrored", "failed", "expired"]) count("media_settled_total", [kind, state], 0);
  }
  for (const direction of ["downloaded", "uploaded"]) count("media_bytes_total", [direction], 0);

  return {
    port: {
      received: (type, outcome) => count("received_total", [typeOf(type), outcome]),
      refused: (reason, { isTaken } = { isTaken: false }) =>
        count(isTaken ? "would_refuse_total" : "refused_total", [reason]),
      eventRefused: () => count("unknown_sender_events_total", []),
      attempted(endpoint, outcome, ms) {
        const id = known(endpoint);
        count("attempts_total", [id, outcome]);
        attempts.of([id]).add(ms / 1_000);
      },
      deliverySettled: (endpoint, state) => count("deliveries_settled_total", [known(endpoint), state]),
      mediumSettled: (kind, state) => count("media_settled_total", [kind, state]),
      mediaMoved: (direction, bytes) => count("media_bytes_total", [direction], bytes),
    },

    /** What is counted of an endpoint goes when it leaves the config. */
    setEndpoints(ids) {
      const next = new Set(ids);
      for (const id of endpoints) {
        if (next.has(id)) continue;
        for (const each of [counters.attempts_total, counters.deliveries_settled_total, attempts]) each.drop(id);
      }
      endpoints = next;
      for (const id of ids) beginEndpoint(id);
    },

    read: () => ({
      counters: Object.fromEntries(
        COUNTERS.map((name) => [name, counters[name].all().map(({ labels, one }) => ({ labels, value: one.value }))]),
      ) as Counted["counters"],
      attempts: attempts.all().map(({ labels, one }) => ({ labels, value: one.now() })),
    }),
  };
}

/** Series by the values of their labels. */
function createSeries<One>(make: () => One) {
  const series = new Map<string, { labels: readonly string[]; one: One }>();
  return {
    of(labels: readonly string[]): One {
      const key = labels.length === 1 ? labels[0]! : labels.join("\n");
      let found = series.get(key);
      if (found === undefined) {
        found = { labels, one: make() };
        series.set(key, found);
      }
      return found.one;
    },
    /** Those whose first label has this value. */
    drop(first: string): void {
      for (const [key, { labels }] of series) if (labels[0] === first) series.delete(key);
    },
    all: () => [...series.values()],
  };
}
