import { createHash } from "node:crypto";
import type { MediaKind, ProviderEvent } from "./domain.ts";
import { RelayError } from "./errors.ts";
import { compactValue, readMembers } from "./json-members.ts";
import { identityOf } from "./links.ts";

/** The provider: both dialects of its webhook become one event; what it does not know stays as it is. */

/** Types whose repetition is a duplicate; all others are meant when they come again (CONTRACT, "Duplicate"). */
const DEDUPED = new Set(["video.ready", "video.delete", "draft.new", "draft.delete"]);

const LINKS: { member: string; kind: MediaKind }[] = [
  { member: "videoUrl", kind: "video" },
  { member: "thumbnailUrl", kind: "thumbnail" },
];

/** The members that carry links, by the kind of medium behind them. */
export const LINK_MEMBER: Record<MediaKind, string> = { video: "videoUrl", thumbnail: "thumbnailUrl" };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads one webhook body.
 * Throws RelayError "invalid_json" (not UTF-8, not JSON) or "invalid_event" (not an object, no usable id).
 */
export function parseEvent(body: Uint8Array): ProviderEvent {
  const text = decode(body);
  const object = parseObject(text);
  const videoId = usableId(object.wochitVideoId);
  const typed = Object.hasOwn(object, "type");
  const failure = typeof object.errorMessage === "string" && object.errorMessage !== "";
  const type = typed ? (typeof object.type === "string" ? object.type : null) : failure ? null : "video.ready";
  return {
    videoId,
    type,
    // A failure that names no type still is news of a video: endpoints that ask for "video.*" must hear of it.
    topic: type ?? (failure ? "video.failed" : "unknown"),
    dialect: typed ? "typed" : "legacy",
    context: nonEmpty(object.videoContext),
    title: nonEmpty(object.title),
    duration:
      typeof object.videoDuration === "number" && Number.isFinite(object.videoDuration) ? object.videoDuration : null,
    failure,
    links: LINKS.flatMap(({ member, kind }) => {
      const url = nonEmpty(object[member]);
      return url === null ? [] : [{ kind, url }];
    }),
    fingerprint: type !== null && DEDUPED.has(type) ? fingerprintOf(text) : null,
  };
}

function decode(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new RelayError("invalid_json", "the body is not valid UTF-8");
  }
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8 quotes the text in its message; the first words are enough, and cannot carry a payload into a log.
    const at = /position (\d+)/.exec(String(error))?.[1];
    throw new RelayError(
      "invalid_json",
      text.trim() === "" ? "the body is empty" : `the body is not JSON${at ? ` (at ${at})` : ""}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RelayError("invalid_event", "the body is not a JSON object");
  }
  return value as Record<string, unknown>;
}

/** CONTRACT, "Usable id": non-empty, at most 256 bytes, no control characters, no lone surrogates. */
function usableId(value: unknown): string {
  if (value === undefined) throw new RelayError("invalid_event", "wochitVideoId is missing");
  if (typeof value !== "string") throw new RelayError("invalid_event", "wochitVideoId is not a string");
  if (value === "") throw new RelayError("invalid_event", "wochitVideoId is empty");
  if (value.length > 256 || Buffer.byteLength(value) > 256)
    throw new RelayError("invalid_event", "wochitVideoId is longer than 256 bytes");
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) {
    throw new RelayError("invalid_event", "wochitVideoId holds a control character or a lone surrogate");
  }
  return value;
}

function nonEmpty(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value.toWellFormed() : null;
}

/**
 * The same for bodies with the same members, whatever their order, white space and escapes; links count without their
 * signature parameters. Values are compared as written, so numbers beyond double precision stay different.
 */
function fingerprintOf(text: string): string {
  const hash = createHash("sha256");
  const members = [...readMembers(text)].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, { value }] of members) hash.update(`${JSON.stringify(name)}:${canonical(name, value)},`);
  return hash.digest("base64url");
}

function canonical(name: string, raw: string): string {
  if (raw.startsWith('"') && LINKS.some((link) => link.member === name)) {
    return JSON.stringify(identityOf(JSON.parse(raw)));
  }
  return compactValue(raw);
}
