import { errorLine, RelayError } from "../../../errors.ts";
import type { TaskItem, TaskJob, TaskPiece, TaskVerb, TaskWish } from "../../../model/task.ts";
import type { Accepted, Received } from "../../store.ts";
import type { TaskVerbs } from "../../tasks.ts";
import type { Work } from "../../verbs.ts";
import * as deliveries from "../deliveries/deliveries.ts";
import { choiceOf } from "../deliveries/endpoints.ts";
import * as events from "../events/events.ts";
import * as quarantine from "../events/quarantine.ts";
import { VIDEO } from "../events/videos.ts";
import * as moves from "../media/moves.ts";
import type { Prefix } from "../rows/ids.ts";
import { inLanes, videosOf } from "../rows/named.ts";
import { PER_MS } from "../rows/numbers.ts";
import { aboutSome, apart, type Job, job, type Tx } from "../tx.ts";
import { some } from "./counted.ts";
import * as ofDeliveries from "./deliveries.ts";
import * as ofEvents from "./events.ts";
import * as refused from "./refused.ts";
import type { Counted } from "./rows.ts";
import * as tasks from "./rows.ts";
import { BEYOND, type Found, type Place, type Scope } from "./scope.ts";

/** At most this many are done in one transaction: some milliseconds. */
const PER_PIECE = 100;

/** The same for refused bodies, which may be unpacked to some MiB each. */
const BODIES_PER_PIECE = 8;

/** What one part of a count looks for. */
const PER_COUNT = 5_000;

type TaskWorks = {
  [Verb in keyof TaskVerbs]: Work<Parameters<TaskVerbs[Verb]>, Awaited<ReturnType<TaskVerbs[Verb]>>>;
};

/** Takes in the bytes of an event. */
type Accepting = (received: Received) => Job<Accepted>;

/** What the verbs on tasks do. */
export const taskWorks = (accepting: Accepting): TaskWorks => ({
  ...moves.moveWorks,
  countMatching: ({ taskId, ...wish }, from) =>
    job(async (tx) => count(tx, await scopeFor(tx, wish, taskId), placeAt(from))),
  createTask: (wish, now) => job((tx) => tasks.create(tx, wish, now)),
  confirmTask: (id, total) => job((tx) => tasks.confirm(tx, id, total)),
  claimTask: {
    answer: (wish) =>
      job(async (tx) => {
        const { row, nextDue } = await tasks.next(tx, wish);
        return row === null ? { job: null, nextDue } : undefined;
      }),
    run: (wish) =>
      apart("tasks", async (tx) => {
        const { row, nextDue } = await tasks.next(tx, wish);
        return { job: row === null ? null : await tasks.lease(tx, row, wish.now + wish.leaseFor), nextDue };
      }),
  },
  renewTask: (task, leaseFor) => apart("tasks", (tx) => tasks.renew(tx, task, tx.now() + leaseFor)),
  taskPiece: (id, share = 1) => job((tx) => piece(tx, id, share)),
  workTask: (claimed, some, leaseFor, now) =>
    aboutSome(
      (tx) => namesOf(tx, claimed, some, accepting),
      (tx) => work(tx, claimed, some, { accepting, leaseFor, now }),
    ),
  createRun: (run, now) => job((tx) => tasks.createRun(tx, run, now)),
  endRun: (claimed, outcome, now) =>
    job(async (tx) => {
      await tasks.endRun(tx, claimed, outcome, now);
      await moves.clear(tx, now);
    }),
  failTask: (claimed, error, now) =>
    job(async (tx) => {
      const row = await tasks.held(tx, claimed);
      if (row !== null) tasks.end(tx, row.id, "failed", error, now);
      await moves.clear(tx, now);
    }),
  task: (id) => job((tx) => tasks.show(tx, id)),
  tasks: (wish) => job((tx) => tasks.list(tx, wish)),
  cancelTask: (id, why, now) =>
    job(async (tx) => {
      await tasks.cancel(tx, id, why, now);
      await moves.clear(tx, now);
    }),
});

