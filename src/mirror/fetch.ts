import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import type { Copy } from "../domain.ts";
import { type Outbound, RefusedAddress } from "../platform/net.ts";

/** Redirects that are followed; more are a loop, or nobody's idea of a file. */
const MAX_REDIRECTS = 5;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

const PACKED = new Set(["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"]);

/** Longer validators are not kept: they are sent back with every later request. */
const MAX_VALIDATOR = 512;

/** The answer, once it looks like a file: nothing of `body` has been read, and the caller must read or destroy it. */
export type MediaAnswer =
  | { is: "media"; body: Readable; length: number | null; etag: string | null; lastModified: string | null }
  /** The copy that we have is still what the link leads to. */
  | { is: "unchanged" };

/**
 * Asks for the file behind a link, over at most five redirects; each hop goes through `outbound`, which checks its
 * address. Nothing that speaks of us is sent: no cookies, no credentials. With `previous` the request is conditional.
 * Throws RefusedAddress for an address or scheme that is not allowed, any other error where asking again may help.
 */
export async function fetchMedia(given: {
  outbound: Outbound;
  url: string;
  previous: Copy | null;
  signal: AbortSignal;
  /** Milliseconds. */
  headersTimeout: number;
  idleTimeout: number;
}): Promise<MediaAnswer> {
  const { outbound, previous, signal, headersTimeout, idleTimeout } = given;
  const headers = {
    accept: "*/*",
    "accept-encoding": "identity",
    "user-agent": "wochit-relay",
    ...validators(previous),
  };
  let url = parseLink(given.url);
  for (let redirects = 0; ; redirects++) {
    const answer = await outbound.request(url, {
      method: "GET",
      headers,
      signal,
      headersTimeout,
      bodyTimeout: idleTimeout,
    });
    const header = (name: string) => [answer.headers[name] ?? null].flat()[0]!;
    if (answer.status === 200) {
      const coding = header("content-encoding");
      if (coding !== null && isEncoded(coding)) {
        answer.body.destroy();
        const named = /^[\w, -]{1,40}$/.test(coding) ? ` ${coding}` : "";
        throw new Error(`${url.host} answered with content-encoding${named} though identity was asked`);
      }
      const length = header("content-length");
      return {
        is: "media",
        body: answer.body,
        length: length !== null && /^\d{1,16}$/.test(length) ? Number(length) : null,
        etag: validator(header("etag")),
        lastModified: validator(header("last-modified")),
      };
    }
    answer.body.destroy();
    if (answer.status === 304 && previous !== null) return { is: "unchanged" };
    if (!REDIRECTS.has(answer.status)) throw new Error(`${url.host} answered ${answer.status}`);
    if (redirects === MAX_REDIRECTS)
      throw new Error(`more than ${MAX_REDIRECTS} redirects, the last one from ${url.host}`);
    url = nextHop(url, header("location"));
  }
}

function parseLink(url: string): URL {
  if (URL.canParse(url)) return new URL(url);
  throw new RefusedAddress("the link is not a URL");
}

/** Where a redirect leads. An encrypted way is never left, and nobody else's credentials are used. */
function nextHop(from: URL, header: string | null): URL {
  // Header bytes come one character each; beyond ASCII they are UTF-8, as browsers read them.
  const location = header && Buffer.from(header, "latin1").toString();
  if (location === null || !URL.canParse(location, from.href)) throw new Error(`${from.host} redirects to nowhere`);
  const to = new URL(location, from.href);
  if (from.protocol === "https:" && to.protocol === "http:")
    throw new Error(`${from.host} redirects from https to http`);
  if (to.username !== "" || to.password !== "") throw new Error(`${from.host} redirects to a link with credentials`);
  return to;
}

/**
 * Whether the bytes are packed (RFC 9110 §8.4.1). Labels that pack nothing, like the `aws-chunked` and `utf-8` that some
 * tools leave on an object, lose no video.
 */
function isEncoded(coding: string): boolean {
  return coding.split(",").some((each) => PACKED.has(each.trim().toLowerCase()));
}

function validators(previous: Copy | null): Record<string, string> {
  const headers: Record<string, string> = {};
  if (previous?.etag) headers["if-none-match"] = previous.etag;
  if (previous?.lastModified) headers["if-modified-since"] = previous.lastModified;
  return headers;
}

function validator(value: string | null): string | null {
  return value !== null && value.length <= MAX_VALIDATOR && /^[\x20-\x7e]+$/.test(value) ? value : null;
}
