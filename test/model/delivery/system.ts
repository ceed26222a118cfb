import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codeOf, RelayError } from "../../../src/errors.ts";
import type { DeliveryJob, DeliveryOutcome } from "../../../src/model/delivery.ts";
import { databaseOf } from "../../../src/store/backup.ts";
import { copyDatabase, restoreDatabase } from "../../../src/store/copy-database.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { nextDue } from "../../support/next-due.ts";
import { testClock, testPorts } from "../../support/ports.ts";
import { claimTask, makeTask } from "../../support/tasks.ts";
import type { OpenStore } from "../walk.ts";
import { ENDPOINTS } from "./commands.ts";
import {
  type Answer,
  DeliveryModel,
  GONE_DELIVERY,
  GONE_EVENT,
  LEASE,
  type Mistake,
  type Post,
  type SeenDelivery,
  type Settled,
  START,
} from "./model.ts";

/** `message` is the same for one message, and for no other. */
export type Job = { delivery: number; message: string; job: unknown };

export type View = {
  sequences: { v: string; sequence: number }[];
  deliveries: SeenDelivery[];
  /** When the next attempt of each is due; past ones are now, null: none is. */
  dueTimes: (number | null)[];
  waits: ReturnType<DeliveryModel["waitsFor"]>[];
  paused: string[];
  /** In order of their making. */
  tasks: ReturnType<DeliveryModel["tasks"]>;
  /** By endpoint: when its breaker lets the next probe go, and how many may be in flight; null: it is closed, and any. */
  breakers: { endpoint: string; probeAt: number | null; ramp: number | null }[];
};

/** What a walk works with. Events and deliveries go by number, in order of their making. False: that makes no sense now. */
export type DeliverySystem = {
  /** Whether it can be put back to a backup. */
  hasBackups: boolean;
  pass(to: number): void;
  setBack(by: number): Promise<void>;
  configure(endpoint: string, isConfigured: boolean): void;
  pause(endpoint: string): Promise<void>;
  resume(endpoint: string): Promise<void>;
  /** With what `free`, an endpoint that has a slot for it, is given at once; null: nothing. */
  accept(post: Post, free: string | null): Promise<Job | null>;
  replay(event: number, endpoint: string, withNewId: boolean): Promise<boolean>;
  claim(endpoint: string, limit: number): Promise<Job[]>;
  renew(job: Job): Promise<boolean>;
  giveBack(job: Job): Promise<boolean>;
  settle(job: Job, answer: Answer): Promise<Settled>;
  retry(delivery: number): Promise<boolean>;
  cancel(delivery: number): Promise<boolean>;
  task(wish: TaskWish): Promise<boolean>;
  batch(verb: TaskWish["verb"]): Promise<boolean>;
  cancelTask(verb: TaskWish["verb"]): Promise<boolean>;
  forget(v: string): Promise<boolean>;
  prune(kept: { bodies: number; attempts: number }): Promise<void>;
  restart(): Promise<void>;
  backup(): Promise<void>;
  restore(): Promise<boolean>;
  nextDue(endpoint: string): Promise<number | null>;
  view(): Promise<View>;
  close(): Promise<void>;
};

type TaskWish = Parameters<DeliveryModel["task"]>[0];

const EVERYTHING = 9_999;

type Known = { events: string[]; deliveries: string[] };

/** The body of an erased event cannot be had: there is nothing to send. */
const BODILESS = (startedAt: number): DeliveryOutcome => ({
  attempt: { startedAt, duration: 1, status: null, response: null, error: "body_expired", bytes: null, sha256: null },
  ...{ failure: "body", retryAfter: 0, isLast: true, pending: [], spread: 0.5 },
});

