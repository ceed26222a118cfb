import { hash } from "node:crypto";
import { RelayError } from "../errors.ts";
import type { Dialect, ProviderEvent } from "../model/event.ts";
import type { AnnouncedLink, MediaKind } from "../model/medium.ts";
import { compactValue, type Member, readMembers } from "./json-members.ts";
import { identityOf } from "./link-identity.ts";

/** Types whose repetition is a duplicate, as is that of a body without a type. */
const DEDUPED = new Set(["video.ready", "video.delete", "draft.new", "draft.delete"]);

/** The member with the link, by the kind of medium. */
export const LINK_MEMBER: Record<MediaKind, string> = { video: "videoUrl", thumbnail: "thumbnailUrl" };
const KINDS: MediaKind[] = ["video", "thumbnail"];

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads one webhook body, of either dialect of the provider.
 * Throws RelayError "invalid_json" (not UTF-8, not JSON) or "invalid_event" (not an object, no usable id).
 */
export function parseEvent(body: Uint8Array): ProviderEvent {
  const text = decode(body);
  const members = readObject(text);
  const read = (name: string): unknown => readValue(members.get(name));
  const videoId = read("wochitVideoId");
  const problem = idProblem(videoId);
  if (problem !== null) throw new RelayError("invalid_event", `wochitVideoId ${problem}`);
  const errorMessage = read("errorMessage");
  const failure = typeof errorMessage === "string" && errorMessage !== "";
  const typed = members.has("type");
  const said = read("type");
  const type = typed ? (typeof said === "string" ? said : null) : failure ? null : "video.ready";
  const duration = read("videoDuration");
  const links = KINDS.flatMap((kind): AnnouncedLink[] => {
    const url = nonEmpty(read(LINK_MEMBER[kind]));
    return url === null ? [] : [{ kind, url, identity: identityOf(url) }];
  });
  return {
    videoId: videoId as string,
    type,
    topic: topicOf({ type, failure }),
    dialect: typed ? "typed" : "legacy",
    context: nonEmpty(read("videoContext")),
    title: nonEmpty(read("title")),
    duration: typeof duration === "number" && Number.isFinite(duration) ? duration : null,
    failure,
    links,
    fingerprint: !typed || (type !== null && DEDUPED.has(type)) ? fingerprintOf(members, links) : null,
  };
}

/**
 * The name that the patterns of endpoints are matched against. A failure without a type is "video.failed", so that endpoints
 * with "video.*" get it. Types that begin with "relay." would be taken for the relay's own (CONTRACT, "Notices").
 */
export function topicOf({ type, failure }: Pick<ProviderEvent, "type" | "failure">): string {
  if (type === null) return failure ? "video.failed" : "unknown";
  return type.startsWith("relay.") ? "unknown" : type;
}

/** The same of a stored event. A notice has a name of its own, which no event of the provider's can have. */
export function topicOfStored({
  dialect,
  type,
  failure,
}: Pick<ProviderEvent, "type" | "failure"> & { dialect: Dialect }): string {
  return dialect === "notice" && type !== null ? type : topicOf({ type, failure });
}

function decode(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new RelayError("invalid_json", "the body is not valid UTF-8");
  }
}

/**
 * The members of the body's object. JSON.parse only checks the text; `readMembers` reads the members, because V8 may take an
 * escaped member name for one of an earlier object (nodejs/node#63785).
 */
function readObject(text: string): Map<string, Member> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8 quotes the text in its message; only the position is used, so that no payload gets into a log.
    const at = /position (\d+)/.exec(String(error))?.[1];
    const where = at === undefined ? "" : ` (at character ${at})`;
    throw new RelayError("invalid_json", text.trim() === "" ? "the body is empty" : `the body is not JSON${where}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RelayError("invalid_event", "the body is not a JSON object");
  }
  return readMembers(text);
}

/**
 * The video id in a body, also in one that is no event; null where there is none. A body that is no JSON (cut off, for
 * example) is searched for it.
 */
export function videoIdIn(body: Uint8Array): string | null {
  const text = new TextDecoder().decode(body);
  try {
    JSON.parse(text);
    return nonEmpty(readValue(readMembers(text).get("wochitVideoId")));
  } catch {
    const written = [...text.matchAll(WRITTEN_ID)].at(-1)?.[1];
    return written === undefined ? null : nonEmpty(JSON.parse(written));
  }
}

/** The member in text that is no JSON as a whole; its value is a JSON string (RFC 8259 §7). */
const WRITTEN_ID = /"wochitVideoId"\s*:\s*("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")/g;

/** The value of a member; undefined when it is missing, null for objects and lists, which are not used. */
function readValue(member: Member | undefined): unknown {
  if (member === undefined) return undefined;
  return member.value.startsWith("{") || member.value.startsWith("[") ? null : JSON.parse(member.value);
}

/**
 * Why a value is no usable id of a video, as the end of a sentence; null where it is one (CONTRACT, "Usable id"): a non-empty
 * string of at most 256 bytes without control characters and lone surrogates.
 */
export function idProblem(value: unknown): string | null {
  if (value === undefined) return "is missing";
  if (typeof value !== "string") return "is not a string";
  if (value === "") return "is empty";
  if (value.length > 256 || Buffer.byteLength(value) > 256) return "is longer than 256 bytes";
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) return "holds a control character or a lone surrogate";
  return null;
}

function nonEmpty(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value.toWellFormed() : null;
}

/**
 * The same for bodies with the same members, whatever their order, white space and escapes; links count without their
 * signature parameters. Values are compared as written, so numbers beyond double precision stay different.
 */
function fingerprintOf(members: Map<string, Member>, links: AnnouncedLink[]): string {
  const parts: string[] = [];
  for (const name of [...members.keys()].sort()) {
    const link = links.find(({ kind }) => LINK_MEMBER[kind] === name);
    parts.push(JSON.stringify(name), link ? JSON.stringify(link.identity) : compactValue(members.get(name)!.value));
  }
  // Each part is a JSON text without line breaks between tokens, so the joined text is unambiguous.
  return hash("sha256", parts.join("\n"), "base64url");
}
