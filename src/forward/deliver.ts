import type { Endpoint } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { Lease, Queue } from "../jobs/worker.ts";
import { buildBody, type Written } from "../message/body.ts";
import type { MediumLink } from "../message/media-reports.ts";
import type { DeliveryJob, DeliveryOutcome, DeliverySettled } from "../model/delivery.ts";
import { bareJob } from "../model/job.ts";
import { traceHeaders } from "../model/trace.ts";
import { createSampledLog } from "../platform/log/limited-log.ts";
import type { Outbound } from "../platform/net/outbound.ts";
import type { AttemptOutcome, Ports } from "../ports.ts";
import { GONE } from "../rules/gone.ts";
import { describeWait } from "../rules/waits.ts";
import type { Store } from "../store/store.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { createRateLimit } from "./rate-limit.ts";
import { type Answer, createSend, type Message } from "./send.ts";

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

/** Length of a span's id, in bytes. */
const SPAN = 8;

/** There was nothing to send; `isLast`: nor will there be. */
type Unsent = { error: string; isLast: boolean };

/**
 * The queue of one endpoint. Each job is one signed POST, whose attempt is logged and settled. Without a 2xx it is retried on
 * the endpoint's schedule until that is spent; then the delivery is dead. An attempt that the lease aborts settles nothing.
 * Rejects only when the store cannot settle; the job is due again when its lease ends.
 */
export function createDeliveries(parts: DeliveryParts): Queue<DeliveryJob> {
  const { endpoint, store, ports, userAgent, link } = parts;
  const { clock, log, metrics } = ports;
  const send = createSend(endpoint, { outbound: parts.outbound, clock, userAgent });
  const sampled = createSampledLog(log, clock);
  const rate = createRateLimit(endpoint.ratePerSecond, clock, () => parts.wake([endpoint.id]));

  async function run(job: DeliveryJob, lease: Lease): Promise<void> {
    rate.enter();
    const room = parts.budget.take(endpoint.id, job.bytes ?? 0, lease.ending);
    const giveBack = await room;
    rate.leave();
    if (giveBack === null) return;
    try {
      const turn = rate.turn(lease.ending);
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
    const written = await write(job);
    const span = job.event.trace && Buffer.from(ports.random.bytes(SPAN)).toString("hex");
    const answer = "body" in written ? await send(messageOf(job, written.body, span), lease.signal) : unsent(written);
    if (lease.signal.aborted) return;
    // The endpoint has answered: the next request may begin while this one is settled.
    lease.yieldSlot();
    const pending = "body" in written && answer.attempt.error === null ? written.pending : [];
    const { silence, ...rest } = answer;
    const outcome: DeliveryOutcome = { ...rest, pending, spread: ports.random.float() };
    const settled = await store.settleDelivery(bareJob(job), outcome, clock.now());
    count(answer, settled);
    if (settled.breaker === "opened" || settled.paused) lease.recall?.();
    logOutcome(job, outcome, settled, span);
    if (settled.feeds.length > 0) parts.wake(settled.feeds);
  }

  /** The body as of now. While the answer is awaited only that is in memory, not the received bytes as well. */
  async function write({ event, media, contexts, replay, ...job }: DeliveryJob): Promise<Written | Unsent> {
    const body = job.body ?? (await readBody(event.id));
    if (body === null) return { error: "body_expired", isLast: true };
    try {
      return buildBody({ event, body, media, contexts, link, replay, mode: endpoint.body });
    } catch (error) {
      return { error: errorLine(error), isLast: false };
    }
  }

  function unsent({ error, isLast }: Unsent): Answer {
    const attempt = {
      startedAt: clock.now(),
      duration: 0,
      status: null,
      response: null,
      error,
      bytes: null,
      sha256: null,
    };
    return { attempt, failure: "body", silence: "unsent", retryAfter: 0, isLast };
  }

  async function readBody(eventId: string): Promise<Uint8Array | null> {
    return store.eventBody(eventId).catch((error) => {
      if (error instanceof RelayError && error.code === "body_expired") return null;
      throw error;
    });
  }

  function count(
    { attempt: { status, duration }, silence }: Answer,
    { settled, state, isProbe }: DeliverySettled,
  ): void {
    const of = silence ?? (`${Math.floor(status! / 100)}xx` as AttemptOutcome);
    metrics?.attempted(endpoint.id, isProbe && of !== "2xx" ? "probe" : of, duration);
    if (settled && state !== "pending" && state !== "waiting") metrics?.deliverySettled(endpoint.id, state);
  }

  function logOutcome(
    job: DeliveryJob,
    { attempt }: DeliveryOutcome,
    settled: DeliverySettled,
    span: string | undefined,
  ): void {
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
      ...(span && { trace: job.event.trace!.id, span }),
    };
    const { state, nextAttemptAt, waitsFor, breaker, paused } = settled;
    const isPutOff = state === "pending" || state === "waiting";
    if (!settled.settled) log.warn("delivery not settled: its lease was lost", { ...about, error });
    else if (state === "delivered") log.info("delivered", about);
    else if (state === "dead") log.error("delivery dead", { ...about, error });
    else if (!isPutOff) log.info(`delivery ${state}`, { ...about, error });
    else {
      const next = nextAttemptAt !== null && { nextAt: isoTime(nextAttemptAt) };
      const waits = waitsFor !== null && { waits: describeWait(waitsFor, isoTime) };
      sampled("warn", error ?? "", "delivery failed", { ...about, error, ...next, ...waits });
    }
    const { id } = endpoint;
    if (breaker === "opened") log.error("endpoint failing: only probes are sent", { endpoint: id, error });
    if (breaker === "closed") log.info("endpoint recovered: its deliveries go on", { endpoint: id });
    if (paused) log.error("endpoint paused", { event: job.eventId, endpoint: id, reason: GONE });
  }

  return {
    name: `deliver/${endpoint.id}`,
    concurrency: endpoint.concurrency,
    room: rate.room,
    claimsAhead: endpoint.ratePerSecond === null,
    claim: (wish) => store.claimDeliveries({ ...wish, endpoint: endpoint.id }),
    run,
  };
}

const isoTime = (time: number) => new Date(time).toISOString();

/** `span`: of this attempt, where its event came in a trace. */
function messageOf({ messageId: id, attempts, event }: DeliveryJob, body: Uint8Array, span?: string): Message {
  const headers = event.trace && span && traceHeaders(event.trace, span);
  return { id, body, attempt: attempts + 1, ...(headers && { headers }) };
}