/** The model as a system, to be played beside one with a mistake in it. */
export function openModel(mistake: Mistake | null = null): DeliverySystem {
  const model = new DeliveryModel(ENDPOINTS, mistake);
  return {
    hasBackups: true,
    pass: (to) => model.pass(to),
    setBack: async (by) => model.setBack(by),
    configure: (id, isConfigured) => model.configure(id, isConfigured),
    pause: async (id) => model.pause(id),
    resume: async (id) => model.resume(id),
    async accept(post, free) {
      const isLapsed = free !== null && model.hasLapsed(free);
      const before = model.deliveries().length;
      model.accept(post);
      if (free !== null && (model.probeAt(free) !== null || model.ramp(free) !== null)) return null;
      const [first, ...others] = free === null || isLapsed ? [] : model.claimable(free);
      if (first === undefined || first.delivery < before || others.length > 0) return null;
      return { delivery: first.delivery, message: model.message(first.delivery), job: model.claim(first.delivery) };
    },
    replay: async (event, id, withNewId) => model.replay(event, id, withNewId),
    claim: async (id, limit) =>
      model
        .claimable(id)
        .sort((a, b) => a.from - b.from)
        .slice(0, Math.max(0, Math.min(limit, model.probeAt(id) === null ? model.room(id) : 1)))
        .map(({ delivery }) => ({ delivery, message: model.message(delivery), job: model.claim(delivery) })),
    renew: async ({ job }) => model.renew(job as Parameters<typeof model.renew>[0]),
    giveBack: async ({ job }) => model.giveBack(job as Parameters<typeof model.giveBack>[0]),
    settle: async ({ job }, answer) => model.settle(job as Parameters<typeof model.settle>[0], answer),
    retry: async (delivery) => model.retry(delivery),
    cancel: async (delivery) => model.cancel(delivery),
    task: async (wish) => model.task(wish),
    batch: async (verb) => model.batch(verb),
    cancelTask: async (verb) => model.cancelTask(verb),
    forget: async (v) => model.forget(v),
    prune: async (kept) => model.prune(kept),
    restart: async () => model.restart(),
    backup: async () => model.backup(),
    restore: async () => model.restore(),
    nextDue: async (id) => model.nextClaim(id),
    view: async () => ({ ...viewOf(model), dueTimes: model.dueTimes({ ofAll: true }) }),
    close: async () => {},
  };
}

export function viewOf(model: DeliveryModel): View {
  const ids = Object.keys(ENDPOINTS);
  return {
    sequences: model.sequences(),
    deliveries: model.deliveries(),
    dueTimes: model.dueTimes(),
    waits: model.deliveries().map((_, at) => model.waitsFor(at)),
    paused: ids.filter((id) => model.isPaused(id)),
    tasks: model.tasks(),
    breakers: ids.map((id) => ({ endpoint: id, probeAt: model.probeAt(id), ramp: model.ramp(id) })),
  };
}

