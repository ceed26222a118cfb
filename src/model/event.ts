import type { AnnouncedLink } from "./medium.ts";
import type { Trace } from "./trace.ts";

/** Events, as received and as stored. Times are milliseconds since 1970. */

/** `notice`: made by the relay, like `relay.media.failed`; the other two are the provider's. */
export type Dialect = "typed" | "legacy" | "notice";

/** The types that the provider documents. */
export const DOCUMENTED_TYPES: readonly string[] = [
  "video.ready",
  "video.delete",
  "draft.new",
  "draft.update",
  "draft.exit",
  "draft.delete",
];

/** One webhook of the provider, as parsed (wochit/event.ts). */
export type ProviderEvent = {
  videoId: string;
  /** A legacy event is "video.ready". Null where the provider gave no text. */
  type: string | null;
  /** The name that endpoint patterns are matched against: `type`, but never null. */
  topic: string;
  dialect: Dialect;
  context: string | null;
  title: string | null;
  /** Seconds. */
  duration: number | null;
  /** It carries a non-empty `errorMessage`. */
  failure: boolean;
  links: AnnouncedLink[];
  /** Equal for equal events (links compared without signature parameters); null for a type that is never a duplicate. */
  fingerprint: string | null;
};

export type StoredEvent = {
  id: string;
  receivedAt: number;
  type: string | null;
  dialect: Dialect;
  failure: boolean;
  /** Null: of a notice that is about no video. */
  videoId: string | null;
  /** Its own; else that of its video when it was accepted; else the first that became known of its video. */
  context: string | null;
  contextFrom: "event" | "mapping" | null;
  late: boolean; // From quarantine: events that were received later may have a lower sequence.
  /** Null for a notice. */
  sequence: number | null;
  sourceAddress: string;
  duplicates: number;
  status: "settled" | "waiting" | "dead";
  /** Of its request; absent: it had none. */
  trace?: Trace;
};

type InVain = "path" | "method" | "broken" | "request";

export type RefusalReason = "invalid_json" | "invalid_event" | "source" | "token" | "size" | InVain;

/** What is refused, and its body. */
export type Refusal = {
  receivedAt: number;
  sourceAddress: string;
  reason: RefusalReason;
  body: Uint8Array;
  /** What was wrong, in words, where the reason does not say it. */
  detail?: string | null;
  /** Whether the body reads as an event; absent, it counts as one. */
  isEvent?: boolean;
  /** What it says, where it reads as one and was read. */
  event?: { videoId: string; type: string | null; context?: string | null } | null;
};

export type Quarantined = {
  id: string;
  receivedAt: number;
  sourceAddress: string;
  reason: RefusalReason;
  bytes: number;
  /** Where it reads as an event, and was read when it was refused; else null. */
  videoId: string | null;
  type: string | null;
  /** What was wrong, in words; null where the reason says it. */
  detail: string | null;
};
