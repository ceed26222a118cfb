import type { Said } from "../../model/alert.ts";

/** Milliseconds. One that lasts is said again so often. */
export const SAID_AGAIN = 24 * 3_600_000;

/** One that begins so often within this span flaps, until it has not changed for `STEADY`; milliseconds. */
export const FLAPS = { times: 3, within: 2 * 3_600_000 };
export const STEADY = 3_600_000;

/** How far one alarm of one subject has come. Times are milliseconds since 1970. */
export type Course = {
  /** Since when it stands without a break; null: it does not. */
  since: number | null;
  /** It has stood for as long as it must. */
  hasBegun: boolean;
  /** Its begin was said, and its end not yet. */
  isKnown: boolean;
  flaps: boolean;
  saidAt: number;
  /** When it last began or ended, and when it began of late. */
  changedAt: number;
  begins: number[];
};

/** What one step sees. `holds`: for how long it must stand, in milliseconds; a silenced one says nothing. */
export type Sight = { stands: boolean; holds: number; mayBegin: boolean; isSilenced: boolean; now: number };

const NEW: Course = {
  ...{ since: null, hasBegun: false, isKnown: false, flaps: false, saidAt: 0, changedAt: 0 },
  begins: [],
};

/**
 * Moves one alarm on by what is seen now. `course` null: nothing need be kept of it. `says`: what is to be said now, or null.
 * One who has heard all of it knows how the alarm is.
 */
export function moveOn(former: Course | null, sight: Sight): { course: Course | null; says: Said | null } {
  const { now, isSilenced } = sight;
  const course = steadied(changed(withinTime(former ?? NEW, now), sight), now);
  const says = isSilenced ? null : sayingOf(course, former?.flaps ?? false, now);
  if (says !== null) {
    course.saidAt = now;
    course.isKnown = says !== "ends";
  }
  const isOver = course.since === null && !course.isKnown && course.begins.length === 0;
  return { course: isOver ? null : course, says };
}

/** Nothing that has happened is later than now: the clock may have gone back. What is long past is forgotten. */
function withinTime(course: Course, now: number): Course {
  return {
    ...course,
    since: course.since === null ? null : Math.min(course.since, now),
    saidAt: Math.min(course.saidAt, now),
    changedAt: Math.min(course.changedAt, now),
    begins: course.begins.map((at) => Math.min(at, now)).filter((at) => course.flaps || now - at < FLAPS.within),
  };
}

function changed(course: Course, { stands, holds, mayBegin, now }: Sight): Course {
  if (!stands) return { ...course, since: null, hasBegun: false, changedAt: course.hasBegun ? now : course.changedAt };
  const since = course.since ?? now;
  if (course.hasBegun || now - since < holds || !mayBegin) return { ...course, since };
  return { ...course, since, hasBegun: true, changedAt: now, begins: [...course.begins, now].slice(-FLAPS.times) };
}

function steadied(course: Course, now: number): Course {
  if (!course.flaps) return { ...course, flaps: course.begins.length >= FLAPS.times };
  return now - course.changedAt < STEADY ? course : { ...course, flaps: false, begins: [] };
}

function sayingOf({ hasBegun, isKnown, flaps, saidAt }: Course, hasFlapped: boolean, now: number): Said | null {
  const isDue = now - saidAt >= SAID_AGAIN;
  if (flaps) return !hasFlapped || !isKnown || isDue ? "flaps" : null;
  if (!hasBegun) return isKnown ? "ends" : null;
  if (!isKnown) return "begins";
  return isDue || hasFlapped ? "lasts" : null;
}
