import { LINK_DIES_SOON } from "../actions/alarms/judge.ts";
import { formatCount, relativeTime } from "../actions/format.ts";
import type { Medium } from "../model/medium.ts";
import type { Store } from "../store/store.ts";
import { type Finding, failed, of, ok, warning } from "./probe.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Milliseconds for which tries may fail: the quick ones of the schedule are over then (CONTRACT, "Media"). */
const PATIENCE = 10 * MINUTE;

/** Media that came to nothing are a warning for as long as they are an alarm, in milliseconds; the most that are counted. */
const RECENT = DAY;
const AT_MOST = 100;

/** What has no copy: links that are still to be saved, and those of the last days that were not. */
export async function judgeMedia(store: Pick<Store, "media" | "counts">, now: number): Promise<Finding[]> {
  return [of("deadline", await judgeDeadline(store, now)), of("lost", await judgeLost(store, now))];
}

/** The media link that expires next of those without a copy, and those whose download keeps failing. */
async function judgeDeadline(store: Pick<Store, "media">, now: number): Promise<Finding> {
  const unsecured = await store.media({ limit: AT_MOST, byDeadline: true });
  const [next] = unsecured;
  if (next === undefined) return ok("no link has to be saved");
  const advice = "wochit-relay media list --by deadline; is the relay running, and does it reach that host?";
  const why = next.lastError === null ? "" : `; the last try: ${next.lastError}`;
  const { deadline } = next;
  if (deadline <= now) {
    return failed(`the link of ${nameOf(next)} died ${relativeTime(deadline, now)}, unsaved${why}`, advice);
  }
  const line = `the next link to die is that of ${nameOf(next)}, ${relativeTime(deadline, now)}${why}`;
  const [failing, ...others] = unsecured.filter(isFailing(now));
  if (failing !== undefined) {
    const since = relativeTime(failing.firstTriedAt!, now);
    const more =
      others.length === 0 ? "" : `, like ${countOf(others.length)} ${others.length === 1 ? "other" : "others"}`;
    const said = `the download of ${nameOf(failing)} keeps failing since its first try ${since} (${failing.lastError})${more}`;
    return warning(
      failing === next ? `${said}; its link dies ${relativeTime(deadline, now)}` : `${said}; ${line}`,
      advice,
    );
  }
  return deadline - now < LINK_DIES_SOON ? warning(line, advice) : ok(line);
}

const isFailing = (now: number) => (medium: Medium) =>
  medium.lastError !== null && medium.firstTriedAt !== null && now - medium.firstTriedAt > PATIENCE;

/** Media that failed or expired, and so have no copy. */
async function judgeLost(store: Pick<Store, "media" | "counts">, now: number): Promise<Finding> {
  const { media } = await store.counts();
  const total = (media.failed ?? 0) + (media.expired ?? 0);
  if (total === 0) return ok("none failed or expired");
  const recent: Medium[] = [];
  for (const state of ["failed", "expired"] as const) {
    const found = await store.media({ limit: AT_MOST, state, since: now - 3 * DAY });
    recent.push(...found.filter(({ settledAt }) => settledAt !== null && settledAt > now - RECENT));
  }
  const [last] = recent.sort((a, b) => (b.settledAt ?? 0) - (a.settledAt ?? 0));
  if (last === undefined) return ok(`${formatCount(total, "medium")} failed or expired, all more than a day ago`);
  const { state, lastError } = last;
  return warning(
    `${countOf(recent.length)} of the last day ${recent.length === 1 ? "has" : "have"} no copy: failed or expired; the last is ${nameOf(last)}, ${state}${lastError === null ? "" : ` (${lastError})`}`,
    `wochit-relay media list --state ${state} shows why, media retry --state ${state} downloads them again`,
  );
}

const nameOf = ({ id, kind, videoId }: Medium) => `${kind} ${id} of ${videoId}`;

const countOf = (count: number) => (count >= AT_MOST ? `${AT_MOST} or more` : String(count));
