import type { IncomingMessage, ServerResponse } from "node:http";
import parseRange from "range-parser";
import type { Clock } from "../domain.ts";
import type { Fault } from "./faults.ts";
import type { LinkCheck } from "./links.ts";
import type { ServedMedium } from "./medium.ts";

/** A slow answer is written in pieces, this many a second. */
const PIECES_PER_SECOND = 20;

/** Answers one request for a medium as cloud storage would, or as its fault says. Never rejects. */
export async function answerFor(
  medium: ServedMedium,
  {
    fault,
    link,
    request,
    response,
    clock,
  }: {
    fault: Fault | null;
    link: LinkCheck;
    request: IncomingMessage;
    response: ServerResponse;
    clock: Clock;
  },
): Promise<void> {
  switch (fault?.name) {
    case "never":
      return;
    case "403":
      return sendError(response, 403, "AccessDenied", "Access Denied");
    case "404":
      return sendError(response, 404, "NoSuchKey", "The specified key does not exist.");
    case "503":
      if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
      return sendError(response, 503, "SlowDown", "Please reduce your request rate.");
    case "expired":
      return sendError(response, 403, "AccessDenied", "Request has expired");
    case "html-200":
      response.writeHead(200, { "content-type": medium.contentType });
      response.end(
        "<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body><h1>We'll be right back</h1></body></html>\n",
      );
      return;
    case "empty":
      response.writeHead(200, { "content-type": medium.contentType, "content-length": 0 });
      response.end();
      return;
  }
  if (link.is === "forged") {
    return sendError(response, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match.");
  }
  if (link.is === "expired") {
    const extra = `<Expires>${link.expires.toISOString()}</Expires>`;
    return sendError(response, 403, "AccessDenied", "Request has expired", extra);
  }
  return sendFile(medium, fault, request, response, clock);
}

async function sendFile(
  medium: ServedMedium,
  fault: Fault | null,
  request: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
): Promise<void> {
  const { bytes, etag, counts } = medium;
  response.setHeader("etag", etag);
  response.setHeader("last-modified", medium.lastModified.toUTCString());
  response.setHeader("accept-ranges", "bytes");
  if (isFresh(medium, request)) {
    counts.notModified++;
    medium.markTaken(etag);
    response.writeHead(304).end();
    return;
  }
  const range = wantedRange(medium, request);
  if (range === "unsatisfiable") {
    response.setHeader("content-range", `bytes */${bytes.length}`);
    return sendError(response, 416, "InvalidRange", "The requested range is not satisfiable");
  }
  if (range !== null) response.setHeader("content-range", `bytes ${range.start}-${range.end}/${bytes.length}`);
  const piece = range === null ? bytes : bytes.subarray(range.start, range.end + 1);
  const declared = Math.max(0, piece.length + (fault?.name === "wrong-length" ? fault.by : 0));
  response.writeHead(range === null ? 200 : 206, { "content-type": medium.contentType, "content-length": declared });
  if (request.method === "HEAD") {
    response.end();
    return;
  }

  const wanted =
    fault?.name === "cut" ? piece.subarray(0, cutAfter(fault.after, piece.length)) : piece.subarray(0, declared);
  const sent = await write(wanted, fault?.name === "slow" ? fault.bytesPerSecond : null, response, clock);
  counts.bytes += sent;
  // A connection that breaks before content-length is reached is how "cut" and a length too large look from outside.
  if (sent < declared) {
    response.destroy();
    return;
  }
  if (sent === piece.length && (range === null || range.end === bytes.length - 1)) {
    counts.downloads++;
    medium.markTaken(etag);
  }
  response.end();
}

/** Writes what the other side takes; gives the number of bytes handed over. */
async function write(
  piece: Uint8Array,
  bytesPerSecond: number | null,
  response: ServerResponse,
  clock: Clock,
): Promise<number> {
  const step = bytesPerSecond === null ? 2 ** 18 : Math.max(1, Math.ceil(bytesPerSecond / PIECES_PER_SECOND));
  let sent = 0;
  while (sent < piece.length && !response.destroyed) {
    const part = piece.subarray(sent, sent + step);
    if (!(await writePart(part, response))) break;
    sent += part.length;
    if (bytesPerSecond !== null && sent < piece.length) {
      await new Promise<void>((resolve) => clock.after((part.length / bytesPerSecond) * 1000, resolve));
    }
  }
  return sent;
}

/** False: the connection is gone. */
function writePart(part: Uint8Array, response: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = () => resolve(false);
    response.once("close", gone);
    response.write(part, (error) => {
      response.off("close", gone);
      resolve(!error);
    });
  });
}

function cutAfter(after: number, length: number): number {
  return Math.min(after < 1 ? Math.floor(length * after) : after, length - 1);
}

/** RFC 9110, 13.2.2: If-None-Match first, If-Modified-Since only without it. */
function isFresh(medium: ServedMedium, { headers }: IncomingMessage): boolean {
  const tags = headers["if-none-match"];
  if (tags !== undefined)
    return tags === "*" || tags.split(",").some((tag) => tag.trim().replace(/^W\//, "") === medium.etag);
  const since = Date.parse(headers["if-modified-since"] ?? "");
  return since >= medium.lastModified.getTime();
}

/** The one range that was asked for; null for the whole file (RFC 9110, 14.2: what cannot be understood is ignored). */
function wantedRange(
  medium: ServedMedium,
  { headers }: IncomingMessage,
): { start: number; end: number } | "unsatisfiable" | null {
  const condition = headers["if-range"];
  if (headers.range === undefined) return null;
  if (condition !== undefined && condition !== medium.etag && condition !== medium.lastModified.toUTCString())
    return null;
  const ranges = parseRange(medium.bytes.length, headers.range);
  if (ranges === -1) return "unsatisfiable";
  return ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1 ? null : ranges[0]!;
}

/** An error in the shape of Amazon S3's ("REST error responses"). */
function sendError(response: ServerResponse, status: number, code: string, message: string, extra = ""): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${extra}</Error>`,
  );
}
