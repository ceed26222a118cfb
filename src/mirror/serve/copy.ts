import { type ErrorCode, errorLine } from "../../errors.ts";
import type { Medium } from "../../model/medium.ts";
import { errorAnswer } from "../../platform/http/server.ts";
import type { Log } from "../../ports.ts";
import { isInline, UNKNOWN_TYPE } from "../../rules/media-types.ts";
import type { Store } from "../../store/store.ts";
import type { Opened } from "../../targets/target.ts";
import type { Targets } from "../open-targets.ts";
import { type Choice, chooseRange } from "./range.ts";

/** What is served of a copy: its bytes, whole or one range, or a redirect to where they are. Who may have it is judged before. */

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

/** The key of no copy. */
const ORIGIN_KEY = "origin";

/** A request for a copy, of which the method, the headers, and the connection count. */
export type CopyRequest = {
  method: string;
  header(name: string): string | undefined;
  outgoing: Outgoing;
};

/** A medium, and where its copy is. */
export type CopyOf = Pick<Medium, "id" | "kind" | "bytes" | "contentType"> & { target: string; key: string };

export type Copies = ReturnType<typeof createCopies>;

export function createCopies({
  store,
  targets,
  log,
}: {
  store: Pick<Store, "targets" | "medium">;
  targets: Pick<Targets, "at">;
  log?: Pick<Log, "warn" | "error">;
}) {
  /** By target; null: its copies are read here. */
  const known = new Map<string, string | null>();

  async function open(target: string, key: string, method: "GET" | "HEAD"): Promise<Opened | null> {
    return (await (await targets.at(target))?.open(key, method)) ?? null;
  }

  /** An address is made without asking the other server, whatever its key. */
  async function originOf(target: string): Promise<string | null> {
    if (known.has(target)) return known.get(target)!;
    const opened = await open(target, ORIGIN_KEY, "GET");
    if (opened?.is === "file") await opened.close();
    const origin = opened?.is === "elsewhere" ? new URL(opened.url).origin : null;
    known.set(target, origin);
    return origin;
  }

  /** Where a copy is that was moved, and deleted where it was, since its row was read; null: it was not. */
  async function movedSince(medium: CopyOf): Promise<CopyOf | null> {
    const now = await store.medium(medium.id).catch(() => null);
    if (now === null || now.target === null || now.key === null) return null;
    const { target, key, bytes } = now;
    return target === medium.target && key === medium.key ? null : { ...medium, target, key, bytes };
  }

  /**
   * Answers a GET or HEAD. 404: the target has no such file; 503: it fails, or the copy has another size than its row. The
   * headers may be added to.
   */
  async function serve(medium: CopyOf, request: CopyRequest): Promise<Response> {
    const { method, header, outgoing } = request;
    const { id, key } = medium;
    const opened = await open(medium.target, key, method === "HEAD" ? "HEAD" : "GET").catch((error) => ({ error }));
    if (opened === null || "error" in opened) {
      const moved = await movedSince(medium);
      if (moved !== null) return serve(moved, request);
      if (opened === null) return refusal("not_found", "no such file, or the link is not valid");
      log?.warn("copy not served", { medium: id, key, error: errorLine(opened.error) });
      return refusal("target_unavailable", "the file cannot be read right now; ask again later");
    }
    if (opened.is === "elsewhere") {
      return new Response(null, {
        status: 307,
        headers: { location: opened.url, "cache-control": "private, no-store" },
      });
    }
    if (medium.bytes !== null && opened.bytes !== medium.bytes) {
      await opened.close();
      const error = `the copy has ${opened.bytes} bytes, ${medium.bytes} were kept: run \`media verify --mend\``;
      log?.error("copy not served", { medium: id, key, error });
      return refusal("target_unavailable", "the file is damaged here and is not served; ask again later");
    }
    const onBroken = (error: unknown) =>
      log?.warn("copy not served to its end", { medium: id, key, error: errorLine(error) });
    const choice = chooseRange(method, header, opened);
    const { status, headers, range } = head(choice, medium, opened);
    if (method === "GET" && range !== null && range.end >= range.start) {
      const body = cutOnError(opened.read(range.start, range.end), outgoing, onBroken);
      return new Response(body, { status, headers });
    }
    await opened.close();
    return new Response(null, { status, headers });
  }

  return {
    serve,

    /** The origins of other servers that copies are read from, as far as they are known now. */
    async origins(): Promise<string[]> {
      const all = await store.targets().catch(() => []);
      const found = await Promise.all(all.map(({ id }) => originOf(id).catch(() => null)));
      return [...new Set(found.filter((origin) => origin !== null))];
    },
  };
}

type File = Extract<Opened, { is: "file" }>;
type Body = ReadableStream<Uint8Array>;

/** The head of an answer, and the bytes that follow it; `range` null: none. */
function head(choice: Choice, medium: CopyOf, file: File) {
  const headers = headersOf(medium, file);
  if (choice === "unchanged") return { status: 304, headers, range: null };
  if (choice === "unsatisfiable") {
    const refused = { ...SAFETY, "content-range": `bytes */${file.bytes}` };
    return { status: 416, headers: refused, range: null };
  }
  const range = choice ?? { start: 0, end: file.bytes - 1 };
  const length = { "content-length": String(range.end - range.start + 1) };
  if (choice === null) return { status: 200, headers: { ...headers, ...length }, range };
  const part = { "content-range": `bytes ${range.start}-${range.end}/${file.bytes}` };
  return { status: 206, headers: { ...headers, ...length, ...part }, range };
}

function headersOf(medium: CopyOf, file: File): Record<string, string> {
  return {
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

/** What a copy is refused with. */
export function refusal(code: ErrorCode, message: string): Response {
  return errorAnswer(code, message, {}, { ...SAFETY, "cache-control": "private, no-store" });
}
