import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../ports.ts";
import type { Fault } from "./faults.ts";
import type { LinkCheck } from "./links.ts";
import type { ServedMedium } from "./medium.ts";
import { sendFile } from "./send-file.ts";

/** Answers one request for a medium as cloud storage would, or as its fault says; false: it got no file. Never rejects. */
export async function answerFor(
  medium: ServedMedium,
  given: { fault: Fault | null; link: LinkCheck; request: IncomingMessage; response: ServerResponse; clock: Clock },
): Promise<boolean> {
  const { fault, link, request, response } = given;
  if (fault !== null && answerBadly(fault, medium.contentType, request, response)) return false;
  if (link.is === "forged") {
    sendError(response, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match.");
    return false;
  }
  if (link.is === "expired") {
    const extra = `<Expires>${link.expires.toISOString()}</Expires>`;
    sendError(response, 403, "AccessDenied", "Request has expired", extra);
    return false;
  }
  const sent = await sendFile(medium, given);
  if (sent === "unsatisfiable") {
    response.setHeader("content-range", `bytes */${medium.content.length}`);
    sendError(response, 416, "InvalidRange", "The requested range is not satisfiable");
  }
  return sent === "sent";
}

/** Answers as a fault says that does not need the file; false where the file is needed. */
export function answerBadly(
  fault: Fault,
  contentType: string,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  switch (fault.name) {
    case "never":
      return true;
    case "reset":
      // Deno has no way to send a reset: there the connection just ends.
      request.socket.resetAndDestroy?.();
      request.socket.destroy();
      return true;
    case "403":
      sendError(response, 403, "AccessDenied", "Access Denied");
      return true;
    case "404":
      sendError(response, 404, "NoSuchKey", "The specified key does not exist.");
      return true;
    case "503":
      if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
      sendError(response, 503, "SlowDown", "Please reduce your request rate.");
      return true;
    case "expired":
      sendError(response, 403, "AccessDenied", "Request has expired");
      return true;
    case "html-200":
      response.writeHead(200, { "content-type": contentType });
      response.end(
        "<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body><h1>We'll be right back</h1></body></html>\n",
      );
      return true;
    case "empty":
      response.writeHead(200, { "content-type": contentType, "content-length": 0 });
      response.end();
      return true;
    default:
      return false;
  }
}

/** An error in the shape of Amazon S3's ("REST error responses"). */
function sendError(response: ServerResponse, status: number, code: string, message: string, extra = ""): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${extra}</Error>`,
  );
}
