import type { SaidOfMedium } from "../model/delivery.ts";
import type { StoredEvent } from "../model/event.ts";
import type { MediaKind, Medium } from "../model/medium.ts";
import { LINK_MEMBER } from "../wochit/event.ts";
import { readMembers } from "../wochit/json-members.ts";
import { type MediumLink, type MediumReport, reportMedia } from "./media-reports.ts";
import { buildNotice, readNotice } from "./notice-body.ts";

/** The body of a delivery (CONTRACT, "Enriched body" and "Notices"). Pure: stored bytes in, bytes to be signed out. */

/** It takes off a byte order mark, which would not be JSON on the consumer's side (RFC 8259 §8.1). */
const utf8 = new TextDecoder();

export type Letter = {
  event: StoredEvent;
  /** The received bytes: a JSON object in valid UTF-8, which was checked when it was received. Of a notice: as it is kept. */
  body: Uint8Array;
  /** The event's media, as of now. */
  media: Medium[];
  link: MediumLink;
  replay: boolean;
  /** What the endpoint asks for; a notice is sent in the one way that there is. */
  mode: "enriched" | "verbatim";
};

/** The bytes for the wire, and what an enriched body says of media that are not mirrored. */
export type Written = { body: Uint8Array; pending: SaidOfMedium[] };

/** Writes what a delivery sends now. Verbatim: the very bytes received, which promise nothing of ours. */
export function buildBody(letter: Letter): Written {
  const { event, body, link, replay } = letter;
  if (event.dialect === "notice") {
    const notice = readNotice(body);
    const { media } = reportMedia(letter.media, notice.relay.aboutEventId ?? event.id, link);
    return { body: buildNotice(notice, { media, replay }), pending: [] };
  }
  if (letter.mode === "verbatim") return { body, pending: [] };
  const { media, pending } = reportMedia(letter.media, event.id, link);
  return { body: enrich(letter, media), pending };
}

/**
 * The received object with what the relay knows filled in: a member that is not touched keeps the characters it came with,
 * a changed one keeps its place, an added one goes last.
 */
function enrich({ event, body, replay }: Letter, media: Partial<Record<MediaKind, MediumReport>>): Uint8Array {
  const members = readMembers(utf8.decode(body));
  const put = (name: string, value: unknown) => {
    const text = JSON.stringify(value);
    const member = members.get(name);
    if (member) member.value = text;
    else members.set(name, { name: JSON.stringify(name), value: text });
  };

  // A failure in the old dialect has no name of its own: calling it "video.ready" would be the one wrong thing to say.
  if (event.dialect === "legacy" && !event.failure && !members.has("type")) put("type", "video.ready");
  if (event.contextFrom === "mapping" && event.context !== null) put("videoContext", event.context);
  for (const [kind, { url }] of Object.entries(media) as [MediaKind, MediumReport][]) {
    if (url !== null && members.has(LINK_MEMBER[kind])) put(LINK_MEMBER[kind], url);
  }
  put("relay", {
    eventId: event.id,
    receivedAt: new Date(event.receivedAt).toISOString(),
    sequence: event.sequence,
    dialect: event.dialect,
    contextFrom: event.contextFrom,
    ...(replay ? { replay: true } : {}),
    ...(event.late ? { late: true } : {}),
    media,
  });

  let text = "{";
  for (const { name, value } of members.values()) text += `${text === "{" ? "" : ","}${name}:${value}`;
  return Buffer.from(`${text}}`);
}
