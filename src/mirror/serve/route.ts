import type { Context } from "hono";
import type { Config } from "../../config/schema.ts";
import { type ErrorCode, errorLine } from "../../errors.ts";
import { isSignatureOf } from "../../links/durable-link.ts";
import type { Medium } from "../../model/medium.ts";
import { errorAnswer } from "../../platform/http/server.ts";
import type { Log } from "../../ports.ts";
import { isInline, UNKNOWN_TYPE } from "../../rules/media-types.ts";
import type { Store } from "../../store/store.ts";
import type { Opened } from "../../targets/target.ts";
import type { Targets } from "../open-targets.ts";
import { type Choice, chooseRange } from "./range.ts";

/** Serving: request → signature → media row → target → the copy, or a redirect to it. */

const PREFIX = "/media/";

/** Copies are untrusted content: browsers must not guess their type, run them, or load what they refer to. */
const SAFETY = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
};

/** A browser that opens a film directly wraps it in a page, which loads the film again. */
const INLINE_SAFETY = {
  ...SAFETY,
  "content-security-policy": "default-src 'none'; media-src 'self'; sandbox allow-same-origin",
};

/** CORS (fetch.spec.whatwg.org): any origin may fetch copies, because the link is the permission. */
const ANY_ORIGIN = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified",
};
const PREFLIGHT = {
  ...ANY_ORIGIN,
  "access-control-allow-methods": "GET, HEAD",
  "access-control-allow-headers": "Range, If-Range, If-None-Match, If-Modified-Since",
  "access-control-max-age": "86400",
  allow: "GET, HEAD, OPTIONS",
};

/**
 * `GET` and `HEAD /media/<key>`, whole or one range (RFC 9110 §13, §14). Only keys of media rows are served. A missing or
 * invalid `sig`, unless links are open, gets the same 404 as a file that does not exist; a target that fails, and a copy whose
 * size differs from the row, get a 503. `OPTIONS` answers a preflight.
 */
export function mediaRoute(options: {
  store: Pick<Store, "mediumByKey">;
  targets: Pick<Targets, "at">;
  config: Pick<Config["mirror"], "links">;
  /** The store's media secret. */
  secret: Uint8Array;
  log?: Pick<Log, "warn" | "error">;
}): (context: Context) => Promise<Response> {
  const { store, targets, config, secret, log } = options;
  return async ({ req, env }) => {
    if (req.method === "OPTIONS") return new Response(null, { status: 204, headers: PREFLIGHT });
    const url = new URL(req.url);
    const key = keyIn(url.pathname);
    const sig = url.searchParams.get("sig") ?? "";
    if (key === null || (config.links !== "open" && !isSignatureOf(secret, key, sig))) return notFound();
    const medium = await store.mediumByKey(key);
    if (medium === null || medium.target === null || medium.state === "deleted") return notFound();
    let opened: Opened | null | undefined;
    try {
      const target = await targets.at(medium.target);
      // The link of a replaced thumbnail leads to the newer copy.
      opened = await target?.open(medium.key ?? key, req.method === "HEAD" ? "HEAD" : "GET");
    } catch (error) {
      log?.warn("copy not served", { medium: medium.id, key, error: errorLine(error) });
      return refusal("target_unavailable", "the file cannot be read right now; ask again later");
    }
    if (!opened) return notFound();
    if (opened.is === "elsewhere") {
      const headers = { ...ANY_ORIGIN, location: opened.url, "cache-control": "private, no-store" };
      return new Response(null, { status: 307, headers });
    }
    if (medium.bytes !== null && opened.bytes !== medium.bytes) {
      await opened.close();
      const error = `the copy has ${opened.bytes} bytes, ${medium.bytes} were kept: run \`media verify --mend\``;
      log?.error("copy not served", { medium: medium.id, key, error });
      return refusal("target_unavailable", "the file is damaged here and is not served; ask again later");
    }
    const onBroken = (error: unknown) =>
      log?.warn("copy not served to its end", { medium: medium.id, key, error: errorLine(error) });
    const choice = chooseRange(req.method, (name) => req.header(name), opened);
    const { status, headers, range } = head(choice, medium, opened);
    if (req.method === "GET" && range !== null && range.end >= range.start) {
      const body = cutOnError(opened.read(range.start, range.end), env?.outgoing, onBroken);
      return new Response(body, { status, headers });
    }
    await opened.close();
    return new Response(null, { status, headers });
  };
}

type File = Extract<Opened, { is: "file" }>;
type Body = ReadableStream<Uint8Array>;

/** The head of an answer, and the bytes that follow it; `range` null: none. */
function head(choice: Choice, medium: Medium, file: File) {
  const headers = headersOf(medium, file);
  if (choice === "unchanged") return { status: 304, headers, range: null };
  if (choice === "unsatisfiable") {
    const refused = { ...ANY_ORIGIN, ...SAFETY, "content-range": `bytes */${file.bytes}` };
    return { status: 416, headers: refused, range: null };
  }
  const range = choice ?? { start: 0, end: file.bytes - 1 };
  const length = { "content-length": String(range.end - range.start + 1) };
  if (choice === null) return { status: 200, headers: { ...headers, ...length }, range };
  const part = { "content-range": `bytes ${range.start}-${range.end}/${file.bytes}` };
  return { status: 206, headers: { ...headers, ...length, ...part }, range };
}

function headersOf(medium: Medium, file: File): Record<string, string> {
  return {
    ...ANY_ORIGIN,
    ...(isInline(medium.contentType)
      ? { ...INLINE_SAFETY, "content-type": medium.contentType }
      : { ...SAFETY, "content-type": UNKNOWN_TYPE, "content-disposition": "attachment" }),
    // Of the opened file, not of the row: should they differ, the tag is that of the bytes sent.
    etag: `"${file.tag}"`,
    "last-modified": new Date(file.modifiedAt).toUTCString(),
    "accept-ranges": "bytes",
    // A thumbnail may be replaced under its key; a video never is.
    "cache-control": medium.kind === "video" ? "private, max-age=3600" : "private, no-cache",
  };
}

/** Node's response (`c.env` of @hono/node-server). */
type Outgoing = { destroy(): unknown } | undefined;

/**
 * Cuts the connection where the copy cannot be read to its end: the status has been sent already. The stream itself does not
 * fail, because the server would print the error with its stack.
 */
function cutOnError(copy: Body, outgoing: Outgoing, onBroken: (error: unknown) => void): Body {
  const reader = copy.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          onBroken(error);
          if (outgoing === undefined) return controller.error(error);
          outgoing.destroy();
          controller.close();
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** The key in a path; null: none. An encoded slash does not separate parts. */
function keyIn(path: string): string | null {
  if (!path.startsWith(PREFIX)) return null;
  try {
    const parts = path.slice(PREFIX.length).split("/").map(decodeURIComponent);
    return parts.every((part) => /^[\w~-][\w.~-]*$/.test(part)) ? parts.join("/") : null;
  } catch {
    return null;
  }
}

function notFound(): Response {
  return refusal("not_found", "no such file, or the link is not valid");
}

function refusal(code: ErrorCode, message: string): Response {
  return errorAnswer(code, message, {}, { ...ANY_ORIGIN, ...SAFETY, "cache-control": "private, no-store" });
}
