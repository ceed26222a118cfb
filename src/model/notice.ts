/** The events that the relay itself makes (CONTRACT, "Notices"). */
export const NOTICES = [
  "relay.media.mirrored",
  "relay.media.failed",
  "relay.media.at_risk",
  "relay.delivery.dead",
  "relay.endpoint.paused",
  "relay.endpoint.resumed",
  "relay.endpoint.failing",
  "relay.endpoint.recovered",
] as const;

export type NoticeType = (typeof NOTICES)[number];

/** The beginning of the types of notices, and of no topic of the provider's events. */
export const NOTICE_PREFIX = "relay.";
