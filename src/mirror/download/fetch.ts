import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import type { Copy } from "../../model/medium.ts";
import { type Outbound, RefusedAddress } from "../../platform/net/outbound.ts";
import { NotServed } from "../errors.ts";
import { codingsIn } from "./content-coding.ts";
import { beginsWith } from "./overlap.ts";
import { refusesHead } from "./protocol-errors.ts";

/** Redirects that are followed; more are a loop, or nobody's idea of a file. */
const MAX_REDIRECTS = 5;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Longer validators are not kept: they are sent back with every later request. */
const MAX_VALIDATOR = 512;

/** What is there of a file already, and what must be the same for the rest to fit to it. */
export type Resume = {
  from: number;
  total: number | null;
  /** For If-Range; or a weak ETag, which no If-Range may say (RFC 9110 §13.1.5). */
  validator: string;
  lastModified: string | null;
  /** With a weak ETag: the last bytes of what is there, which the host is asked for again. */
  tail: Uint8Array | null;
};

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
      /** As in Resume; null where a broken download of it cannot be gone on with. */
      validator: string | null;
      /** The codings that it is packed in, as the host named them; null: none. */
      coding: string | null;
      /** HTTP itself shows where it ends: by its length, or by a last chunk. */
      isFramed: boolean;
    }
  /** The copy that we have is still what the link leads to. */
  | { is: "unchanged" };

