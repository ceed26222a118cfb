import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import type { Endpoint } from "../config/schema.ts";
import { codeOf, errorLine, RelayError } from "../errors.ts";
import type { Lease, Queue } from "../jobs/worker.ts";
import type { DeliveryJob, DeliveryOutcome, DeliverySettled, SaidOfMedium } from "../model/delivery.ts";
import type { FailureKind } from "../model/health.ts";
import { bareJob } from "../model/job.ts";
import type { Outbound } from "../platform/net/outbound.ts";
import { UntrustedCertificate } from "../platform/net/trust.ts";
import { abortAfter } from "../platform/timing.ts";
import type { Clock, Ports } from "../ports.ts";
import { GONE } from "../rules/gone.ts";
import { isReservedHeader } from "../rules/reserved-headers.ts";
import type { Store } from "../store/store.ts";
import { buildBody, type Written } from "./body.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { MediumLink } from "./media-reports.ts";
import { createRateLimit, limitSlots } from "./rate-limit.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { createSigner } from "./signature.ts";

/** Bytes of an answer that are kept with its attempt. */
const KEPT = 16 * 1024;

/** Limits of reading an answer's body, in bytes and milliseconds: a body read to its end leaves a reusable connection. */
const READ = 64 * 1024;
const READ_FOR = 1_000;

export type DeliveryParts = {
  endpoint: Endpoint;
  store: Pick<Store, "claimDeliveries" | "settleDelivery" | "eventBody">;
  outbound: Outbound;
  /** Shared by all endpoints. */
  budget: ByteBudget;
  ports: Ports;
  /** "wochit-relay/<version>". */
  userAgent: string;
  link: MediumLink;
  /** These endpoints may have work. */
  wake(endpoints: string[]): void;
};

/** The result of one request. `status` is null without an answer; `error` is null only on success. */
type Answer = {
  status: number | null;
  response: Uint8Array | null;
  error: string | null;
  /** Why there was no answer; null: there was one. */
  failure: FailureKind | null;
  /** Milliseconds. */
  retryAfter: number;
  /** It asks for no further attempt. */
  isLast: boolean;
  /** The media that the sent body reports as not mirrored. */
  pending: SaidOfMedium[];
};

/**
 * The queue of one endpoint. Each job is one signed POST, whose attempt is logged and settled. Without a 2xx it is retried on
 * the endpoint's schedule until that is spent; then the delivery is dead. An attempt that the lease aborts settles nothing.
 * Rejects only when the store cannot settle; the job is due again when its lease ends.
 */
