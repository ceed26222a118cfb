import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import type { Copy } from "../domain.ts";
import { type Outbound, RefusedAddress } from "../platform/net.ts";
import { NotServed } from "./trouble.ts";

/** Redirects that are followed; more are a loop, or nobody's idea of a file. */
const MAX_REDIRECTS = 5;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

const PACKED = new Set(["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"]);

/** Longer validators are not kept: they are sent back with every later request. */
const MAX_VALIDATOR = 512;

/** What is there of a file already, and what must be the same for the rest to fit to it. */
export type Resume = { from: number; total: number | null; validator: string };

/** The answer, once it looks like a file: nothing of `body` has been read, and the caller must read or destroy it. */
export type MediaAnswer =
  | {
      is: "media";
      body: Readable;
      /** Where in the file the body begins: where the caller wanted to go on, or 0. */
      from: number;
      /** The length of the whole file; null: nobody told. */
      total: number | null;
      etag: string | null;
      lastModified: string | null;
      /** What an If-Range may say of this file; null where a broken download of it cannot be gone on with. */
      validator: string | null;
    }
  /** The copy that we have is still what the link leads to. */
  | { is: "unchanged" };

type Wish = {
  outbound: Outbound;
  url: string;
  previous: Copy | null;
  resume: Resume | null;
  signal: AbortSignal;
  /** Milliseconds. */
  headersTimeout: number;
  idleTimeout: number;
};

/**
 * Asks for the file behind a link, over at most five redirects; each hop goes through `outbound`, which checks its
 * address. Nothing that speaks of us is sent: no cookies, no credentials. With `previous` the request is conditional; with
 * `resume` it is for the rest of the file, and what the host then gives is the rest or, wherever that does not fit, the whole.
 * Throws RefusedAddress for an address or scheme that is not allowed, NotServed for a status that gives no file, any other
 * error where asking again may help.
 */
export async function fetchMedia(wish: Wish): Promise<MediaAnswer> {
  // A rest that does not fit is no reason to wait: the whole is asked for at once.
  return (await ask(wish)) ?? (await ask({ ...wish, resume: null }))!;
}

/** Null: the rest that came does not fit, or there is none. */
async function ask(wish: Wish): Promise<MediaAnswer | null> {
  const { outbound, previous, resume, signal, headersTimeout, idleTimeout } = wish;
  const headers = {
    accept: "*/*",
    "accept-encoding": "identity",
    "user-agent": "wochit-relay",
    ...(resume ? { range: `bytes=${resume.from}-`, "if-range": resume.validator } : conditions(previous)),
  };
  let url = parseLink(wish.url);
  for (let redirects = 0; ; redirects++) {
    const answer = await outbound.request(url, {
      method: "GET",
      headers,
      signal,
      headersTimeout,
      bodyTimeout: idleTimeout,
    });
    const { status, body } = answer;
    const header = (name: string) => [answer.headers[name] ?? null].flat()[0]!;
    if (status === 200 || (status === 206 && resume !== null)) {
      const coding = header("content-encoding");
      if (coding !== null && isEncoded(coding)) {
        body.destroy();
        const named = /^[\w, -]{1,40}$/.test(coding) ? ` ${coding}` : "";
        throw new Error(`${url.host} answered with content-encoding${named} though identity was asked`);
      }
      const tags = { etag: validator(header("etag")), lastModified: validator(header("last-modified")) };
      if (status === 200) {
        const told = header("content-length");
        const total = told !== null && /^\d{1,16}$/.test(told) ? Number(told) : null;
        const isWhole = header("accept-ranges")?.trim().toLowerCase() === "none";
        return {
          is: "media",
          body,
          from: 0,
          total,
          ...tags,
          validator: isWhole ? null : forRange(tags, header("date")),
        };
      }
      const total = fits(resume!, header("content-range"), tags);
      if (total !== null)
        return { is: "media", body, from: resume!.from, total, ...tags, validator: resume!.validator };
    }
    body.destroy();
    if (resume !== null && (status === 206 || status === 416)) return null;
    if (status === 304 && previous !== null && resume === null) return { is: "unchanged" };
    if (!REDIRECTS.has(status)) throw new NotServed(`${url.host} answered ${status}`, status);
    if (redirects === MAX_REDIRECTS)
      throw new Error(`more than ${MAX_REDIRECTS} redirects, the last one from ${url.host}`);
    url = nextHop(url, header("location"));
  }
}

/**
 * The length of the whole file, where a 206 is the rest of it that was asked for; else null (RFC 9110 §14.4, §15.3.7: a
 * server may give another part, and a careless one parts of another file).
 */
function fits(resume: Resume, contentRange: string | null, tags: Tags): number | null {
  const [, start, end, length] = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/i.exec(contentRange?.trim() ?? "") ?? [];
  const total = Number(length);
  if (start === undefined || Number(start) !== resume.from || Number(end) !== total - 1) return null;
  if (resume.total !== null && total !== resume.total) return null;
  // A 206 must have the ETag that a 200 would have, but need not repeat the date.
  const { etag, lastModified } = tags;
  const isSame = isTag(resume.validator)
    ? etag === resume.validator
    : (lastModified ?? resume.validator) === resume.validator;
  return isSame ? total : null;
}

type Tags = { etag: string | null; lastModified: string | null };

const isTag = (given: string) => /^"[^"]*"$/.test(given);

/** So much older than the answer a file must be, for its date to tell it from another of the same second. */
const SETTLED = 60_000;

/**
 * What an If-Range may say: a strong ETag, else a Last-Modified that is clearly older than the answer (RFC 9110 §13.1.5
 * and §8.8.2.2). One ETag that is weak rules the date out as well.
 */
function forRange({ etag, lastModified }: Tags, date: string | null): string | null {
  if (etag !== null) return isTag(etag) ? etag : null;
  if (lastModified === null || date === null) return null;
  return Date.parse(date) - Date.parse(lastModified) >= SETTLED ? lastModified : null;
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

function conditions(previous: Copy | null): Record<string, string> {
  const headers: Record<string, string> = {};
  if (previous?.etag) headers["if-none-match"] = previous.etag;
  if (previous?.lastModified) headers["if-modified-since"] = previous.lastModified;
  return headers;
}

function validator(value: string | null): string | null {
  return value !== null && value.length <= MAX_VALIDATOR && /^[\x20-\x7e]+$/.test(value) ? value : null;
}
