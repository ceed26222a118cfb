import type { AnnouncedLink } from "./medium.ts";

/** Events, as received and as stored. Times are milliseconds since 1970. */

/** `notice`: an event of the relay's own, like `relay.media.failed`; the other two are the provider's. */
export type Dialect = "typed" | "legacy" | "notice";

/** One webhook of the provider, read but not changed (wochit.ts makes it from the bytes). */
export type ProviderEvent = {
  videoId: string;
  /** What the event means: a legacy event means "video.ready". Null where the provider did not say it in words. */
  type: string | null;
  /** What endpoint patterns are matched against; the same as `type`, but never null. */
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
  videoId: string;
  /** Its own; else the one that its video had when it was accepted; else the first that became known of its video. */
  context: string | null;
  contextFrom: "event" | "mapping" | null;
  late: boolean; // taken in from quarantine, after events that were received later
  /** Null for a notice, which has no place among the provider's events. */
  sequence: number | null;
  sourceAddress: string;
  duplicates: number;
  status: "settled" | "waiting" | "dead";
};

type InVain = "path" | "method" | "broken" | "request";

export type RefusalReason = "invalid_json" | "invalid_event" | "source" | "token" | "size" | InVain;

export type Quarantined = {
  id: string;
  receivedAt: number;
  sourceAddress: string;
  reason: RefusalReason;
  bytes: number;
};
