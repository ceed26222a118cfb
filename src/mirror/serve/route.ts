import type { Context } from "hono";
import parseRange from "range-parser";
import type { Config } from "../../config/schema.ts";
import { type ErrorCode, errorLine } from "../../errors.ts";
import { isSignatureOf } from "../../links/durable-link.ts";
import type { Medium } from "../../model/medium.ts";
import { errorAnswer } from "../../platform/http/server.ts";
import type { Log } from "../../ports.ts";
import { isShown } from "../../rules/inline-types.ts";
import type { Store } from "../../store/store.ts";
import type { Opened } from "../../targets/target.ts";
import type { Targets } from "../open-targets.ts";

const PREFIX = "/media/";

/** A copy is somebody else's bytes: it is what its type says, runs nothing and loads nothing. */
const SAFETY = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
};

/** A browser that opens a film by itself makes a page of it, which loads the film once more: that much it may. */
const SHOWN_SAFETY = {
  ...SAFETY,
  "content-security-policy": "default-src 'none'; media-src 'self'; sandbox allow-same-origin",
};

/**
 * Players and pages of any origin fetch copies: the link is the permission. CORS (fetch.spec.whatwg.org): they may read the
 * headers below, and ask beforehand whether they may send a range or a condition.
 */
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
 * `GET` and `HEAD /media/<key>`: a mirrored copy, whole or a single range of it (RFC 9110 §13, §14), or a redirect to where
 * its target, the present one or a former one, has it. Only keys of mirrored media; without a valid `sig`, unless links are
 * open, the answer is the same 404 as for a file that is not there. A target that cannot be reached is a 503, and so is a copy
 * of another size than was kept. `OPTIONS` answers a preflight.
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
      // A thumbnail's older link leads to the copy that took its place.
      opened = await target?.open(medium.key ?? key, req.method === "HEAD" ? "HEAD" : "GET");
    } catch (error) {
      log?.warn("copy not served", { medium: medium.id, key, error: errorLine(error) });
      return refusal("target_unavailable", "the file cannot be had right now; ask again later");
    }
    if (!opened) return notFound();
    if (opened.is === "elsewhere") {
      return new Response(null, {
        status: 307,
        headers: { ...ANY_ORIGIN, location: opened.url, "cache-control": "private, no-store" },
      });
    }
    if (medium.bytes !== null && opened.bytes !== medium.bytes) {
      await opened.close();
      const error = `the copy has ${opened.bytes} bytes, ${medium.bytes} were kept: run \`media verify --mend\``;
      log?.error("copy not served", { medium: medium.id, key, error });
      return refusal("target_unavailable", "the file is damaged here and is not served; ask again later");
    }
    const { status, headers, range } = choose(
      req.method,
      (name) => req.header(name),
      opened,
      headersOf(medium, opened),
    );
    if (range === null) {
      await opened.close();
      return new Response(null, { status, headers });
    }
    const body = cutOnError(opened.read(range.start, range.end), env?.outgoing, (error) =>
      log?.warn("copy not served to its end", { medium: medium.id, key, error: errorLine(error) }),
    );
    return new Response(body, { status, headers });
  };
}

/** What Node's server gives to a handler to answer with (`c.env` of @hono/node-server). */
type Outgoing = { destroy(): unknown } | undefined;

/**
 * A copy that cannot be read to its end: the connection is cut, which is the only way left to say so. The stream itself does
 * not fail, because the server would print the error with its stack.
 */
