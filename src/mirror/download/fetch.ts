import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import type { DownloadJob } from "../../model/job.ts";
import type { Copy } from "../../model/medium.ts";
import { type Outbound, RefusedAddress } from "../../platform/net/outbound.ts";
import { HttpStatusError } from "../errors.ts";
import { codingsIn } from "./content-coding.ts";
import { refusesHead } from "./protocol-errors.ts";
import type { Limits } from "./rate-limits.ts";
import { beginsWith, matchRest, type Resume, rangeHeaders, restIn, resumeValidator } from "./resume.ts";

/** Redirects that are followed; more are a loop. */
const MAX_REDIRECTS = 5;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Characters of the longest validator that is kept: it is sent back with every later request. */
const MAX_VALIDATOR = 512;

/** An answer that may be a file. The caller must read or destroy `body`, of which nothing has been read. */
export type MediaFound = {
  is: "media";
  body: Readable;
  /** Where in the file the body begins: `resume.from`, or 0. */
  from: number;
  /** The length of the whole file; null: unknown. */
  total: number | null;
  etag: string | null;
  lastModified: string | null;
  /** As in Resume; null where a broken download cannot be resumed. */
  validator: string | null;
  /** The content codings that the host named; null: none. */
  coding: string | null;
  /** HTTP shows where the body ends: by its length, or by a last chunk. */
  isFramed: boolean;
};

/** `unchanged`: the link still leads to the copy `previous`. */
export type MediaAnswer = MediaFound | { is: "unchanged" };

type MediaRequest = {
  outbound: Outbound;
  job: Pick<DownloadJob, "url" | "attempts">;
  previous: Copy | null;
  resume: Resume | null;
  signal: AbortSignal;
  /** Uses the lenient parser at once. */
  lenient: boolean;
  limits: Pick<Limits, "headers" | "idle">;
};

/**
 * Requests the file behind a link, over at most five redirects; each hop goes through `outbound`, which checks its address.
 * No cookies or credentials are sent. With `previous` the request is conditional. With `resume` it is for the rest of the
 * file; the answer is that rest or, where the host's rest does not match, the whole. After the first attempt a malformed head
 * and a content coding are accepted. Throws RefusedAddress for an address or scheme that is not allowed, HttpStatusError for
 * a status that gives no file, and other errors where a retry may help.
 */
export async function fetchMedia(request: MediaRequest): Promise<MediaAnswer> {
  return (await follow(request)) ?? (await follow({ ...request, resume: null }))!;
}

/** Follows redirects to an answer; null: the rest does not match what is there, or there is none. */
async function follow(request: MediaRequest): Promise<MediaAnswer | null> {
  const { previous, resume } = request;
  const headers = {
    accept: "*/*",
    "accept-encoding": "identity",
    "user-agent": "wochit-relay",
    ...(resume ? rangeHeaders(resume) : conditions(previous)),
  };
  if (!URL.canParse(request.job.url)) throw new RefusedAddress("the link is not a URL");
  let url = new URL(request.job.url);
  for (let redirects = 0; ; redirects++) {
    const answer = await send(request, url, headers);
    const { status, body } = answer;
    const header = (name: string) => [answer.headers[name] ?? null].flat()[0]!;
    const media = await toMedia(request, url, { status, header, body });
    if (media !== null) return media;
    body.destroy();
    if (resume !== null && (status === 206 || status === 416)) return null;
    if (status === 304 && previous !== null && resume === null) return { is: "unchanged" };
    if (!REDIRECTS.has(status)) throw new HttpStatusError(`${url.host} answered ${status}`, status);
    if (redirects === MAX_REDIRECTS)
      throw new Error(`more than ${MAX_REDIRECTS} redirects, the last one from ${url.host}`);
    url = nextHop(url, header("location"));
  }
}

/**
 * Sends one request. A head that the strict parser refuses is read leniently on a later attempt. On the first one the lenient
 * request serves only to report what is wrong, because the strict parser does not always say.
 */
