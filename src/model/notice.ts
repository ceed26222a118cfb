/** The events that the relay itself makes (CONTRACT, "Notices"). */
export const NOTICES = [
  "relay.media.mirrored",
  "relay.media.failed",
  "relay.media.at_risk",
  "relay.delivery.dead",
  "relay.endpoint.paused",
  "relay.endpoint.resumed",
] as const;

export type NoticeType = (typeof NOTICES)[number];

/** What the type of every notice begins with, and no type of the provider's. */
export const NOTICE_PREFIX = "relay.";
