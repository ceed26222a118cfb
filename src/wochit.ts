import { hash } from "node:crypto";
import type { AnnouncedLink, MediaKind, ProviderEvent } from "./domain.ts";
import { RelayError } from "./errors.ts";
import { compactValue, readMembers } from "./json-members.ts";
import { identityOf } from "./links.ts";

/** The provider: both dialects of its webhook become one event; what it does not know stays as it is. */

/** Types whose repetition is a duplicate; all others are meant when they come again (CONTRACT, "Duplicate"). */
const DEDUPED = new Set(["video.ready", "video.delete", "draft.new", "draft.delete"]);

/** The members that carry links, by the kind of medium behind them. */
export const LINK_MEMBER: Record<MediaKind, string> = { video: "videoUrl", thumbnail: "thumbnailUrl" };
const KINDS: MediaKind[] = ["video", "thumbnail"];

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
  const links = KINDS.flatMap((kind): AnnouncedLink[] => {
    const url = nonEmpty(object[LINK_MEMBER[kind]]);
    return url === null ? [] : [{ kind, url, identity: identityOf(url) }];
  });
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
    links,
    fingerprint: type !== null && DEDUPED.has(type) ? fingerprintOf(text, links) : null,
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
function fingerprintOf(text: string, links: AnnouncedLink[]): string {
  const members = readMembers(text);
  const parts: string[] = [];
  for (const name of [...members.keys()].sort()) {
    const link = links.find(({ kind }) => LINK_MEMBER[kind] === name);
    parts.push(JSON.stringify(name), link ? JSON.stringify(link.identity) : compactValue(members.get(name)!.value));
  }
  // Each part is a whole JSON text, so a line break between them leaves no two lists alike.
  return hash("sha256", parts.join("\n"), "base64url");
}
