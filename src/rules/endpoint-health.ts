import type { FailureKind, Health } from "../model/health.ts";
import { failed } from "./breaker.ts";
import { type Doubling, HINT_LIMIT, SECOND } from "./schedule.ts";

/** The circuit breaker of an endpoint (CONTRACT, "Breaker"). Pure: the time is an argument. All times are milliseconds. */

/** Failures in a row that speak of the endpoint, at which it opens. */
const OPENS_AT = 10;

/** As many suffice where the last one is of name, connection or TLS and they span FEW_OVER. */
const FEW = 3;
const FEW_OVER = 60 * SECOND;

/** The distances between probes. */
const PROBES: Doubling = { first: 5 * SECOND, longest: 300 * SECOND };

/**
 * What an attempt came to. `event`: it speaks of this event; `shared`: of the endpoint once two videos have failed so; `always`:
 * of the endpoint. `none`: nothing was sent.
 */
export type AnswerKind = "success" | "event" | "shared" | "always" | "none";

const SOUND: Health = { count: 0, since: null, videos: [], breaker: null, ramp: null };

/** `status` is null where there was no answer; then `failure` says why. `abort`: the answer asks for no further attempt. */
export function kindOf(answer: { status: number | null; failure: FailureKind | null; abort: boolean }): AnswerKind {
  const { status, failure, abort } = answer;
  if (status === null) return failure === "body" ? "none" : failure === "timeout" ? "shared" : "always";
  if (status >= 200 && status <= 299) return "success";
  return !abort && (status === 429 || status >= 500) ? "shared" : "event";
}

/** One more answer, about a video. `retryAfter`: how long the endpoint asked for; 0: it did not. */
export type Judged = {
  kind: AnswerKind;
  status: number | null;
  video: number;
  isProbe: boolean;
  retryAfter: number;
  error: string;
};

/**
 * The health after one more answer. `counted`: the failure is taken to speak of the endpoint. `change`: the breaker has
 * opened or closed. `concurrency` is the endpoint's.
 */
export function judge(
  known: Health | null,
  answer: Judged,
  { now, concurrency }: { now: number; concurrency: number },
): { health: Health | null; counted: boolean; change: "opened" | "closed" | null } {
  const before = known ?? SOUND;
  if (answer.kind === "none") return { health: known, counted: false, change: null };
  if (answer.kind === "success" || answer.kind === "event") {
    const closes = before.breaker !== null && answer.isProbe;
    const ramp = closes
      ? firstStep(concurrency)
      : answer.kind === "success"
        ? nextStep(before, concurrency)
        : before.ramp;
    const breaker = closes ? null : before.breaker;
    const isSound = breaker === null && ramp === null;
    const health = isSound ? null : { ...SOUND, breaker, ramp };
    return { health, counted: false, change: closes ? "closed" : null };
  }
  return fail(before, answer, now);
}

function fail(before: Health, answer: Judged, now: number): ReturnType<typeof judge> {
  const { kind, video, status, error } = answer;
  const isNew = kind === "shared" && before.videos.length < 2 && !before.videos.includes(video);
  const videos = isNew ? [...before.videos, video] : before.videos;
  const counted = kind === "always" || videos.length > 1;
  const count = before.count + (counted ? 1 : 0);
  const since = before.since ?? (counted ? now : null);
  const hinted = answer.retryAfter > 0 ? now + Math.min(answer.retryAfter, HINT_LIMIT) : 0;
  const health = { ...before, count, since, videos };
  if (before.breaker !== null) {
    const tried = answer.isProbe ? failed(before.breaker, { now, error, waits: PROBES }) : before.breaker;
    const breaker = { ...tried, dueAt: Math.max(tried.dueAt, hinted) };
    return { health: { ...health, breaker }, counted, change: null };
  }
  const isFew = kind === "always" && count >= FEW && now - (since ?? now) >= FEW_OVER;
  const isAsked = status === 429 && hinted > 0 && videos.length > 1;
  if (count < OPENS_AT && !isFew && !isAsked) return { health, counted, change: null };
  const opened = failed(null, { now, error, waits: PROBES });
  const breaker = { ...opened, dueAt: Math.max(opened.dueAt, hinted) };
  return { health: { ...health, breaker, ramp: null }, counted, change: "opened" };
}

const firstStep = (concurrency: number) => (concurrency > 1 ? 1 : null);

function nextStep({ breaker, ramp }: Health, concurrency: number): number | null {
  if (breaker !== null || ramp === null) return ramp;
  return ramp * 2 >= concurrency ? null : ramp * 2;
}

/** The clock went back by `by`: what was to come stays as far away as it was. */
export function movedBack(health: Health, by: number): Health {
  const { breaker, since } = health;
  return {
    ...health,
    since: since === null ? null : since - by,
    breaker: breaker && { ...breaker, since: breaker.since - by, dueAt: breaker.dueAt - by },
  };
}
