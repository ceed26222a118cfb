/** What is known of something that is asked for work: a target, an endpoint. Plain data; the rules are in `rules/`. */

/** A circuit breaker as a value; null: closed. All times are milliseconds since 1970. */
export type Breaker = {
  /** The last failure, in one line. */
  error: string;
  /** Failures in a row. */
  failures: number;
  /** When the first of them came. */
  since: number;
  /** When the next try may begin. */
  dueAt: number;
};

/** What is known of an endpoint from its answers; null stands for one with which nothing is wrong. */
export type Health = {
  /** Failures in a row that speak of the endpoint, and when the first of them came. */
  count: number;
  since: number | null;
  /** Videos, by row, that have failed with timeouts, 5xx or 429 in this row; two are enough to know. */
  videos: number[];
  /** While it is open: when the next probe may begin. */
  breaker: Breaker | null;
  /** After it has closed: how many may be in flight; null: as many as the config allows. */
  ramp: number | null;
};

/** Why an attempt got no answer. `body`: there was nothing to send. */
export type FailureKind = "connection" | "timeout" | "body";
