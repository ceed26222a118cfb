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

export type Ports = { clock: Clock; random: Random; log: Log };
