import type { IncomingMessage, ServerResponse } from "node:http";
import parseRange from "range-parser";
import { sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
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
  const { bytes, counts, etag } = medium;
  const lastModified = medium.lastModified.toUTCString();
  response.setHeader("etag", etag);
  response.setHeader("last-modified", lastModified);
  response.setHeader("accept-ranges", "bytes");
  if (isFresh(etag, lastModified, request)) {
    counts.notModified++;
    medium.markTaken(bytes);
    response.writeHead(304).end();
    return "sent";
  }
  const range = requestedRange(bytes.length, [etag, lastModified], request);
  if (range === "unsatisfiable") return range;
  // As a span that begins with `start` and ends before `end`.
  const { start, end } = range ?? { start: 0, end: bytes.length };
  const length = end - start;
  if (range !== null) response.setHeader("content-range", `bytes ${start}-${end - 1}/${bytes.length}`);
  const declared = Math.max(0, length + (fault?.name === "wrong-length" ? fault.by : 0));
  response.writeHead(range === null ? 200 : 206, { "content-type": medium.contentType, "content-length": declared });
  if (request.method === "HEAD") {
    response.end();
    return "sent";
  }

  const most = Math.min(length, declared, brokenAfter(fault, length));
  const speed = fault?.name === "slow" ? fault.bytesPerSecond : null;
  const sent = await write(bytes.subarray(start, start + most), { speed, response, clock, counts });
  // Seen from outside, a cut and a length too large are a connection that breaks before content-length is reached.
  if (sent < declared) {
    response.destroy();
    return "cut";
  }
  if (sent === length && end === bytes.length) {
    counts.downloads++;
    medium.markTaken(bytes);
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
  bytes: Uint8Array,
  to: { speed: number | null; response: ServerResponse; clock: Clock; counts: { bytes: number } },
): Promise<number> {
  const { speed, response, clock, counts } = to;
  const size = speed === null ? PIECE : Math.max(1, Math.ceil(speed / PIECES_PER_SECOND));
  let sent = 0;
  while (sent < bytes.length) {
    const piece = bytes.subarray(sent, sent + size);
    if (response.destroyed || !(await writePiece(piece, response))) break;
    sent += piece.length;
    counts.bytes += piece.length;
    if (speed !== null && sent < bytes.length) await sleep((piece.length / speed) * 1000, clock);
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

/** RFC 9110, 13.2.2: If-None-Match first, by weak comparison; If-Modified-Since only without it. */
function isFresh(etag: string, lastModified: string, { headers }: IncomingMessage): boolean {
  const tags = headers["if-none-match"];
  if (tags !== undefined) return tags === "*" || tags.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
  return Date.parse(headers["if-modified-since"] ?? "") >= Date.parse(lastModified);
}

/**
 * The one requested range; null for the whole file (RFC 9110, 14.2: what cannot be understood is ignored; 13.1.5: a range is
 * sent only where If-Range is one of the file's `validators`).
 */
function requestedRange(
  length: number,
  validators: string[],
  { headers }: IncomingMessage,
): Span | "unsatisfiable" | null {
  const condition = headers["if-range"];
  if (headers.range === undefined || (condition !== undefined && !validators.includes(String(condition)))) return null;
  const ranges = parseRange(length, headers.range);
  if (ranges === -1) return "unsatisfiable";
  if (ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1) return null;
  return { start: ranges[0]!.start, end: ranges[0]!.end + 1 };
}
