import type { MediaKind } from "../model/medium.ts";
import type { MediumReport } from "./media-reports.ts";

/** A notice as stored (CONTRACT, "Notices"): without the members that are added when it is sent. */
export type StoredNotice = {
  type: string;
  wochitVideoId: string;
  videoContext: string | null;
  relay: { aboutEventId: string | null; at: string; reason: string | null } & Record<string, unknown>;
};

const utf8 = new TextDecoder();

/** Reads a stored notice, which is the relay's own JSON. */
export function readNotice(body: Uint8Array): StoredNotice {
  return JSON.parse(utf8.decode(body)) as StoredNotice;
}

/**
 * The bytes of a notice, the same for every endpoint whatever its `body` option. Notices about media have `relay.media`.
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
