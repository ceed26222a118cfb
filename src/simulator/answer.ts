import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../ports.ts";
import type { Fault } from "./faults.ts";
import type { LinkCheck } from "./links.ts";
import type { ServedMedium } from "./medium.ts";
import { sendFile } from "./send-file.ts";

/** Errors in the words of Amazon S3 ("Error responses"). */
const ERRORS = {
  "403": [403, "AccessDenied", "Access Denied"],
  "404": [404, "NoSuchKey", "The specified key does not exist."],
  "503": [503, "SlowDown", "Please reduce your request rate."],
  expired: [403, "AccessDenied", "Request has expired"],
  forged: [403, "SignatureDoesNotMatch", "The request signature we calculated does not match."],
  unsatisfiable: [416, "InvalidRange", "The requested range is not satisfiable"],
} as const;

/**
 * Answers one request for a medium as cloud storage would, or as its fault says; resolves with whether it was answered with
 * the file. Never rejects.
 */
export async function answerFor(
  medium: ServedMedium,
  given: { fault: Fault | null; link: LinkCheck; request: IncomingMessage; response: ServerResponse; clock: Clock },
): Promise<boolean> {
  const { fault, link, request, response } = given;
  if (fault !== null && answerBadly(fault, medium.contentType, request, response)) return false;
  if (link.is !== "good") {
    sendError(response, link.is, link.is === "expired" ? `<Expires>${link.expires.toISOString()}</Expires>` : "");
    return false;
  }
  const sent = await sendFile(medium, given);
  if (sent === "unsatisfiable") {
    response.setHeader("content-range", `bytes */${medium.bytes.length}`);
    sendError(response, sent);
  }
  return sent === "sent";
}

/** Answers as a fault says that does not need the file; false where the file is needed. */
function answerBadly(fault: Fault, contentType: string, request: IncomingMessage, response: ServerResponse): boolean {
  switch (fault.name) {
    case "never":
      return true;
    case "reset":
      // Deno cannot send a reset: there the connection is closed.
      request.socket.resetAndDestroy?.();
      request.socket.destroy();
      return true;
    case "403":
    case "404":
    case "503":
    case "expired":
      return sendError(response, fault.name);
    case "html-200":
      response.writeHead(200, { "content-type": contentType });
      response.end(
        "<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body><h1>We'll be right back</h1></body></html>\n",
      );
      return true;
    case "empty":
      response.writeHead(200, { "content-type": contentType, "content-length": 0 }).end();
      return true;
    default:
      return false;
  }
}

function sendError(response: ServerResponse, error: keyof typeof ERRORS, extra = ""): true {
  const [status, code, message] = ERRORS[error];
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${extra}</Error>`,
  );
  return true;
}
