import type { SaidOfMedium } from "../model/delivery.ts";
import type { StoredEvent } from "../model/event.ts";
import type { MediaKind, Medium } from "../model/medium.ts";
import { LINK_MEMBER } from "../wochit/event.ts";
import { readMembers } from "../wochit/json-members.ts";
import { type MediumLink, type MediumReport, reportMedia } from "./media-reports.ts";

/** The body of a delivery (CONTRACT, "Enriched body" and "Notices"). Pure: stored bytes in, bytes to be signed out. */

/** Removes a byte order mark, which JSON parsers refuse (RFC 8259 §8.1). */
const utf8 = new TextDecoder();

export type Letter = {
  event: StoredEvent;
  /** The received bytes, checked at receipt: a JSON object in valid UTF-8. Of a notice: as stored. */
  body: Uint8Array;
  /** The event's media, as of now. */
  media: Medium[];
  /** All contexts of the event's video, the newest first, where the mapping gave the event its own. */
  contexts: string[];
  link: MediumLink;
  replay: boolean;
  /** The endpoint's option; it does not matter for a notice. */
  mode: "enriched" | "verbatim";
};

/** The bytes to send, and the media that an enriched body reports as not mirrored. */
export type Written = { body: Uint8Array; pending: SaidOfMedium[] };

/** Writes the body of a delivery as of now. Verbatim: the received bytes. */
export function buildBody(letter: Letter): Written {
  const { event, body, link, replay } = letter;
  if (event.dialect === "notice") {
    // The relay's own JSON (CONTRACT, "Notices"), without the members that are added here. Only notices about media report them.
    const { relay, ...notice } = JSON.parse(utf8.decode(body));
    const { media } = reportMedia(letter.media, relay.aboutEventId ?? event.id, link);
    const added = { ...(replay && { replay }), ...(notice.type.startsWith("relay.media.") && { media }) };
    return { body: Buffer.from(JSON.stringify({ ...notice, relay: { ...relay, ...added } })), pending: [] };
  }
  if (letter.mode === "verbatim") return { body, pending: [] };
  const { media, pending } = reportMedia(letter.media, event.id, link);
  return { body: enrich(letter, media), pending };
}

/**
 * The received object with the relay's members. Other members keep their characters, a changed one keeps its place, an added
 * one goes last.
 */
function enrich(
  { event, body, contexts, replay }: Letter,
  media: Partial<Record<MediaKind, MediumReport>>,
): Uint8Array {
  const members = readMembers(utf8.decode(body));
  const put = (name: string, value: unknown) => {
    const text = JSON.stringify(value);
    const member = members.get(name);
    if (member) member.value = text;
    else members.set(name, { name: JSON.stringify(name), value: text });
  };

  // A failure in the old dialect has no type: "video.ready" would be wrong.
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
    ...(event.contextFrom === "mapping" ? { contexts } : {}),
    ...(replay ? { replay: true } : {}),
    ...(event.late ? { late: true } : {}),
    media,
  });

  let text = "{";
  for (const { name, value } of members.values()) text += `${text === "{" ? "" : ","}${name}:${value}`;
  return Buffer.from(`${text}}`);
}
