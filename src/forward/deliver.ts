import type { Readable } from "node:stream";
import type { Endpoint } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { Lease, Queue } from "../jobs/worker.ts";
import type { Attempt, DeliveryJob, DeliveryOutcome, SaidOfMedium } from "../model/delivery.ts";
import { bareJob } from "../model/job.ts";
import type { Outbound } from "../platform/net/outbound.ts";
import { UntrustedCertificate } from "../platform/net/trust.ts";
import { abortAfter } from "../platform/timing.ts";
import type { Clock, Ports } from "../ports.ts";
import { GONE } from "../rules/gone.ts";
import { isReservedHeader } from "../rules/reserved-headers.ts";
import { deliveryRetry, waitsBefore } from "../rules/schedule.ts";
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
};

/** The result of one request. `status` is null without an answer; `error` is null only on success. */
type Answer = {
  status: number | null;
  response: Uint8Array | null;
  error: string | null;
  retryAt: number | null;
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

    const { status, response, error } = answer;
    const made = { startedAt, duration: Math.round(clock.elapsed() - begun), status, response, error };
    const now = clock.now();
    const outcome = decide(job, made, answer, now);
    const { settled, paused } = await store.settleDelivery(bareJob(job), outcome, now);
    logOutcome(job, outcome, settled);
    if (paused) {
      log.error("endpoint paused", {
        event: job.eventId,
        endpoint: endpoint.id,
        reason: GONE,
      });
    }
  }

  /** The body as of now. While the answer is awaited only that is in memory, not the received bytes as well. */
  async function write({ event, media, replay, ...job }: DeliveryJob): Promise<Written | Answer> {
    const body = job.body ?? (await readBody(event.id));
    if (body === null) return NO_BODY;
    try {
      return buildBody({ event, body, media, link, replay, mode: endpoint.body });
    } catch (error) {
      return failure(errorLine(error));
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
      if (isSuccess(status)) return { status, response, error: null, retryAt: null, pending };
      const retryAt = parseRetryAfter(answer.headers["retry-after"], clock.now());
      return { status, response, error: `HTTP ${status}`, retryAt, pending };
    };
    try {
      return await abortAfter(endpoint.timeout, clock, send, { signal: stop });
    } catch (error) {
      const advice = error instanceof UntrustedCertificate ? ", or name its file in this endpoint's tls.ca" : "";
      return failure(errorLine(error) + advice);
    }
  }

  function decide(job: DeliveryJob, attempt: Attempt, answer: Answer, now: number): DeliveryOutcome {
    if (attempt.error === null) {
      const { pending } = answer;
      return { is: "delivered", attempt, ...(pending.length > 0 && { pending }) };
    }
    const at = deliveryRetry({
      schedule: answer === NO_BODY ? [] : endpoint.retry,
      attempt: job.attempts + 1,
      now,
      retryAfter: answer.retryAt,
      random: ports.random,
    });
    if (at === null) return { is: "dead", attempt };
    return { is: "retry", attempt, at, heldLong: waitsBefore(endpoint.retry, job.attempts + 1) >= endpoint.laneHold };
  }

  function logOutcome(job: DeliveryJob, outcome: DeliveryOutcome, settled: boolean): void {
    const { status, duration: ms, error } = outcome.attempt;
    const about = {
      event: job.eventId,
      type: job.event.type,
      video: job.videoId,
      delivery: job.id,
      endpoint: endpoint.id,
      attempt: job.attempts + 1,
      status,
      ms,
    };
    if (!settled) log.warn("delivery not settled: its lease was lost", { ...about, error });
    else if (outcome.is === "delivered") log.info("delivered", about);
    else if (outcome.is === "dead") log.error("delivery dead", { ...about, error });
    else log.warn("delivery failed", { ...about, error, nextAt: new Date(outcome.at).toISOString() });
  }

  return {
    name: `deliver/${endpoint.id}`,
    concurrency: limitSlots(endpoint),
    claimsAhead: endpoint.ratePerSecond === null,
    claim: (wish) => store.claimDeliveries({ ...wish, endpoint: endpoint.id }),
    run,
  };
}

/** The result without an answer. */
function failure(error: string): Answer {
  return { status: null, response: null, error, retryAt: null, pending: [] };
}

/** Retention has deleted the body. */
const NO_BODY = failure("body_expired");

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