export function createDeliveries(parts: DeliveryParts): Queue<DeliveryJob> {
  const { endpoint, store, ports, userAgent, link } = parts;
  const { clock, log } = ports;
  const { url, headers } = readTarget(endpoint, userAgent);
  const sign = createSigner(endpoint.keys);
  const pace = createRateLimit(endpoint.ratePerSecond, clock);

  async function run(job: DeliveryJob, lease: Lease): Promise<void> {
    const room = parts.budget.take(endpoint.id, job.bytes ?? 0, lease.ending);
    const giveBack = await room;
    if (giveBack === null) return;
    try {
      const turn = pace(lease.ending);
      await turn;
      // The body may have been erased while the job waited: then the one that came with the claim is not sent.
      const hasWaited = room instanceof Promise || turn instanceof Promise;
      if (!lease.ending.aborted && !lease.signal.aborted) {
        await attempt(hasWaited ? { ...job, body: null } : job, lease);
      }
    } finally {
      giveBack();
    }
  }

  async function attempt(job: DeliveryJob, lease: Lease): Promise<void> {
    const startedAt = clock.now();
    const begun = clock.elapsed();
    const written = await write(job);
    const answer = "body" in written ? await post(job, written, startedAt, lease.signal) : written;
    if (lease.signal.aborted) return;
    // The endpoint has answered: the next request may begin while this one is settled.
    lease.yieldSlot();

    const { status, response, error, failure, retryAfter, isLast, pending } = answer;
    const duration = Math.round(clock.elapsed() - begun);
    const sent = "body" in written ? summaryOf(written.body) : NOTHING;
    const outcome: DeliveryOutcome = {
      attempt: { startedAt, duration, status, response, error, ...sent },
      ...{ failure, retryAfter, isLast, pending },
      spread: ports.random.float(),
    };
    const settled = await store.settleDelivery(bareJob(job), outcome, clock.now());
    logOutcome(job, outcome, settled);
    if (settled.feeds.length > 0) parts.wake(settled.feeds);
  }

  /** The body as of now. While the answer is awaited only that is in memory, not the received bytes as well. */
  async function write({ event, media, replay, ...job }: DeliveryJob): Promise<Written | Answer> {
    const body = job.body ?? (await readBody(event.id));
    if (body === null) return NO_BODY;
    try {
      return buildBody({ event, body, media, link, replay, mode: endpoint.body });
    } catch (error) {
      return noAnswer("body", errorLine(error));
    }
  }

  async function readBody(eventId: string): Promise<Uint8Array | null> {
    return store.eventBody(eventId).catch((error) => {
      if (error instanceof RelayError && error.code === "body_expired") return null;
      throw error;
    });
  }

  async function post(job: DeliveryJob, sent: Written, startedAt: number, stop: AbortSignal): Promise<Answer> {
    const { body, pending } = sent;
    const send = async (signal: AbortSignal): Promise<Answer> => {
      const timestamp = Math.floor(startedAt / 1000);
      const answer = await parts.outbound.request(url, {
        method: "POST",
        headers: {
          ...headers,
          "webhook-id": job.messageId,
          "webhook-timestamp": String(timestamp),
          "webhook-signature": sign(job.messageId, timestamp, body),
          "webhook-attempt": String(job.attempts + 1),
        },
        body,
        signal,
        headersTimeout: endpoint.timeout,
        bodyTimeout: endpoint.timeout,
      });
      const { status } = answer;
      const response = await readStart(answer.body, clock);
      const said = { status, response, failure: null, pending };
      if (isSuccess(status)) return { ...said, error: null, retryAfter: 0, isLast: false };
      const now = clock.now();
      const retryAfter = (parseRetryAfter(answer.headers["retry-after"], now) ?? now) - now;
      return { ...said, error: `HTTP ${status}`, retryAfter, isLast: answer.headers[DELIVERY_HEADER] === ABORT };
    };
    try {
      return await abortAfter(endpoint.timeout, clock, send, { signal: stop, late });
    } catch (error) {
      const advice = error instanceof UntrustedCertificate ? ", or name its file in this endpoint's tls.ca" : "";
      return noAnswer(isTimeout(error) ? "timeout" : "connection", errorLine(error) + advice);
    }
  }

  function late(): Error {
    const { timeout: ms } = endpoint;
    return new NoAnswerInTime(`no answer within ${ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`}`);
  }

  function logOutcome(job: DeliveryJob, { attempt }: DeliveryOutcome, settled: DeliverySettled): void {
    const { status, duration: ms, error } = attempt;
    const about = {
      event: job.eventId,
      type: job.event.type,
      video: job.event.videoId,
      delivery: job.id,
      endpoint: endpoint.id,
      attempt: job.attempts + 1,
      status,
      ms,
    };
    const { state, nextAttemptAt, breaker, paused } = settled;
    if (!settled.settled) log.warn("delivery not settled: its lease was lost", { ...about, error });
    else if (state === "delivered") log.info("delivered", about);
    else if (state === "dead") log.error("delivery dead", { ...about, error });
    else if (nextAttemptAt === null) log.info(`delivery ${state}`, { ...about, error });
    else log.warn("delivery failed", { ...about, error, nextAt: new Date(nextAttemptAt).toISOString() });
    const { id } = endpoint;
    if (breaker === "opened") log.error("endpoint failing: only probes are sent", { endpoint: id, error });
    if (breaker === "closed") log.info("endpoint recovered: its deliveries go on", { endpoint: id });
    if (paused) log.error("endpoint paused", { event: job.eventId, endpoint: id, reason: GONE });
  }

  return {
    name: `deliver/${endpoint.id}`,
    concurrency: limitSlots(endpoint),
    claimsAhead: endpoint.ratePerSecond === null,
    claim: (wish) => store.claimDeliveries({ ...wish, endpoint: endpoint.id }),
    run,
  };
}

/** Svix's: the endpoint wants no further attempt of this message. */
const DELIVERY_HEADER = "webhook-delivery";
const ABORT = "abort-message";

class NoAnswerInTime extends Error {}

function isTimeout(error: unknown): boolean {
  return error instanceof NoAnswerInTime || TIMEOUTS.has(codeOf(error));
}

/** undici's, of an answer that did not begin, or that stopped. */
const TIMEOUTS = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

/** The result without an answer. */
function noAnswer(failure: FailureKind, error: string): Answer {
  return { status: null, response: null, error, failure, retryAfter: 0, isLast: false, pending: [] };
}

/** Retention has deleted the body. */
const NO_BODY: Answer = { ...noAnswer("body", "body_expired"), isLast: true };

const NOTHING = { bytes: null, sha256: null };

function summaryOf(body: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: body.length, sha256: createHash("sha256").update(body).digest("hex") };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** The URL and the headers of every request. Userinfo of the URL becomes Basic authentication. */
function readTarget(endpoint: Endpoint, userAgent: string): { url: URL; headers: Record<string, string> } {
  const headers: Record<string, string> = { "content-type": "application/json", "user-agent": userAgent };
  for (const [name, value] of Object.entries(endpoint.headers)) {
    if (!isReservedHeader(name)) headers[name.toLowerCase()] = value;
  }
  const url = new URL(endpoint.url);
  if (url.username !== "" || url.password !== "") {
    // RFC 7617 §2, in the UTF-8 of URLs.
    const user = `${decodePercent(url.username)}:${decodePercent(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(user).toString("base64")}`;
    url.username = "";
    url.password = "";
  }
  url.hash = "";
  return { url, headers };
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The first 16 KiB of an answer's body; null when it is empty. Never rejects, and ends after a second: a slow or broken body
 * does not change the result.
 */
function readStart(body: Readable, clock: Clock): Promise<Uint8Array | null> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = [];
    let read = 0;
    const cancel = clock.after(READ_FOR, () => body.destroy());
    const finish = () => {
      cancel();
      resolve(chunks.length > 1 ? Buffer.concat(chunks) : (chunks[0] ?? null));
    };
    body.on("data", (chunk: Uint8Array) => {
      if (read < KEPT) chunks.push(chunk.subarray(0, KEPT - read));
      read += chunk.length;
      if (read > READ) body.destroy();
    });
    body.on("end", finish).on("error", finish).on("close", finish);
  });
}
