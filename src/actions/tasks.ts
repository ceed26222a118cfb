import { RelayError } from "../errors.ts";
import {
  type Matching,
  RUN_VERBS,
  type RunOptions,
  type RunVerb,
  type Task,
  type TaskState,
  type TaskVerb,
  type TaskWish,
} from "../model/task.ts";
import type { Clock } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { inStates } from "./filters/types.ts";
import { shortTime } from "./format.ts";
import { isoTime, pick } from "./json.ts";
import { list, walk } from "./list.ts";

/**
 * Until a task is confirmed it is held for this long after each part of its count, in milliseconds: a part takes some hundredths of
 * a second, and a commit on a sick disk up to ten seconds. A command that was killed leaves it for as long.
 */
const COUNT_LEASE = 15_000;

/** The slowest that a task may be worked, in rows a second: a slower one would seem to stand still. */
const LEAST_RATE = 0.001;

/** What a verb makes of one, for people: "12 retried". */
export const DONE: Record<TaskVerb | RunVerb, string> = {
  verify: "verified",
  move: "moved",
  backup: "made",
  prune: "pruned",
  verifyArchive: "verified",
  restoreArchive: "restored",
  retry: "retried",
  cancel: "canceled",
  replay: "replayed",
  reprocess: "taken in",
};

export function taskJson(task: Task) {
  const { createdAt, endedAt, rate, onlyDead, newId, state } = task;
  return {
    ...pick(task, "id verb by filter"),
    ...(onlyDead && { onlyDead }),
    ...(newId && { newId }),
    state: state === "counting" ? "queued" : state,
    ...pick(task, "total done failed skipped error"),
    ratePerSecond: rate,
    createdAt: isoTime(createdAt),
    endedAt: isoTime(endedAt),
    countingUntil: isoTime(task.countingUntil),
  };
}
export type TaskJson = ReturnType<typeof taskJson>;

export const tasks = list({
  filters: {
    state: {
      isMany: true,
      words: ["queued", "running", "done", "canceled", "failed"],
      help: "only in this state, or in one of these",
    },
    verb: { words: ["retry", "cancel", "replay", "reprocess", ...RUN_VERBS], help: "only of this verb" },
  },
  rows: ({ store }, query) => walk((page) => store.tasks(page), { ...query, ...inStates<TaskState>(query) }, taskJson),
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "MADE", value: ({ createdAt }) => shortTime(createdAt), whole: true },
    { title: "VERB", value: ({ verb }) => verb, whole: true },
    { title: "STATE", value: ({ state, countingUntil }) => (countingUntil ? "counting" : state), whole: true },
    { title: "TOTAL", value: ({ total }) => total, whole: true, spare: 1 },
    { title: "DONE", value: ({ done }) => done, whole: true },
    { title: "FAILED", value: ({ failed }) => failed, whole: true },
    { title: "FILTER", value: ({ filter }) => describeFilter(filter), below: true },
    { title: "ERROR", value: ({ error, countingUntil }) => error ?? describeCount(countingUntil), below: true },
  ],
});

const describeCount = (until: string | null) =>
  until && `what it takes is counted; where that was cut off it is given up at ${shortTime(until)}`;

/** `endpoint=cms since=2026-01-31 08:00:00Z` */
export function describeFilter(filter: Task["filter"]): string {
  const show = (name: string, value: unknown) => {
    if (name === "ids") return (value as string[]).length;
    return ["since", "until", "failedSince"].includes(name) && typeof value === "number"
      ? shortTime(isoTime(value))
      : String(value);
  };
  return Object.entries(filter)
    .map(([name, value]) => `${name}=${show(name, value)}`)
    .join(" ");
}

export const showTask = async (store: Store, id: string): Promise<TaskJson> => taskJson(await store.task(id));

/** It stops where it is; what was done stays. RelayError("conflict") for one that has ended. */
export async function cancelTask(store: Store, id: string, now: number): Promise<TaskJson> {
  await store.cancelTask(id, "canceled by the operator", now);
  return showTask(store, id);
}