/** A store in a folder of its own, which is gone when it is closed. */
export async function openStoreSystem(openStore: OpenStore): Promise<DeliverySystem> {
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-delivery-"));
  const clock = testClock(START);
  const options = Object.entries(ENDPOINTS).map(([id, { order, maxWait, retry, laneHold, coalesce, concurrency }]) => {
    const gate = maxWait === null ? { send: "immediately" } : { maxWait: `${maxWait}ms` };
    const times = { retry: retry.map((ms) => `${ms}ms`), laneHold: `${laneHold}ms` };
    return endpoint(id, { order, ...gate, ...times, coalesce, concurrency });
  });
  const whole = configIn(dir, { endpoints: options, receive: { dedupeWindow: "0s" } });
  const present = new Set(Object.keys(ENDPOINTS));
  let config = whole;
  let store = await openStore(config, testPorts(clock));
  let backups = 0;
  let lives = 0;
  let posts = 0;

  /** The ids of all that there were, in order of their making, also of what went whole; and as the last backup has them. */
  let known: Known = { events: [], deliveries: [] };
  let backedUp = known;

  const learn = (ids: string[], found: { id: string }[]) => {
    for (const { id } of found) if (!ids.includes(id)) ids.push(id);
    return ids;
  };
  const deliveryIds = async () => learn(known.deliveries, (await store.deliveries({ limit: EVERYTHING })).reverse());
  const eventIds = async () => learn(known.events, (await store.events({ limit: EVERYTHING })).reverse());
  const idAt = async (delivery: number) => (await deliveryIds())[delivery]!;

  /** Each of these, or null where it went whole. */
  const all = <T>(ids: string[], show: (id: string) => Promise<T>) =>
    Promise.all(
      ids.map((id) =>
        show(id).catch((error) => {
          if (codeOf(error) === "body_expired") return null;
          throw error;
        }),
      ),
    );
  const optionsOf = (id: string) => whole.endpoints.find((one) => one.id === id)!;

  const openTask = async (verb: TaskWish["verb"]) =>
    (await store.tasks({ limit: EVERYTHING, verb })).find(({ endedAt }) => endedAt === null);

  /** False where the store refuses it. */
  async function makesSense(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      if (error instanceof RelayError && ["conflict", "not_found", "body_expired", "task_running"].includes(error.code))
        return false;
      throw error;
    }
  }

  /** What the forwarder makes of an answer. */
  function outcomeOf({ status, retryAfter, abort = false }: Answer): DeliveryOutcome {
    const isAnswer = typeof status === "number";
    const isSuccess = isAnswer && status >= 200 && status <= 299;
    const error = isSuccess ? null : isAnswer ? `HTTP ${status}` : status;
    const said = { status: isAnswer ? status : null, error, response: Buffer.from("ok") };
    return {
      attempt: { startedAt: clock.now(), duration: 1, ...said, bytes: 2, sha256: null },
      failure: isAnswer ? null : status,
      ...{ retryAfter: isSuccess ? 0 : (retryAfter ?? 0), isLast: abort, pending: [], spread: 0.5 },
    };
  }

  async function open(): Promise<void> {
    store = await openStore(config, testPorts(clock));
    store.configure(settingsOf(config));
    await store.freeLeases(clock.now());
  }

  return {
    hasBackups: store.shared === null,
    pass: (to) => clock.set(to),
    async setBack(by) {
      clock.set(clock.now() - by);
      await store.bringForward(by, clock.now());
    },
    configure(id, isConfigured) {
      if (isConfigured) present.add(id);
      else present.delete(id);
      config = { ...config, endpoints: whole.endpoints.filter((one) => present.has(one.id)) };
      store.configure(settingsOf(config));
    },
    pause: (id) => store.pauseEndpoint(id, "paused by an operator", clock.now()),
    resume: (id) => store.resumeEndpoint(id),
    async accept({ type, v, media, receivedAt, late }, free) {
      const link = (ext: string) => `https://media.example/${v}.${ext}`;
      const links = {
        ...(media === "video" && { videoUrl: link("mp4") }),
        ...(media !== "none" && { thumbnailUrl: link("jpg") }),
      };
      const body = Buffer.from(JSON.stringify({ type, wochitVideoId: v, title: `t${posts++}`, ...links }));
      const received = { receivedAt, sourceAddress: "192.0.2.1", body, late };
      const lease = free === null ? {} : { lease: { endpoints: [free], leaseFor: LEASE } };
      const [job] = (await store.accept({ ...received, ...lease })).leased;
      return job === undefined
        ? null
        : { delivery: (await deliveryIds()).indexOf(job.id), message: job.messageId, job };
    },
    async replay(event, id, newId) {
      const eventId = (await eventIds())[event]!;
      const ordered = optionsOf(id).order === "video";
      return makesSense(store.replay(eventId, { endpoint: id, ordered, newId }, clock.now()));
    },
    async claim(id, limit) {
      if (!present.has(id)) return [];
      const now = clock.now();
      const jobs = (await store.claimDeliveries({ endpoint: id, now, limit, leaseFor: LEASE })).jobs;
      const ids = await deliveryIds();
      return jobs.map((job) => ({ delivery: ids.indexOf(job.id), message: job.messageId, job }));
    },
    renew: ({ job }) => store.renew(job as DeliveryJob, LEASE),
    giveBack: ({ job }) => store.renew(job as DeliveryJob, 0),
    async settle({ job: claimed }, answer) {
      const job = claimed as DeliveryJob;
      const { settled, paused, breaker } = await store.settleDelivery(
        job,
        job.bytes === null ? BODILESS(clock.now()) : outcomeOf(answer),
        clock.now(),
      );
      return { settled, paused, breaker };
    },
    retry: async (delivery) => makesSense(store.retryDelivery(await idAt(delivery), clock.now())),
    cancel: async (delivery) => makesSense(store.cancelDelivery(await idAt(delivery), clock.now())),
    task: ({ verb, endpoint, size, newId }) =>
      makesSense(makeTask(store, { verb, filter: { endpoint }, newId }, clock.now(), size)),
    async batch(verb) {
      const task = await openTask(verb);
      if (task === undefined) return false;
      const job = await claimTask(store, task.id, clock.now());
      const { isOurs } = await store.workTask(job, await store.taskPiece(task.id), LEASE, clock.now());
      await store.renewTask(job, 0);
      return isOurs;
    },
    async cancelTask(verb) {
      const task = await openTask(verb);
      if (task === undefined) return false;
      return makesSense(store.cancelTask(task.id, "canceled", clock.now()));
    },
    forget: (v) => makesSense(store.forgetVideo(v, clock.now())),
    async prune({ bodies, attempts }) {
      // All that there is has a number before any of it goes.
      await Promise.all([deliveryIds(), eventIds()]);
      const now = clock.now();
      const wish = { bodies: now - bodies, attempts: now - attempts, limit: 3, by: "walk", leaseFor: LEASE };
      while ((await store.prune(wish, now))!.isMore);
    },
    async restart() {
      await store.close();
      await open();
    },
    async backup() {
      await copyDatabase(databaseOf(config.dataDir), join(dir, `backup-${++backups}.db`), { clock });
      backedUp = { events: [...(await eventIds())], deliveries: [...(await deliveryIds())] };
    },
    async restore() {
      if (backups === 0) return false;
      await store.close();
      config = { ...config, dataDir: join(dir, `data-${++lives}`) };
      known = { events: [...backedUp.events], deliveries: [...backedUp.deliveries] };
      await restoreDatabase(join(dir, `backup-${backups}.db`), config.dataDir, { clock });
      await open();
      return true;
    },
    nextDue: async (id) => (present.has(id) ? nextDue(store, `deliver/${id}`) : null),
    async view() {
      const ids = { events: await eventIds(), deliveries: await deliveryIds() };
      const found = await all(ids.events, (id) => store.event(id));
      const shown = await all(ids.deliveries, (id) => store.delivery(id));
      const now = clock.now();
      const states = await store.endpoints();
      return {
        sequences: found.map((one) => (one === null ? GONE_EVENT : { v: one.videoId!, sequence: one.sequence! })),
        deliveries: shown.map((one) => {
          if (one === null) return GONE_DELIVERY;
          const { eventId, endpoint, state, attempts, nextAttemptAt, replay, supersededBy, attemptLog } = one;
          return {
            event: ids.events.indexOf(eventId),
            endpoint,
            // A gate whose time has come is opened by the next claim.
            state: state === "waiting" && nextAttemptAt! <= now ? "pending" : state,
            attempts,
            replay,
            supersededBy: supersededBy === null ? null : ids.deliveries.indexOf(supersededBy),
            log: attemptLog.map(({ status }) => status),
          };
        }),
        waits: shown.map((one) => {
          if (one === null || one.waitsFor === null) return null;
          const { is, until, of } = one.waitsFor;
          const at = is === "lane" ? ids.deliveries.indexOf(of!) : -1;
          return { is, until, of: at < 0 ? null : at };
        }),
        dueTimes: shown.map((one) => one?.nextAttemptAt && Math.max(now, one.nextAttemptAt)).map((due) => due ?? null),
        tasks: (await store.tasks({ limit: EVERYTHING }))
          .reverse()
          .map(({ verb, endedAt, done, failed }) => ({ verb, isOpen: endedAt === null, done, failed })),
        paused: states.filter(({ pausedAt }) => pausedAt !== null).map((one) => one.endpoint),
        breakers: Object.keys(ENDPOINTS).map((id) => {
          const health = states.find((one) => one.endpoint === id)?.health;
          return { endpoint: id, probeAt: health?.breaker?.dueAt ?? null, ramp: health?.ramp ?? null };
        }),
      };
    },
    async close() {
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