type Wish = {
  outbound: Outbound;
  url: string;
  previous: Copy | null;
  resume: Resume | null;
  signal: AbortSignal;
  /** Not the first try: what a strict reading refuses is taken, in its head and in how it is packed. */
  isLater: boolean;
  /** Reads the answer leniently from the start. */
  lenient: boolean;
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
  const { previous, resume } = wish;
  const headers = {
    accept: "*/*",
    "accept-encoding": "identity",
    "user-agent": "wochit-relay",
    ...(resume ? rangeOf(resume) : conditions(previous)),
  };
  let url = parseLink(wish.url);
  for (let redirects = 0; ; redirects++) {
    const answer = await send(wish, url, headers);
    const { status, body } = answer;
    const header = (name: string) => [answer.headers[name] ?? null].flat()[0]!;
    const media = await toMedia(wish, url, { status, header, body });
    if (media !== null) return media;
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
 * One request. A head that only a strict parser refuses is read leniently on a later try; on the first one it is asked for
 * once more only to learn what is wrong with it, because the strict parser does not always say.
 */
async function send(wish: Wish, url: URL, headers: Record<string, string>) {
  const { outbound, signal, headersTimeout, idleTimeout, isLater } = wish;
  const request = { method: "GET", headers, signal, headersTimeout, bodyTimeout: idleTimeout } as const;
  if (!wish.lenient) {
    try {
      return await outbound.request(url, request);
    } catch (error) {
      if (!refusesHead(error)) throw error;
    }
  }
  const answer = await outbound.request(url, { ...request, lenient: true }).catch((error) => {
    if (error instanceof Error && !(error instanceof RefusedAddress)) error.message = `${url.host}: ${error.message}`;
    throw error;
  });
  if (wish.lenient || isLater) return answer;
  answer.body.destroy();
  const why = answer.oddities?.join(", ") || "not HTTP/1.1";
  throw new Error(`${url.host} answered with a head that is refused: ${why}; the next try takes it`);
}

/** The answer as media, where it is the whole file, or the rest that was asked for. Null: it is not. */
async function toMedia(
  { resume, isLater }: Wish,
  url: URL,
  { status, header, body }: { status: number; header(name: string): string | null; body: Readable },
): Promise<Extract<MediaAnswer, { is: "media" }> | null> {
  // 203 is a 200 that a proxy has changed something of (RFC 9110 §15.3.4); some hosts give each file as a range.
  const isWhole = status === 200 || status === 203;
  const range = status === 206 ? wholeRange(header("content-range")) : null;
  if (!isWhole && range === null && (status !== 206 || resume === null)) return null;
  const transfer = header("transfer-encoding") ?? "";
  const isChunked = /(?:^|,)\s*chunked\s*$/i.test(transfer);
  // What packs the message (RFC 9112 §7.2) was applied last.
  const said = [header("content-encoding") ?? "", transfer].join(",");
  const coding = codingsIn(said).join(", ") || null;
  const tags = { etag: validator(header("etag")), lastModified: validator(header("last-modified")) };
  if (isWhole || range !== null) {
    if (coding !== null && !isLater) {
      body.destroy();
      throw new Error(`${url.host} answered with content-encoding ${coding} though identity was asked`);
    }
    const length = header("content-length");
    const total = range ?? (length !== null && /^\d{1,16}$/.test(length) ? Number(length) : null);
    const isFixed = coding !== null || header("accept-ranges")?.trim().toLowerCase() === "none";
    const forRest = isFixed ? null : forRange(tags, header("date"));
    const isFramed = isChunked || total !== null;
    return { is: "media", body, from: 0, total, ...tags, validator: forRest, coding, isFramed };
  }
  const { from, tail, validator: same } = resume!;
  const total = coding === null ? fits(resume!, header("content-range"), tags) : null;
  if (total === null || (tail !== null && !(await beginsWith(body, tail)))) return null;
  return { is: "media", body, from, total, ...tags, validator: same, coding: null, isFramed: true };
}

/** With a weak ETag the host cannot be asked to compare: what it gives is compared here. */
function rangeOf({ from, tail, validator }: Resume): Record<string, string> {
  if (tail !== null) return { range: `bytes=${from - tail.length}-` };
  return { range: `bytes=${from}-`, "if-range": validator };
}

/** The length of a file that is given as the range of all of its bytes; null: it is another one. */
function wholeRange(contentRange: string | null): number | null {
  const [, end, length] = /^bytes 0-(\d{1,16})\/(\d{1,16})$/i.exec(contentRange?.trim() ?? "") ?? [];
  return end !== undefined && Number(end) === Number(length) - 1 ? Number(length) : null;
}

/**
 * The length of the whole file, where a 206 is the rest of it that was asked for; else null (RFC 9110 §14.4, §15.3.7: a
 * server may give another part, and a careless one parts of another file).
 */
function fits(resume: Resume, contentRange: string | null, tags: Tags): number | null {
  const [, start, end, length] = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/i.exec(contentRange?.trim() ?? "") ?? [];
  const total = Number(length);
  const from = resume.from - (resume.tail?.length ?? 0);
  if (start === undefined || Number(start) !== from || Number(end) !== total - 1) return null;
  if (resume.total !== null && total !== resume.total) return null;
  const { etag, lastModified } = tags;
  if (resume.tail !== null) {
    return resume.total !== null && etag === resume.validator && lastModified === resume.lastModified ? total : null;
  }
  // A 206 must have the ETag that a 200 would have, but need not repeat the date.
  const isSame = isTag(resume.validator)
    ? etag === resume.validator
    : (lastModified ?? resume.validator) === resume.validator;
  return isSame ? total : null;
}

type Tags = { etag: string | null; lastModified: string | null };

const isTag = (given: string) => /^"[^"]*"$/.test(given);

/** An ETag that speaks of what a file means, not of its bytes (RFC 9110 §8.8.1). */
export const isWeakTag = (given: string) => /^W\/"[^"]*"$/.test(given);

/** So much older than the answer a file must be, for its date to tell it from another of the same second. */
const SETTLED = 60_000;

/**
 * What tells this file from another: a strong ETag, else a Last-Modified that is clearly older than the answer (RFC 9110
 * §13.1.5 and §8.8.2.2). A weak ETag rules the date out for If-Range; together with such a date it serves for a rest whose
 * beginning is compared.
 */
function forRange({ etag, lastModified }: Tags, date: string | null): string | null {
  if (etag !== null && isTag(etag)) return etag;
  if (etag !== null && !isWeakTag(etag)) return null;
  if (lastModified === null || date === null) return null;
  return Date.parse(date) - Date.parse(lastModified) >= SETTLED ? (etag ?? lastModified) : null;
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

function conditions(previous: Copy | null): Record<string, string> {
  const headers: Record<string, string> = {};
  if (previous?.etag) headers["if-none-match"] = previous.etag;
  if (previous?.lastModified) headers["if-modified-since"] = previous.lastModified;
  return headers;
}

function validator(value: string | null): string | null {
  return value !== null && value.length <= MAX_VALIDATOR && /^[\x20-\x7e]+$/.test(value) ? value : null;
}
