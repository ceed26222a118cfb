import type { IncomingMessage, ServerResponse } from "node:http";
import parseRange from "range-parser";
import { sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import { type Content, piecesOf } from "./content.ts";
import type { Fault } from "./faults.ts";
import type { ServedMedium } from "./medium.ts";

/** A slow answer is written in pieces, this many a second; any other in pieces of this size. */
const PIECES_PER_SECOND = 20;
const PIECE = 2 ** 18;

type Given = { fault: Fault | null; request: IncomingMessage; response: ServerResponse; clock: Clock };
type Span = { start: number; end: number };

/** Sends the file, its range, or a 304. For "unsatisfiable" nothing was sent. */
export async function sendFile(medium: ServedMedium, given: Given): Promise<"sent" | "cut" | "unsatisfiable"> {
  const { fault, request, response, clock } = given;
  const { content, counts, etag, habits } = medium;
  const sentTag = tagToSend(medium);
  if (sentTag !== null) response.setHeader("etag", sentTag);
  if (habits.lastModified) response.setHeader("last-modified", medium.lastModified.toUTCString());
  if (habits.ranges) response.setHeader("accept-ranges", "bytes");
  if (isFresh(medium, sentTag, request)) {
    counts.notModified++;
    medium.markTaken(etag);
    response.writeHead(304).end();
    return "sent";
  }
  const range = habits.ranges ? requestedRange(medium, sentTag, request) : null;
  if (range === "unsatisfiable") return range;
  // As a span that begins with `start` and ends before `end`.
  const { start, end } = range ?? { start: 0, end: content.length };
  const length = end - start;
  if (range !== null) response.setHeader("content-range", `bytes ${start}-${end - 1}/${content.length}`);
  const declared = Math.max(0, length + (fault?.name === "wrong-length" ? fault.by : 0));
  response.writeHead(range === null ? 200 : 206, { "content-type": medium.contentType, "content-length": declared });
  if (request.method === "HEAD") {
    response.end();
    return "sent";
  }

  const most = Math.min(length, declared, brokenAfter(fault, length));
  const speed = fault?.name === "slow" ? fault.bytesPerSecond : null;
  const sent = await write(content, { start, end: start + most }, { speed, response, clock, counts });
  // Seen from outside, a cut and a length too large are a connection that breaks before content-length is reached.
  if (sent < declared) {
    response.destroy();
    return "cut";
  }
  if (sent === length && end === content.length) {
    counts.downloads++;
    medium.markTaken(etag);
  }
  response.end();
  return "sent";
}

/** After how many bytes of an answer of this length its connection breaks. */
function brokenAfter(fault: Fault | null, length: number): number {
  if (fault?.name === "break") return fault.every;
  if (fault?.name !== "cut") return Number.POSITIVE_INFINITY;
  return Math.min(fault.after < 1 ? Math.floor(length * fault.after) : fault.after, length - 1);
}

/** Writes until the client leaves; returns, and counts, the number of bytes written. */
async function write(
  content: Content,
  { start, end }: Span,
  to: { speed: number | null; response: ServerResponse; clock: Clock; counts: { bytes: number } },
): Promise<number> {
  const { speed, response, clock, counts } = to;
  const size = speed === null ? PIECE : Math.max(1, Math.ceil(speed / PIECES_PER_SECOND));
  let sent = 0;
  for (const piece of piecesOf(content, start, end, size)) {
    if (response.destroyed || !(await writePiece(piece, response))) break;
    sent += piece.length;
    counts.bytes += piece.length;
    if (speed !== null && start + sent < end) {
      await sleep((piece.length / speed) * 1000, clock);
    }
  }
  return sent;
}

/** False: the connection is gone. */
function writePiece(piece: Uint8Array, response: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = () => resolve(false);
    response.once("close", gone);
    response.write(piece, (error) => {
      response.off("close", gone);
      resolve(!error);
    });
  });
}

/** The etag of this answer; null: none. */
function tagToSend({ etag, habits, counts }: ServedMedium): string | null {
  switch (habits.etag) {
    case "strong":
      return etag;
    case "weak":
      return `W/${etag}`;
    case "changing":
      return etag.replace(/"$/, `-${counts.requests}"`);
    case "none":
      return null;
  }
}

/** RFC 9110, 13.2.2: If-None-Match first, by weak comparison; If-Modified-Since only without it. */
function isFresh(
  { lastModified, habits }: ServedMedium,
  sentTag: string | null,
  { headers }: IncomingMessage,
): boolean {
  const tags = headers["if-none-match"];
  const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
  if (tags !== undefined)
    return tags === "*" || (sentTag !== null && tags.split(",").some((tag) => opaque(tag) === opaque(sentTag)));
  const since = Date.parse(headers["if-modified-since"] ?? "");
  return habits.lastModified && since >= lastModified.getTime();
}

/**
 * The one requested range; null for the whole file (RFC 9110, 14.2: what cannot be understood is ignored; 13.1.5:
 * If-Range compares strongly, a weak tag never matches).
 */
function requestedRange(
  { content, lastModified, habits }: ServedMedium,
  sentTag: string | null,
  { headers }: IncomingMessage,
): Span | "unsatisfiable" | null {
  if (headers.range === undefined) return null;
  const condition = headers["if-range"];
  const isSame =
    condition === undefined ||
    (condition === sentTag && !condition.startsWith("W/")) ||
    (habits.lastModified && condition === lastModified.toUTCString());
  if (!isSame) return null;
  const ranges = parseRange(content.length, headers.range);
  if (ranges === -1) return "unsatisfiable";
  if (ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1) return null;
  return { start: ranges[0]!.start, end: ranges[0]!.end + 1 };
}