async function send(request: MediaRequest, url: URL, headers: Record<string, string>) {
  const { outbound, signal, limits, job, lenient } = request;
  const timeouts = { headersTimeout: limits.headers, bodyTimeout: limits.idle };
  const options = { method: "GET", headers, signal, ...timeouts } as const;
  if (!lenient) {
    try {
      return await outbound.request(url, options);
    } catch (error) {
      if (!refusesHead(error)) throw error;
    }
  }
  const answer = await outbound.request(url, { ...options, lenient: true }).catch((error) => {
    if (error instanceof Error && !(error instanceof RefusedAddress)) error.message = `${url.host}: ${error.message}`;
    throw error;
  });
  if (lenient || job.attempts > 0) return answer;
  answer.body.destroy();
  const why = answer.oddities?.join(", ") || "not HTTP/1.1";
  throw new Error(`${url.host} answered with a head that is refused: ${why}; the next try takes it`);
}

/** The answer where it is the whole file or the requested rest; else null. */
async function toMedia(
  { resume, job }: MediaRequest,
  url: URL,
  { status, header, body }: { status: number; header(name: string): string | null; body: Readable },
): Promise<MediaFound | null> {
  // 203 is a 200 that a proxy has changed (RFC 9110 §15.3.4). Some hosts send every file as a range.
  const isWhole = status === 200 || status === 203;
  const range = status === 206 ? restIn(header("content-range")) : null;
  const isAll = isWhole || range?.start === 0;
  if (!isAll && (status !== 206 || resume === null)) return null;
  const transfer = header("transfer-encoding") ?? "";
  const isChunked = /(?:^|,)\s*chunked\s*$/i.test(transfer);
  // Transfer codings (RFC 9112 §7.2) are applied last.
  const said = [header("content-encoding") ?? "", transfer].join(",");
  const coding = codingsIn(said).join(", ") || null;
  const tags = { etag: validator(header("etag")), lastModified: validator(header("last-modified")) };
  if (isAll) {
    if (coding !== null && job.attempts === 0) {
      body.destroy();
      throw new Error(`${url.host} answered with content-encoding ${coding} though identity was asked`);
    }
    const length = header("content-length");
    const total = range?.total ?? (length !== null && /^\d{1,16}$/.test(length) ? Number(length) : null);
    const isFixed = coding !== null || header("accept-ranges")?.trim().toLowerCase() === "none";
    const forRest = isFixed ? null : resumeValidator(tags, header("date"));
    const isFramed = isChunked || total !== null;
    return { is: "media", body, from: 0, total, ...tags, validator: forRest, coding, isFramed };
  }
  const { from, tail, validator: same } = resume!;
  const total = coding === null ? matchRest(resume!, range, tags) : null;
  if (total === null || (tail !== null && !(await beginsWith(body, tail)))) return null;
  return { is: "media", body, from, total, ...tags, validator: same, coding: null, isFramed: true };
}

/** Where a redirect leads. From https to http, and to a link with credentials, none is followed. */
function nextHop(from: URL, header: string | null): URL {
  // Headers come as latin1; browsers read non-ASCII bytes as UTF-8.
  const location = header && Buffer.from(header, "latin1").toString();
  if (location === null || !URL.canParse(location, from.href)) throw new Error(`${from.host} redirects to nowhere`);
  const to = new URL(location, from.href);
  if (from.protocol === "https:" && to.protocol === "http:")
    throw new Error(`${from.host} redirects from https to http`);
  if (to.username !== "" || to.password !== "") throw new Error(`${from.host} redirects to a link with credentials`);
  return to;
}

const conditions = (previous: Copy | null): Record<string, string> => ({
  ...(previous?.etag && { "if-none-match": previous.etag }),
  ...(previous?.lastModified && { "if-modified-since": previous.lastModified }),
});

function validator(value: string | null): string | null {
  return value !== null && value.length <= MAX_VALIDATOR && /^[\x20-\x7e]+$/.test(value) ? value : null;
}
