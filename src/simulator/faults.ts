/** What can be wrong with a medium, told by the provider's media server. */
export type Fault = (
  | { name: "slow"; bytesPerSecond: number }
  /** The connection breaks: after so many bytes of the answer, or, below 1, after that share of it. */
  | { name: "cut"; after: number }
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
) & {
  /** Only so many requests see it; unless told, all do. */
  times?: number;
  /** Only for so many milliseconds from when it was set; unless told, for ever. */
  lasts?: number;
};

/** Every fault that a person can name, as it is usually met. `404-then-there` and its like heal; the others stay. */
export const faultsByName = {
  slow: { name: "slow", bytesPerSecond: 16 * 1024 },
  cut: { name: "cut", after: 0.5, times: 2 },
  "403": { name: "403" },
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
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof faultsByName;

/** Whether a person's word names a fault. */
export function isFaultName(word: string): word is FaultName {
  return Object.hasOwn(faultsByName, word);
}
