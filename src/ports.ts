/** Ports: clock, randomness and log, passed at the composition root. Times are milliseconds since 1970. */

export type Clock = {
  now(): number;
  /** Monotonic milliseconds, for durations. */
  elapsed(): number;
  /** Calls `run` once after `ms`, of any length; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
};

export type Random = {
  float(): number; // in [0, 1)
  bytes(length: number): Uint8Array;
};

export type Log = {
  debug(fact: string, fields?: Record<string, unknown>): void;
  info(fact: string, fields?: Record<string, unknown>): void;
  warn(fact: string, fields?: Record<string, unknown>): void;
  error(fact: string, fields?: Record<string, unknown>): void;
};

/** What the parts of a relay report for `GET /metrics`. Each call takes a fraction of a microsecond, and never throws. */
export type Metrics = {
  /** A request of an allowed sender was answered. `type`: of the event, "legacy" in the older dialect; null: it is not known. */
  received(type: string | null, outcome: "accepted" | "duplicate" | "quarantined" | "unavailable"): void;
  /** A request was refused; `isTaken`: it would have been, but `receive.mode` is "observe". */
  refused(reason: string, how?: { isTaken: boolean }): void;
  /** An event was refused for the address that sent it. */
  eventRefused(): void;
  /** An endpoint was asked: by what the attempt came to, and how long it took, in milliseconds. */
  attempted(endpoint: string, outcome: AttemptOutcome, ms: number): void;
  /** A delivery has ended in this state. */
  deliverySettled(endpoint: string, state: string): void;
  mediumSettled(kind: string, state: string): void;
  /** Bytes of media that came over the network, or went to a target. */
  mediaMoved(direction: "downloaded" | "uploaded", bytes: number): void;
};

/** The class of the status, or why there was none. `probe`: it failed, and was a probe of a failing endpoint. */
export type AttemptOutcome = "2xx" | "3xx" | "4xx" | "5xx" | "timeout" | "connect" | "tls" | "dns" | "probe" | "unsent";

export type Ports = { clock: Clock; random: Random; log: Log; metrics?: Metrics };
