import { RelayError } from "../../errors.ts";
import type { Delivery, LoggedAttempt } from "../../model/delivery.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { formatSpan } from "../format.ts";
import { collect, walk } from "../list.ts";
import { answerOf, whyNot } from "./of-video.ts";

/** How often deliveries are looked at, and for how long at most, in milliseconds. */
const POLL = 300;
export const PATIENCE = 60_000;

/** The most deliveries that are waited for. */
const MOST = 1_000;

/**
 * What the next attempt of a delivery came to. `waits`: there was none yet. `error`: what the app said, where it failed;
 * `why`: that, and what follows, in words.
 */
export type Attempted = {
  id: string;
  endpoint: string;
  is: "delivered" | "failed" | "waits";
  error: string | null;
  why: string;
};

/**
 * What a delivery that was queued with a fresh budget has come to; null: its attempt is still to come. One whose endpoint is
 * paused, or has left the config, is not waited for.
 */
export function judgeAttempt(delivery: Delivery & { attemptLog: LoggedAttempt[] }): Attempted | null {
  const { id, endpoint, state, attempts, waitsFor, lastError, supersededBy, attemptLog } = delivery;
  const response = attemptLog.at(-1)?.response ?? null;
  const because = (is: Attempted["is"], why: string) => ({ id, endpoint, is, error: null, why });
  if (state === "delivered") return because("delivered", "delivered");
  if (state === "canceled") return because("failed", `canceled: ${lastError}`);
  if (state === "superseded") return because("failed", `superseded by ${supersededBy}`);
  if (state === "running") return null;
  const why = whyNot(delivery, response);
  if (state === "dead" || attempts > 0) {
    return { id, endpoint, is: "failed", error: answerOf(lastError, response), why };
  }
  return waitsFor?.is === "pause" || waitsFor?.is === "removed" ? because("waits", why) : null;
}

/** Waits until an attempt of each has ended, for a minute at most, or until the signal aborts. */
export async function awaitAttempts(
  store: Pick<Store, "delivery">,
  ids: string[],
  { clock, signal, patience = PATIENCE }: { clock: Clock; signal: AbortSignal; patience?: number },
): Promise<Attempted[]> {
  const ended = new Map<string, Attempted>();
  const until = clock.elapsed() + patience;
  for (;;) {
    const isLast = signal.aborted || clock.elapsed() >= until;
    for (const id of ids.filter((one) => !ended.has(one))) {
      const delivery = await store.delivery(id, 1);
      const judged = judgeAttempt(delivery);
      if (judged !== null) ended.set(id, judged);
      else if (isLast) ended.set(id, { ...stillWaits(delivery) });
    }
    if (ended.size === new Set(ids).size) return ids.map((id) => ended.get(id)!);
    await sleep(POLL, clock, signal);
  }
}

function stillWaits(delivery: Delivery): Attempted {
  const { id, endpoint } = delivery;
  return { id, endpoint, is: "waits", error: null, why: whyNot(delivery, null) };
}

/**
 * The deliveries that a retry by this filter takes, to wait for them. RelayError("usage") where there are more than a
 * thousand.
 */
export async function idsToAwait(
  store: Pick<Store, "deliveries">,
  filter: Omit<Parameters<Store["deliveries"]>[0], "limit" | "before">,
): Promise<string[]> {
  const asked = { ...filter, ...(filter.states === undefined && { state: filter.state ?? "dead" }), limit: MOST + 1 };
  const ids = await collect(
    walk(
      (page) => store.deliveries(page),
      asked,
      ({ id }) => id,
    ),
  );
  if (ids.length <= MOST) return ids;
  throw new RelayError("usage", `--wait is for at most ${MOST} deliveries: leave it out, or narrow them down`);
}

/** One with its reason; of several how many were delivered, failed and wait, with a line for each endpoint and reason. */
export function describeAttempts(attempted: Attempted[], patience = PATIENCE): string[] {
  const [first, second] = attempted;
  if (first !== undefined && second === undefined) return [`${first.id}: ${first.why}`];
  const of = (is: Attempted["is"]) => attempted.filter((one) => one.is === is);
  const lines = of("delivered").length > 0 ? [`${of("delivered").length} delivered`] : [];
  const groups = (some: Attempted[], reason: (one: Attempted) => string) =>
    [...Map.groupBy(some, (one) => `${one.endpoint}: ${reason(one)}`)].sort((a, b) => b[1].length - a[1].length);
  for (const [why, { length }] of groups(of("failed"), ({ error, why }) => error ?? why)) {
    lines.push(`${length} failed at ${why}`);
  }
  for (const [why, { length }] of groups(of("waits"), ({ why }) => why)) {
    lines.push(`${length} not sent yet, after up to ${formatSpan(patience)}, to ${why}`);
  }
  return lines;
}