const placeAt = (text: string | null) => (text === null ? null : (JSON.parse(text) as Place));

/** What a task takes, or what one would take that was made now. */
async function scopeFor(tx: Tx, wish: TaskWish, taskId: string | undefined): Promise<Scope> {
  if (taskId !== undefined) return tasks.scopeOf(await tasks.rowOf(tx, taskId));
  tasks.checkNames(tx, wish);
  return { ...wish, upTo: BEYOND, at: tx.now() };
}

function find(tx: Tx, scope: Scope, from: Place | null, limit: number): Promise<Found> {
  if (scope.verb === "replay") return ofEvents.find(tx, scope, from, limit);
  return scope.verb === "reprocess" ? refused.find(tx, scope, from, limit) : ofDeliveries.find(tx, scope, from, limit);
}

/** How many of them are named. */
const SAMPLE = 5;

async function count(
  tx: Tx,
  scope: Scope,
  from: Place | null,
): Promise<Awaited<ReturnType<TaskVerbs["countMatching"]>>> {
  const isOfDeliveries = scope.verb === "retry" || scope.verb === "cancel";
  const direct = isOfDeliveries ? await some(tx, scope, from, PER_COUNT) : null;
  const { items, to, isLast } = direct ?? (await find(tx, scope, from, PER_COUNT));
  const byEndpoint: Record<string, number> = {};
  // Cancel goes the other way.
  let [oldest, newest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const videos = new Set<number>();
  for (const { event, video, endpoint } of items) {
    if (video !== 0) videos.add(video);
    // A number says when it was given (rows/numbers.ts).
    const at = Math.floor(event / PER_MS);
    oldest = Math.min(oldest, at);
    newest = Math.max(newest, at);
    if (endpoint !== null) byEndpoint[endpoint] = (byEndpoint[endpoint] ?? 0) + 1;
  }
  const times = items.length === 0 ? { oldest: null, newest: null } : { oldest, newest };
  const sample = items.slice(0, SAMPLE).map(({ id }) => tx.ids.show(PREFIX[scope.verb], id));
  const counted = { count: items.length, ...times, byEndpoint, videos: [...videos], sample };
  return { ...counted, next: isLast ? null : JSON.stringify(to) };
}

const PREFIX = { retry: "dlv", cancel: "dlv", replay: "evt", reprocess: "qrn" } satisfies Record<string, Prefix>;

async function piece(tx: Tx, id: string, share: number): Promise<TaskPiece> {
  const row = await tasks.rowOf(tx, id);
  const most = Math.ceil(share * (row.verb === "reprocess" ? BODIES_PER_PIECE : PER_PIECE));
  const limit = Math.max(1, Math.min(most, Math.floor(tasks.rateOf(row) ?? most)));
  const { items, to, isLast } = await find(tx, { ...tasks.scopeOf(row), share }, placeAt(row.position), limit);
  const named = items.map(({ id, ...item }) => ({
    ...{ id: tx.ids.show(PREFIX[row.verb as TaskVerb], id), endpoint: item.endpoint, video: item.video },
  }));
  return { items: named, from: row.position, to: JSON.stringify(to), isLast };
}

/** Of the videos that a piece is about. */
async function namesOf(tx: Tx, { verb }: TaskJob, { items }: TaskPiece, accepting: Accepting): Promise<string[]> {
  if (verb === "reprocess") return items.flatMap(({ body }) => nameIn(body, accepting) ?? []);
  return videosOf(tx, "videos", [...new Set(items.map(({ video }) => video))]);
}

/** Of the video that a refused body is about; null: it is no event, or not there any longer. */
function nameIn(body: Uint8Array | undefined, accepting: Accepting): string | null {
  if (body === undefined) return null;
  try {
    return accepting({ receivedAt: 0, sourceAddress: "", body, late: true }).key;
  } catch {
    return null;
  }
}

async function work(
  tx: Tx,
  claimed: TaskJob,
  { items, from, to, isLast }: TaskPiece,
  { accepting, leaseFor, now }: { accepting: Accepting; leaseFor: number; now: number },
): Promise<Awaited<ReturnType<TaskVerbs["workTask"]>>> {
  // No other claim of it does the same meanwhile.
  const [isOurs, row] = await Promise.all([tasks.fence(tx, claimed, now + leaseFor), tasks.held(tx, claimed)]);
  // A piece of another place was done already.
  if (!isOurs || row === null || row.position !== from) return { isOurs: false, ended: null };
  const scope = tasks.scopeOf(row);
  const counted: Counted = { done: 0, failed: 0, error: null };
  const videoOf = ({ id, body, video }: TaskItem) =>
    claimed.verb !== "reprocess" ? video : (nameIn(body, accepting) ?? id);
  const doEach = async (item: TaskItem) => item.error ?? doOne(tx, scope, item, { accepting, now });
  for (const [at, error] of (await inLanes(tx, items, videoOf, doEach)).entries()) {
    if (error === null) counted.done++;
    else if (error !== SKIPPED) {
      counted.failed++;
      counted.error = `${items[at]!.id}: ${error}`;
    }
  }
  if (isLast) noteUnwanted(scope, row, counted);
  tasks.move(tx, row.id, to, counted, now + leaseFor);
  if (isLast) tasks.end(tx, row.id, "done", null, now);
  return { isOurs: true, ended: isLast ? "done" : null };
}

/** What of a filter may come to match otherwise, beside the config. */
const CHANGING = ["status", "context", "contextMissing", "q"] as const;

/**
 * A command counts by the config as it is in the file; the relay replays by the one that it holds. What that one sends to no
 * endpoint has not changed meanwhile: it failed.
 */
function noteUnwanted({ verb, filter, onlyDead }: Scope, row: tasks.TaskRow, counted: Counted): void {
  if (verb !== "replay" || onlyDead || CHANGING.some((name) => filter[name] !== undefined)) return;
  const missing = (row.total ?? 0) - row.done - row.failed - counted.done - counted.failed;
  if (missing <= 0) return;
  const where = filter.endpoint === undefined ? "anywhere" : `to ${filter.endpoint}`;
  counted.failed += missing;
  counted.error = `the config that the relay holds does not send ${missing} of them ${where}: wochit-relay reload, then again`;
}

/** It has changed since the task was made. */
const SKIPPED = Symbol("skipped");

/** Null: it was done; else why not. */
async function doOne(
  tx: Tx,
  scope: Scope,
  item: TaskItem,
  { accepting, now }: { accepting: Accepting; now: number },
): Promise<string | null | typeof SKIPPED> {
  const { verb, newId = false, upTo: task } = scope;
  try {
    if (verb === "replay") {
      const choice = choiceOf(tx, item.endpoint!);
      if (choice === null) return SKIPPED;
      const { id: endpoint, order } = choice;
      await events.replay(tx, item.id, { endpoint, ordered: order === "video", newId, task }, now);
    } else if (verb === "reprocess") await takeIn(tx, item, accepting);
    else {
      const { generation } = await deliveries.rowOf(tx, item.id);
      if (generation >= task) return SKIPPED;
      await (verb === "retry" ? deliveries.retry : deliveries.cancel)(tx, item.id, now);
    }
    return null;
  } catch (error) {
    // These are said before anything is written.
    if (!(error instanceof RelayError)) throw error;
    return error.code === "conflict" || error.code === "not_found" ? SKIPPED : errorLine(error);
  }
}

/** A refused body becomes an event, and leaves the quarantine in the same transaction. */
async function takeIn(tx: Tx, { id, body }: TaskItem, accepting: Accepting): Promise<void> {
  const { receivedAt, sourceAddress, body: kept } = await quarantine.show(tx, id);
  const { key, run } = accepting({ receivedAt, sourceAddress, body: body ?? kept, late: true });
  const accepted = await run(tx, await tx.get(VIDEO, [key!]));
  await quarantine.drop(tx, id, accepted.id);
}
