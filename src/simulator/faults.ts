/** What can be wrong with a medium, told by the provider's media server. */
export type Fault = (
  | { name: "slow"; bytesPerSecond: number }
  /** The connection breaks: after so many bytes of the answer, or, below 1, after that share of it. */
  | { name: "cut"; after: number }
  /** The connection breaks after every so many bytes, of a whole file or of a range: what is shorter comes through. */
  | { name: "break"; every: number }
  | { name: "403" }
  | { name: "404" }
  | { name: "503"; retryAfter?: number }
  /** An error page, and the status says that all is well. */
  | { name: "html-200" }
  /** 200, the right type, not one byte. */
  | { name: "empty" }
  /** Over so many hops to the file, or to another address altogether. */
  | { name: "redirect"; hops: number; to?: string }
  /** content-length says so many bytes more (or, negative, fewer) than the file has. */
  | { name: "wrong-length"; by: number }
  /** What cloud storage says of a link past its time, whatever this link's time. */
  | { name: "expired" }
  /** The request is taken and never answered. */
  | { name: "never" }
  /** The connection is reset, and nothing is answered. */
  | { name: "reset" }
) & {
  /** Only so many requests see it; unless told, all do. */
  times?: number;
  /** Only for so many milliseconds from when it was set; unless told, for ever. */
  lasts?: number;
};

/**
 * What a server of files may do otherwise than cloud storage does, without being wrong (RFC 9110: ranges, 14.3, and
 * validators, 8.8, are optional). It holds beside any fault.
 */
export type Habits = {
  /** False: it knows no ranges, and always sends the whole file. */
  ranges?: boolean;
  /** "changing": another one for each request, though the file is the same. */
  etag?: "strong" | "weak" | "changing" | "none";
  /** False: it does not tell when the file changed. */
  lastModified?: boolean;
};

/** Every fault that a person can name, as it is usually met. `404-then-there` and its like heal; the others stay. */
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

export type FaultName = keyof typeof faultsByName;

/** Whether a person's word names a fault. */
export function isFaultName(word: string): word is FaultName {
  return Object.hasOwn(faultsByName, word);
}
