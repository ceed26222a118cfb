/** What can be wrong with a medium on the provider's media server. */
export type Fault = (
  | { name: "slow"; bytesPerSecond: number }
  /** The connection breaks after `after` bytes of the answer, or, below 1, after that share of it. */
  | { name: "cut"; after: number }
  /** The connection breaks after `every` bytes of each answer, whole file or range; a shorter answer is complete. */
  | { name: "break"; every: number }
  | { name: "403" }
  | { name: "404" }
  | { name: "503" }
  /** An error page with status 200. */
  | { name: "html-200" }
  /** 200, the right type, no bytes. */
  | { name: "empty" }
  /** Redirects over `hops` hops to the file, or to another address (`to`). */
  | { name: "redirect"; hops: number; to?: string }
  /** content-length is larger than the file by `by` bytes; smaller, where that is negative. */
  | { name: "wrong-length"; by: number }
  /** The answer of cloud storage to an expired link, for every link. */
  | { name: "expired" }
  /** The request is accepted and never answered. */
  | { name: "never" }
  /** The connection is reset without an answer. */
  | { name: "reset" }
) & {
  /** How many requests meet it; all unless given. */
  times?: number;
  /** For how many milliseconds from when it is set; for ever unless given. */
  lasts?: number;
};

/** Faults by the names that `simulate --fault` takes. `404-then-there` and its like end by themselves; the others stay. */
export const faultsByName = {
  slow: { name: "slow", bytesPerSecond: 16 * 1024 },
  cut: { name: "cut", after: 0.5, times: 2 },
  break: { name: "break", every: 128 * 1024 },
  "403": { name: "403" },
  "403-then-there": { name: "403", times: 2 },
  "404": { name: "404" },
  "404-then-there": { name: "404", times: 2 },
  "503": { name: "503", times: 2 },
  "html-200": { name: "html-200", times: 2 },
  empty: { name: "empty", times: 2 },
  redirect: { name: "redirect", hops: 3 },
  "redirect-loop": { name: "redirect", hops: Number.POSITIVE_INFINITY },
  "wrong-length": { name: "wrong-length", by: 100, times: 2 },
  expired: { name: "expired" },
  never: { name: "never" },
  /** Half a minute in which every connection is reset. */
  outage: { name: "reset", lasts: 30_000 },
} satisfies Record<string, Fault>;