/** Has the relay do what it does as a whole. RelayError("task_running") while one of the verb has not ended. */
export async function startRun(
  store: Store,
  run: { verb: RunVerb; options?: RunOptions; by: string },
  now: number,
): Promise<TaskJson> {
  const { id } = await store.createRun({ options: {}, ...run }, now);
  return showTask(store, id);
}

/** The count as the API and `--dry-run --json` give it. */
export function matchingJson({ count, oldest, newest, videos, byEndpoint, sample }: Matching) {
  return { count, oldest: isoTime(oldest), newest: isoTime(newest), videos, byEndpoint, sample };
}

/** What a wish would take now. RelayError("usage") where it narrows nothing down. It may take long: `signal` ends it. */
export async function countMatching(store: Store, wish: TaskWish, signal?: AbortSignal): Promise<Matching> {
  checkWish(wish);
  return countParts((from) => {
    signal?.throwIfAborted();
    return store.countMatching(wish, from);
  });
}

/**
 * Makes a task of what matches now; it is worked by the relay, or by `workTask`. `expect`: how many were confirmed:
 * RelayError("count_changed") where there are more by now, and nothing is done. RelayError("task_running") while another
 * task of the verb has not ended, "usage" for a wish that narrows nothing down, and a rate that is too slow.
 */
export async function startTask(
  store: Store,
  wish: TaskWish,
  { by, rate = null, expect = null }: { by: string; rate?: number | null; expect?: number | null },
  clock: Clock,
): Promise<{ id: string; total: number }> {
  checkWish(wish);
  if (rate !== null && rate < LEAST_RATE) throw new RelayError("usage", `a rate is at least ${LEAST_RATE} a second`);
  const { id } = await store.createTask({ ...wish, by, rate, leaseFor: COUNT_LEASE }, clock.now());
  const { count } = await countParts(async (from) => {
    await store.renewTask({ id, claim: null }, COUNT_LEASE);
    return store.countMatching({ ...wish, taskId: id }, from);
  });
  if (expect !== null && count > expect) {
    const message = `${count} match by now, ${expect} were confirmed: nothing was done`;
    await store.cancelTask(id, message, clock.now());
    throw new RelayError("count_changed", message);
  }
  await store.confirmTask(id, count);
  return { id, total: count };
}

async function countParts(part: (from: string | null) => ReturnType<Store["countMatching"]>): Promise<Matching> {
  const all: Matching = { count: 0, oldest: null, newest: null, videos: 0, byEndpoint: {}, sample: [] };
  const known = new Set<number>();
  for (let from: string | null = null; ; ) {
    const { count, oldest, newest, videos, byEndpoint, sample, next } = await part(from);
    all.count += count;
    if (oldest !== null) all.oldest = Math.min(all.oldest ?? oldest, oldest);
    if (newest !== null) all.newest = Math.max(all.newest ?? newest, newest);
    for (const [id, some] of Object.entries(byEndpoint)) all.byEndpoint[id] = (all.byEndpoint[id] ?? 0) + some;
    for (const video of videos) known.add(video);
    all.videos = known.size;
    if (all.sample.length === 0) all.sample = sample;
    if (next === null) return all;
    from = next;
  }
}

/** The states that a delivery can be retried, or canceled in. */
const FITTING: Partial<Record<TaskVerb, string[]>> = {
  retry: ["dead", "canceled", "waiting", "pending"],
  cancel: ["waiting", "pending", "running"],
};

/** Whether it would take all that there is, which no verb does. */
export const namesNothing = ({ filter, onlyDead = false }: TaskWish): boolean =>
  Object.values(filter).every((value) => value === undefined) && !onlyDead;

function checkWish(wish: TaskWish): void {
  const { verb, filter } = wish;
  if (namesNothing(wish)) throw new RelayError("usage", "name one, or by a filter what all of them have in common");
  const fitting = FITTING[verb];
  const { state, states = state === undefined ? [] : [state] } = filter;
  const odd = states.find((one) => fitting !== undefined && !fitting.includes(one));
  if (odd === undefined || fitting === undefined) return;
  throw new RelayError("usage", `of ${odd} deliveries none can be ${DONE[verb]}, only of ${fitting.join(", ")} ones`);
}
