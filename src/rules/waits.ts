import type { WaitsFor } from "../model/delivery.ts";

/** What is known of a delivery that has not ended, and of its endpoint. Times are milliseconds since 1970. */
export type Facts = {
  endpoint: string;
  event: string;
  isRunning: boolean;
  /** The endpoint is in no config. */
  isRemoved: boolean;
  pausedBy: "config" | "operator" | "gone" | null;
  /** While the breaker is open: when the next probe may begin. */
  breakerUntil: number | null;
  /** The delivery of its lane that goes first. */
  ahead: string | null;
  /** When its gate opens by itself; null: it is open. */
  gateUntil: number | null;
  /** When its schedule, or the endpoint, names its next attempt; null: at once. */
  due: number | null;
  inFlight: number;
  /** How many may be in flight. */
  slots: number;
  /** It has a rate: what is due waits for its turn. */
  isPaced: boolean;
};

/** What a delivery waits for: the first that holds. Null: it is sent now, or runs. */
export function waitsFor(facts: Facts, now: number): WaitsFor | null {
  const { endpoint, pausedBy, breakerUntil, ahead, gateUntil, due } = facts;
  if (facts.isRunning) return null;
  if (facts.isRemoved) return { is: "removed", until: null, of: endpoint };
  if (pausedBy !== null) return { is: "pause", until: null, of: pausedBy };
  if (breakerUntil !== null) return { is: "breaker", until: breakerUntil, of: endpoint };
  if (ahead !== null) return { is: "lane", until: null, of: ahead };
  if (gateUntil !== null && gateUntil > now) return { is: "gate", until: gateUntil, of: facts.event };
  if (due !== null && due > now) return { is: "retry", until: due, of: null };
  if (facts.isPaced || facts.inFlight >= facts.slots) return { is: "slot", until: null, of: null };
  return null;
}

/** The same in words. `when` shows a time, as in "until 14:30". */
export function describeWait({ is, until, of }: WaitsFor, when: (time: number) => string): string {
  const at = until === null ? "" : when(until);
  switch (is) {
    case "removed":
      return `endpoint ${of} is not in the config: held until it returns, or the delivery is canceled`;
    case "pause":
      if (of === "config") return "its endpoint is paused by the config";
      if (of === "gone") return "its endpoint has answered 410 Gone, and is paused until it is resumed";
      return "its endpoint is paused until it is resumed";
    case "breaker":
      return `endpoint ${of} is failing: only probes are sent, the next at ${at}`;
    case "lane":
      return `${of} of the same video goes first`;
    case "gate":
      return `the media of its event are not settled yet: at most until ${at}`;
    case "retry":
      return `the next attempt is at ${at}`;
    case "slot":
      return "its endpoint has as many requests in flight, or a second, as it may";
  }
}
