import type { MediaKind } from "../model/medium.ts";
import type { MediumReport } from "./media-reports.ts";

/** A notice as the store keeps it (CONTRACT, "Notices"): all but what is only known when it is sent. */
export type StoredNotice = {
  type: string;
  wochitVideoId: string;
  videoContext: string | null;
  relay: { aboutEventId: string | null; at: string; reason: string | null } & Record<string, unknown>;
};

const utf8 = new TextDecoder();

/** Reads a stored notice: the relay's own JSON, which needs no judging. */
export function readNotice(body: Uint8Array): StoredNotice {
  return JSON.parse(utf8.decode(body)) as StoredNotice;
}

/**
 * The bytes of a notice for the wire, the same for every endpoint whatever its `body` asks for: nothing was received that
 * could be sent verbatim. `relay.media` is told by the notices that speak of media.
 */
export function buildNotice(
  notice: StoredNotice,
  { media, replay }: { media: Partial<Record<MediaKind, MediumReport>>; replay: boolean },
): Uint8Array {
  const relay = {
    ...notice.relay,
    ...(replay ? { replay: true } : {}),
    ...(notice.type.startsWith("relay.media.") ? { media } : {}),
  };
  return Buffer.from(JSON.stringify({ ...notice, relay }));
}
