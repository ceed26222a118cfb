import type { MediaKind, Medium, StoredEvent } from "../domain.ts";
import { readMembers } from "../json-members.ts";
import { LINK_MEMBER } from "../wochit.ts";

/** The body of a delivery (CONTRACT, "Enriched body"). Pure: stored bytes in, bytes to be signed out. */

const KINDS: MediaKind[] = ["video", "thumbnail"];
/** It takes off a byte order mark, which would not be JSON on the consumer's side (RFC 8259 §8.1). */
const utf8 = new TextDecoder();

/** What a consumer is told of a medium. */
export type MediumReport = {
  status: "mirrored" | "pending" | "failed" | "expired" | "skipped";
  /** The durable address; null unless it is mirrored. */
  url: string | null;
  /** The provider's link, whole: the consumer is who it was sent for, and as long as it lives it is the way to the file. */
  sourceUrl: string;
  bytes: number | null;
  sha256: string | null;
  contentType: string | null;
  suspect: string | null;
  error: string | null;
};

export type Letter = {
  event: StoredEvent;
  /** The received bytes: a JSON object in valid UTF-8, which was checked when it was received. */
  body: Uint8Array;
  /** The event's media, as of now. */
  media: Medium[];
  /** The durable address of a mirrored medium. */
  link: (medium: Medium) => string;
  replay: boolean;
  mode: "enriched" | "verbatim";
};

/**
 * The bytes for the wire. Verbatim: the very bytes received. Enriched: the same object with what the relay knows filled in;
 * a member that is not touched keeps the characters it came with, a changed one keeps its place, an added one goes last.
 */
export function buildBody(letter: Letter): Uint8Array {
  if (letter.mode === "verbatim") return letter.body;
  const { event, link } = letter;
  const members = readMembers(utf8.decode(letter.body));
  const put = (name: string, value: unknown) => {
    const text = JSON.stringify(value);
    const member = members.get(name);
    if (member) member.value = text;
    else members.set(name, { name: JSON.stringify(name), value: text });
  };

  // A failure in the old dialect has no name of its own: calling it "video.ready" would be the one wrong thing to say.
  if (event.dialect === "legacy" && !event.failure && !members.has("type")) put("type", "video.ready");
  if (event.contextFrom === "mapping" && event.context !== null) put("videoContext", event.context);

  const reports: Partial<Record<MediaKind, MediumReport>> = {};
  for (const kind of KINDS) {
    const medium = currentMedium(letter.media, kind);
    if (!medium) continue;
    const report = reportMedium(medium, event.id, link);
    reports[kind] = report;
    if (report.url !== null && members.has(LINK_MEMBER[kind])) put(LINK_MEMBER[kind], report.url);
  }
  put("relay", {
    eventId: event.id,
    receivedAt: new Date(event.receivedAt).toISOString(),
    sequence: event.sequence,
    dialect: event.dialect,
    contextFrom: event.contextFrom,
    ...(letter.replay ? { replay: true } : {}),
    media: reports,
  });

  let text = "{";
  for (const { name, value } of members.values()) text += `${text === "{" ? "" : ","}${name}:${value}`;
  return Buffer.from(`${text}}`);
}

/** Of several rows of one kind the mirrored one, else one that may still come: what replaced a thumbnail speaks for it. */
function currentMedium(media: Medium[], kind: MediaKind): Medium | undefined {
  const ofKind = media.filter((medium) => medium.kind === kind);
  const isLive = ({ state }: Medium) => state !== "superseded" && state !== "deleted";
  return ofKind.findLast(({ state }) => state === "mirrored") ?? ofKind.findLast(isLive) ?? ofKind.at(-1);
}

/**
 * A medium in the contract's five words, for the event `eventId`. A thumbnail that is fetched anew is pending for the event
 * that announced it anew only: events before that have their copy, which stays until the next one takes its place.
 * `superseded` and `deleted` are said as `skipped`, with the reason as the error: no copy of what this event announced can
 * be had, none will come, and nothing has failed.
 */
export function reportMedium(medium: Medium, eventId: string, link: (medium: Medium) => string): MediumReport {
  const { sourceUrl } = medium;
  const none = { url: null, sourceUrl, bytes: null, sha256: null, contentType: null, suspect: null };
  switch (medium.state) {
    case "mirrored":
      return reportCopy(medium, link);
    case "pending":
    case "running":
      if (medium.key !== null && medium.eventId !== eventId) return reportCopy(medium, link);
      return { status: "pending", ...none, error: medium.lastError };
    case "failed":
    case "expired":
    case "skipped":
      return { status: medium.state, ...none, error: medium.lastError };
    case "superseded":
      return { status: "skipped", ...none, error: `a newer ${medium.kind} of this video has replaced it` };
    case "deleted":
      return { status: "skipped", ...none, error: "the copy was deleted after the video was" };
  }
}

function reportCopy(medium: Medium, link: (medium: Medium) => string): MediumReport {
  const { sourceUrl, bytes, sha256, contentType, suspect } = medium;
  return { status: "mirrored", url: link(medium), sourceUrl, bytes, sha256, contentType, suspect, error: null };
}
