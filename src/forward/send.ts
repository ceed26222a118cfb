import { hash } from "node:crypto";
import { SET } from "../config/hidden.ts";
import type { Endpoint } from "../config/schema.ts";
import { codeOf, errorLine } from "../errors.ts";
import { decodePercent, messageHeaders, requestTo } from "../message/headers.ts";
import type { Attempt } from "../model/delivery.ts";
import type { FailureKind } from "../model/health.ts";
import type { Outbound } from "../platform/net/outbound.ts";
import { UntrustedCertificate } from "../platform/net/trust.ts";
import type { Clock } from "../ports.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { createSigner } from "./signature.ts";

/** Bytes of an answer that are kept with its attempt. */
const KEPT = 16 * 1024;

/** Limits of reading an answer's body, in bytes and milliseconds: a body read to its end leaves a reusable connection. */
const READ = 64 * 1024;
const READ_FOR = 1_000;

/** Svix's: the endpoint wants no further attempt of this message. */
const DELIVERY_HEADER = "webhook-delivery";
const ABORT = "abort-message";

/** undici's, of an answer that did not begin, or that stopped. */
const TIMEOUTS = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

/** Codes of OpenSSL and of verification (nodejs.org/api/tls.html#x509-certificate-error-codes). */
const TLS_ERROR = /^(ERR_SSL_|ERR_TLS_|EPROTO|CERT_|CRL_|HOSTNAME_|INVALID_|DEPTH_|SELF_SIGNED|UNABLE_TO_)/;

/** The length of a value from which an answer that repeats it does not show it: a shorter one may stand there by chance. */
const HIDDEN_FROM = 8;

/** `attempt` counts from 1. `headers`: more of them, in lower case. */
export type Message = { id: string; body: Uint8Array; attempt: number; headers?: Record<string, string> };

/** What came of one request. `attempt.error` is null only on success. */
export type Answer = {
  attempt: Attempt;
  /** Why there was no answer; null: there was one. */
  failure: FailureKind | null;
  /** For the metrics: the same, in more classes. */
  silence: Silence | null;
  /** For how long the endpoint asked to be left alone, in milliseconds; 0: it did not. */
  retryAfter: number;
  /** It asks for no further attempt. */
  isLast: boolean;
};

export type Silence = "timeout" | "dns" | "tls" | "connect" | "unsent";

type Said = Pick<Attempt, "status" | "response" | "error"> & Omit<Answer, "attempt">;

class NoAnswerInTime extends Error {}

/**
 * Makes signed POSTs to one endpoint, as CONTRACT, "What an endpoint receives", has them. Never rejects; after `stop` has been
 * aborted the answer means nothing.
 */
export function createSend(
  endpoint: Endpoint,
  { outbound, clock, userAgent }: { outbound: Outbound; clock: Clock; userAgent: string },
): (message: Message, stop: AbortSignal) => Promise<Answer> {
  const { timeout } = endpoint;
  const { url, headers } = requestTo(endpoint, userAgent);
  const hide = createHide(endpoint, headers.authorization);
  const sign = createSigner(endpoint.keys);

  async function post(
    { id, body, attempt, headers: own }: Message,
    { startedAt, begun }: { startedAt: number; begun: number },
    signal: AbortSignal,
  ): Promise<Said> {
    const timestamp = Math.floor(startedAt / 1000);
    const answer = await outbound.exchange(url, {
      headers: {
        ...headers,
        ...own,
        ...messageHeaders(id, attempt, timestamp),
        "webhook-signature": sign(id, timestamp, body),
      },
      body,
      signal,
      headersTimeout: timeout,
      bodyTimeout: timeout,
      reading: {
        keep: KEPT,
        most: READ,
        limit: (giveUp) => clock.after(READ_FOR, giveUp),
        // A request that is sent once more has what is left.
        within: (giveUp) => clock.after(begun + timeout - clock.elapsed(), () => giveUp(late())),
      },
    });
    const { status } = answer;
    const response = hide(answer.start);
    if (status >= 200 && status <= 299)
      return { status, response, error: null, failure: null, silence: null, retryAfter: 0, isLast: false };
    const now = clock.now();
    const retryAfter = (parseRetryAfter(answer.headers["retry-after"], now) ?? now) - now;
    // A proxy may have written it twice.
    const [asked] = [answer.headers[DELIVERY_HEADER]].flat();
    const isLast = asked?.trim().toLowerCase() === ABORT;
    return { status, response, error: `HTTP ${status}`, failure: null, silence: null, retryAfter, isLast };
  }

  function late(): Error {
    return new NoAnswerInTime(`no answer within ${timeout % 1000 === 0 ? `${timeout / 1000} s` : `${timeout} ms`}`);
  }

  return async (message, stop) => {
    const startedAt = clock.now();
    const begun = clock.elapsed();
    const said = await post(message, { startedAt, begun }, stop).catch(explainSilence);
    const { status, response, error, ...rest } = said;
    const duration = Math.round(clock.elapsed() - begun);
    return { attempt: { startedAt, duration, status, response, error, ...summaryOf(message.body) }, ...rest };
  };
}

/** Of a request that got no answer. */
function explainSilence(error: unknown): Said {
  const isTimeout = error instanceof NoAnswerInTime || TIMEOUTS.has(codeOf(error));
  const advice = error instanceof UntrustedCertificate ? ", or name its file in this endpoint's tls.ca" : "";
  return {
    status: null,
    response: null,
    error: errorLine(error) + advice,
    failure: isTimeout ? "timeout" : "connection",
    silence: isTimeout ? "timeout" : silenceOf(error),
    retryAfter: 0,
    isLast: false,
  };
}

/** By its code; undici's errors of a connection have it in their cause. */
function silenceOf(error: unknown): Silence {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = codeOf(at);
    if (/^(ENOTFOUND|EAI_)/.test(code)) return "dns";
    if (at instanceof UntrustedCertificate || TLS_ERROR.test(code)) return "tls";
  }
  return "connect";
}

function summaryOf(body: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: body.length, sha256: hash("sha256", body, "hex") };
}

/**
 * Puts "(set)" for what an answer repeats of the operator's headers and of credentials in the URL: an app that answers with the
 * request it got would else have them stored, and shown with its attempts.
 */
function createHide(endpoint: Endpoint, authorization = ""): (answer: Uint8Array | null) => Uint8Array | null {
  const { search, searchParams, password } = new URL(endpoint.url);
  const values = [...Object.values(endpoint.headers), authorization].flatMap((value) => [value, ...value.split(" ")]);
  const hidden = [...values, search.slice(1), ...searchParams.values(), decodePercent(password)]
    .filter((value) => value.length >= HIDDEN_FROM)
    .sort((a, b) => b.length - a.length);
  if (hidden.length === 0) return (answer) => answer;
  return (answer) => {
    if (answer === null) return null;
    const given = Buffer.from(answer).toString("latin1");
    const whole = hidden.reduce((text, value) => text.replaceAll(value, SET), given);
    // An answer that was cut off may end within a value.
    const shown = given.length < KEPT ? whole : hidden.reduce(withoutBeginOf, whole);
    return shown === given ? answer : Buffer.from(shown, "latin1");
  };
}

/** The text without what stands at its end of the beginning of a value. */
function withoutBeginOf(text: string, value: string): string {
  for (let length = Math.min(value.length - 1, text.length); length >= HIDDEN_FROM; length--) {
    if (text.endsWith(value.slice(0, length))) return text.slice(0, -length);
  }
  return text;
}