function cutOnError(
  copy: ReadableStream<Uint8Array>,
  outgoing: Outgoing,
  onBroken: (error: unknown) => void,
): ReadableStream<Uint8Array> {
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

type File = Extract<Opened, { is: "file" }>;
type Headers = Record<string, string>;
type Answer = { status: number; headers: Headers; range: { start: number; end: number } | null };

/** The key in a path; null where it is none. An encoded slash does not part a key. */
function keyIn(path: string): string | null {
  if (!path.startsWith(PREFIX)) return null;
  try {
    const parts = path.slice(PREFIX.length).split("/").map(decodeURIComponent);
    return parts.every((part) => /^[\w~-][\w.~-]*$/.test(part)) ? parts.join("/") : null;
  } catch {
    return null;
  }
}

function headersOf(medium: Medium, file: File): Headers {
  return {
    ...ANY_ORIGIN,
    ...(isShown(medium.contentType)
      ? { ...SHOWN_SAFETY, "content-type": medium.contentType! }
      : { ...SAFETY, "content-type": "application/octet-stream", "content-disposition": "attachment" }),
    // The tag follows from the opened file: should a row and its file ever differ, it speaks of what is sent.
    etag: `"${file.tag}"`,
    "last-modified": new Date(file.modifiedAt).toUTCString(),
    "accept-ranges": "bytes",
    // A thumbnail may be replaced under its key; a video never is.
    "cache-control": medium.kind === "video" ? "private, max-age=3600" : "private, no-cache",
  };
}

/** Status, headers and bytes, in the order of RFC 9110 §13.2.2. */
function choose(method: string, header: (name: string) => string | undefined, file: File, headers: Headers): Answer {
  if (isUnchanged(header, file)) return { status: 304, headers, range: null };
  const range = method === "GET" ? rangeIn(header("range"), header("if-range"), file) : null;
  if (range === "unsatisfiable") {
    return {
      status: 416,
      headers: { ...ANY_ORIGIN, ...SAFETY, "content-range": `bytes */${file.bytes}` },
      range: null,
    };
  }
  const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
  const sent = { ...headers, "content-length": String(end - start + 1) };
  const isSent = method === "GET" && end >= start;
  if (range === null) return { status: 200, headers: sent, range: isSent ? { start, end } : null };
  return { status: 206, headers: { ...sent, "content-range": `bytes ${start}-${end}/${file.bytes}` }, range };
}

/** If-None-Match, or, only without it, If-Modified-Since. */
function isUnchanged(header: (name: string) => string | undefined, file: File): boolean {
  const tags = header("if-none-match");
  if (tags !== undefined) {
    return tags.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === `"${file.tag}"`);
  }
  const since = httpDate(header("if-modified-since"));
  return since !== null && seconds(file.modifiedAt) <= seconds(since);
}

/** The range to send; null: all of it. Several ranges, and what cannot be read, are answered with all of it. */
function rangeIn(
  range: string | undefined,
  condition: string | undefined,
  file: File,
): { start: number; end: number } | "unsatisfiable" | null {
  if (range === undefined || !/^bytes=/i.test(range)) return null;
  if (condition !== undefined && !isCurrent(condition, file)) return null;
  // range-parser calls "the last 1000 bytes" of a shorter file unsatisfiable; RFC 9110 §14.1.2 means all of it.
  const last = /^bytes=-(\d+)$/i.exec(range)?.[1];
  if (last !== undefined && Number(last) >= file.bytes && file.bytes > 0) return { start: 0, end: file.bytes - 1 };
  const ranges = parseRange(file.bytes, range, { combine: true });
  if (ranges === -1) return "unsatisfiable";
  return ranges === -2 || ranges.length !== 1 ? null : ranges[0]!;
}

/** If-Range: the very tag, or the very date. */
function isCurrent(condition: string, file: File): boolean {
  if (condition.startsWith('"')) return condition === `"${file.tag}"`;
  const date = httpDate(condition);
  return date !== null && seconds(date) === seconds(file.modifiedAt);
}

function httpDate(text: string | undefined): number | null {
  const time = text?.endsWith(" GMT") ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function notFound(): Response {
  return refusal("not_found", "no such file, or the link is not valid");
}

function refusal(code: ErrorCode, message: string): Response {
  return errorAnswer(code, message, {}, { ...ANY_ORIGIN, ...SAFETY, "cache-control": "private, no-store" });
}
