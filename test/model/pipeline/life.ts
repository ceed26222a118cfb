import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Hono } from "hono";
import { reprocess } from "../../../src/actions/quarantine.ts";
import { verifyCopies } from "../../../src/actions/verify/copies.ts";
import type { Config } from "../../../src/config/schema.ts";
import { LeaseLost, RelayError } from "../../../src/errors.ts";
import type { Lease, Queue } from "../../../src/jobs/worker.ts";
import { reportMedia } from "../../../src/message/media-reports.ts";
import { type Mirror, openMirror } from "../../../src/mirror/open.ts";
import { mediaRoute } from "../../../src/mirror/serve/route.ts";
import type { DeliveryJob } from "../../../src/model/delivery.ts";
import type { Job } from "../../../src/model/job.ts";
import { LEASE } from "../../../src/model/job.ts";
import type { Medium } from "../../../src/model/medium.ts";
import type { TaskJob } from "../../../src/model/task.ts";
import { createAccept } from "../../../src/receive/accept.ts";
import { openStore } from "../../../src/store/open.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import type { Store } from "../../../src/store/store.ts";
import type { S3Target } from "../../../src/targets/s3/options.ts";
import { sha256Of } from "../../support/bytes.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { nextDue } from "../../support/next-due.ts";
import { answered } from "../../support/outcomes.ts";
import { testClock, testPorts } from "../../support/ports.ts";

/** What of the config changes in a walk. */
export type Settings = { enabled: boolean; target: "one" | "two" | "bucket"; onDelete: "keep" | "delete" };

/** Milliseconds. */
export const DELETE_AFTER = 2 * 3_600_000;

/** What a body said of a medium that it called mirrored. */
export type Said = { v: string; kind: string; key: string; name: string };

export type Copy = { status: number; sha256: string; bytes: number };

/** One life of the pipeline, from its start to its end or its death. All that goes in and out is JSON. */
export type Life = {
  /** An event comes; one that was received before goes through quarantine. */
  post(body: string, receivedAt: number, isLate: boolean): Promise<void>;
  /** How many events there are of a video. */
  events(v: string): Promise<number>;
  /** Takes in what is in quarantine. */
  reprocess(): Promise<void>;
  /** Claims jobs and begins them; how many. */
  work(queue: string, limit: number): Promise<number>;
  /** Jobs that run. */
  running(): Promise<number>;
  /** It is later. `renews`: the leases of what runs are renewed, as by a worker that was not held up. */
  pass(to: number, renews: boolean): Promise<void>;
  /** When anything is due next; null: never. */
  nextDue(): Promise<number | null>;
  /** Bodies of deliveries that are due, on their way; `delivered` ends them. */
  deliver(): Promise<Said[]>;
  delivered(): Promise<void>;
  /** Deliveries that have not ended. */
  undelivered(): Promise<number>;
  retry(mediumId: string): Promise<void>;
  /** Has copies that are elsewhere moved into the present target. */
  move(deleteSource: boolean): Promise<void>;
  /** Cancels that. */
  endMove(): Promise<void>;
  forget(v: string): Promise<void>;
  reload(settings: Settings): Promise<void>;
  media(): Promise<Medium[]>;
  /** What the media route answers. */
  get(key: string): Promise<Copy>;
  /** What `media verify` finds. */
  verify(): Promise<string[]>;
  /** From now on the process dies after so many verbs of the store, or turns of the event loop with work under way. */
  arm(at: "verb" | "turn", after: number): Promise<void>;
  disarm(): Promise<void>;
  /** An orderly end. */
  close(): Promise<void>;
};

export type LifeOptions = {
  /** Holds its data folder. */
  folder: string;
  /** The folders of the local targets are in it; the same path in every life. */
  targets: string;
  bucket: S3Target | null;
  settings: Settings;
  now: number;
  /** It dies after so many verbs of the store, at its start. */
  diesAfter?: number;
  /** The process dies here and now. */
  die(): void;
};

/** The process is dead: what was under way in it comes to nothing. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** A life in this process, which can be made to die: from then on its store does nothing more, and throws Killed. */
export type LocalLife = Life & { kill(): void; isDead(): boolean; abandon(): Promise<void> };

/** Verbs that answer without a promise. */
const AT_ONCE = new Set<keyof Store>(["configure", "trouble", "damage", "disproveDamage", "wasUnclean"]);

type AnyQueue = Queue<Job & never>;
type Running = { job: Job; again: Job | null; abort: AbortController; ended: Promise<void> };

export async function openLife(options: LifeOptions): Promise<LocalLife> {
  const { folder, targets, bucket, die } = options;
  const clock = testClock(options.now);
  const ports = testPorts(clock);
  let isDead = false;
  let armed: { at: "verb" | "turn"; left: number } | null =
    options.diesAfter === undefined ? null : { at: "verb", left: options.diesAfter };

  function moment(at: "verb" | "turn"): void {
    if (isDead || armed?.at !== at || armed.left-- > 0) return;
    armed = null;
    die();
    isDead = true;
  }

  /** A store that dies with the process. */
  function mortal(store: Store): Store {
    const get = (real: Store, verb: keyof Store) => {
      if (verb === "shared") return real.shared;
      const work = real[verb] as (...given: unknown[]) => unknown;
      if (AT_ONCE.has(verb)) return work.bind(real);
      return (...given: unknown[]) => {
        moment("verb");
        if (isDead) return Promise.reject(new Killed(verb));
        return (work.apply(real, given) as Promise<unknown>).then((value) => {
          moment("verb");
          if (isDead) throw new Killed(verb);
          return value;
        });
      };
    };
    return new Proxy(store, { get: (real, verb) => get(real, verb as keyof Store) });
  }

  function configOf({ enabled, target, onDelete }: Settings): Config {
    const config = configIn(folder, {
      mirror: {
        ...{ enabled, onDelete, deleteAfter: `${DELETE_AFTER}ms`, minFreeDisk: 0, links: "open" },
        allowPrivateAddresses: ["127.0.0.1"],
        target: { type: "local", dir: join(targets, target === "two" ? "two" : "one") },
      },
      endpoints: [endpoint("cms", { order: "none", events: ["*"] })],
    });
    const { mirror } = config;
    const former = bucket === null ? [] : [bucket];
    const present = target === "bucket" ? bucket! : mirror.target;
    return { ...config, mirror: { ...mirror, target: present, formerTargets: former } };
  }

  mkdirSync(targets, { recursive: true });
  let config = configOf(options.settings);
  const real = await openStore(config, ports, { role: "relay" });
  const store = mortal(real);
  const running = new Map<string, Running>();
  let mirror: Mirror | null = null;
  let queues: AnyQueue[] = [];
  let sending: DeliveryJob[] = [];
  let moving: { job: TaskJob; abort: AbortController; ended: Promise<void> } | null = null;

  const open = async () => {
    mirror = await openMirror({ config, store, ports, connectTimeout: 5_000 });
    queues = mirror.queues as unknown as AnyQueue[];
  };

  /** As a worker has it: what is claimed anew while it runs goes on under the new claim, or begins anew when it has ended. */
  function begin(queue: AnyQueue, job: Job): void {
    const same = running.get(job.id);
    if (same !== undefined) {
      same.job.claim = job.claim;
      same.again = job;
      return;
    }
    const abort = new AbortController();
    const { signal } = abort;
    const lease: Lease = { signal, ending: signal, yieldSlot() {} };
    const entry: Running = { job, again: null, abort, ended: Promise.resolve() };
    entry.ended = queue
      .run(job as Job & never, lease)
      .catch(() => {}) // Left to its lease.
      .then(async () => {
        const { again } = entry;
        const isWanted = again !== null && (await store.renew(again, LEASE).catch(() => false));
        running.delete(job.id);
        if (isWanted) begin(queue, again!);
      });
    running.set(job.id, entry);
  }

  /** Ends what the mirror moves. The relay's own worker of tasks does so too. */
  async function stopMoving(why: Error): Promise<void> {
    moving?.abort.abort(why);
    await moving?.ended;
  }

  async function stop(): Promise<void> {
    await stopMoving(new Error("the relay is stopping"));
    while (running.size > 0) {
      const jobs = [...running.values()];
      for (const { abort } of jobs) abort.abort(new Error("the relay is stopping"));
      await Promise.all(jobs.map(({ ended }) => ended));
      for (const { job } of jobs) await store.renew(job, 0).catch(() => {});
    }
  }

  function turn(): void {
    if (isDead || armed?.at !== "turn") return;
    if (running.size > 0 || moving !== null) moment("turn");
    setImmediate(turn);
  }

  async function close(): Promise<void> {
    await stop();
    armed = null;
    await mirror?.close();
    await real.close();
  }

  const wish = () => ({ now: clock.now(), limit: 999, leaseFor: LEASE });
  const accept = () => createAccept({ store });
  const app = new Hono();
  app.onError((_error, context) => context.body(null, 500));
  let route: ReturnType<typeof mediaRoute> | null = null;
  app.get("/media/*", (context) => route!(context));

  const life: LocalLife = {
    async post(body, receivedAt, isLate) {
      const bytes = Buffer.from(body);
      const sourceAddress = "192.0.2.1";
      if (!isLate) return void (await accept()(bytes, sourceAddress, receivedAt));
      await store.quarantine({ receivedAt, sourceAddress, reason: "source", body: bytes });
      await life.reprocess();
    },
    events: async (videoId) => (await store.events({ videoId, limit: 999 })).length,
    async reprocess() {
      for (const { id } of (await store.quarantined({ limit: 999 })).reverse()) {
        await reprocess(store, accept(), id).catch((error) => {
          throw isDead ? new Killed("reprocess") : error;
        });
      }
    },
    async work(name, limit) {
      const queue = queues.find((one) => one.name === name);
      if (queue === undefined) return 0;
      const jobs = (await queue.claim({ limit: limit, now: clock.now(), leaseFor: LEASE })).jobs;
      for (const job of jobs) begin(queue, job);
      return jobs.length;
    },
    running: async () => running.size,
    async pass(to, renews) {
      if (renews) for (const { job } of running.values()) await store.renew(job, to + LEASE - clock.now());
      clock.set(Math.max(clock.now(), to));
      await clock.advance(0);
    },
    async nextDue() {
      const due = await Promise.all(
        [...queues.map(({ name }) => name), "deliver/cms" as const].map((name) => nextDue(store, name)),
      );
      const times = due.filter((time) => time !== null);
      return times.length === 0 ? null : Math.min(...times);
    },
    async deliver() {
      sending = (await store.claimDeliveries({ ...wish(), endpoint: "cms" })).jobs;
      return sending.flatMap(({ event, media }) => {
        if (event.dialect === "notice") return [];
        const { media: reports } = reportMedia(media, event.id, (medium) => medium.key!);
        return Object.entries(reports).flatMap(([kind, { status, url, sourceUrl }]) => {
          return status === "mirrored" ? [{ v: event.videoId!, kind, key: url!, name: nameIn(sourceUrl) }] : [];
        });
      });
    },
    async delivered() {
      for (const job of sending.splice(0)) {
        const isNotice = job.event.dialect === "notice";
        const pending = isNotice ? [] : reportMedia(job.media, job.event.id, () => "").pending;
        await store.settleDelivery(job, answered(200, { at: clock.now(), pending }), clock.now());
      }
    },
    async undelivered() {
      const open = await Promise.all(
        (["waiting", "pending", "running", "dead"] as const).map((state) => store.deliveries({ state, limit: 9 })),
      );
      return open.flat().length;
    },
    async retry(mediumId) {
      await store.retryMedium(mediumId, clock.now()).catch(ignoreConflict);
    },
    async move(deleteSource) {
      if (moving !== null) return;
      const claim = async () => (await store.claimTask({ now: clock.now(), leaseFor: LEASE })).job;
      let job = await claim();
      if (job === null) {
        await store.createRun({ verb: "move", options: {}, by: "test" }, clock.now()).catch(ignoreTask);
        job = await claim();
      }
      if (job === null) return;
      const abort = new AbortController();
      const work = async (job: TaskJob) => {
        const end = await mirror!.move(job, { deleteSource, rate: null }, abort.signal);
        if (end === "done") await store.endRun(job, { total: 0, done: 0, failed: 0, error: null }, clock.now());
        else await store.renewTask(job, 0);
      };
      const ended = work(job)
        .catch(() => {}) // Left to its lease.
        .finally(() => {
          moving = null;
        });
      moving = { job, abort, ended };
    },
    async endMove() {
      const open = (await store.tasks({ limit: 9, verb: "move" })).filter(({ endedAt }) => endedAt === null);
      for (const { id } of open) await store.cancelTask(id, "stopped", clock.now());
      await stopMoving(new LeaseLost("the task was canceled"));
    },
    async forget(v) {
      await store.forgetVideo(v, clock.now()).catch(ignoreConflict);
    },
    async reload(settings) {
      await stop();
      const former = mirror;
      const wasMirroring = config.mirror.enabled;
      config = configOf(settings);
      await open();
      store.configure(settingsOf(config));
      route = mediaRoute({ store, copies: mirror!.copies, config: config.mirror, secrets: NO_SECRETS });
      await former?.close();
      if (wasMirroring && !settings.enabled) await store.skipMedia(clock.now());
    },
    media: async () => (await store.media({ limit: 999 })).reverse(),
    async get(key) {
      const answer = await app.request(`/media/${key}`);
      const elsewhere = answer.headers.get("location");
      const bytes = Buffer.from(await (elsewhere === null ? answer : await fetch(elsewhere)).arrayBuffer());
      const status = elsewhere === null ? answer.status : 200;
      return { status, sha256: sha256Of(bytes), bytes: bytes.length };
    },
    async verify() {
      const { targets } = mirror!;
      const found: string[] = [];
      const { signal } = new AbortController();
      await verifyCopies({
        ...{ store, clock, signal, filter: {}, rate: null, mend: false, progress() {}, lookInto: async () => null },
        read: async ({ target, key }, signal) => (await targets.at(target))!.read(key, signal),
        found: ({ key, detail }) => void found.push(`${key} ${detail}`),
        lost: (_target, why) => void found.push(why),
      });
      return found;
    },
    async arm(at, after) {
      armed = { at, left: after };
      if (at === "turn") setImmediate(turn);
    },
    async disarm() {
      armed = null;
    },
    close,
    kill() {
      isDead = true;
    },
    isDead: () => isDead,
    async abandon() {
      isDead = true;
      await close().catch(() => {});
    },
  };

  try {
    await store.freeLeases(clock.now());
    await open();
    route = mediaRoute({ store, copies: mirror!.copies, config: config.mirror, secrets: NO_SECRETS });
    if (!config.mirror.enabled) await store.skipMedia(clock.now());
    return life;
  } catch (error) {
    await life.abandon();
    throw error;
  }
}

function ignoreConflict(error: unknown): void {
  if (!(error instanceof RelayError && ["conflict", "not_found"].includes(error.code))) throw error;
}

/** One of the life before has not ended, and its lease neither. */
function ignoreTask(error: unknown): void {
  if (!(error instanceof RelayError && error.code === "task_running")) throw error;
}

/** The file that a link leads to: `v/a.mp4`. Empty: the link was erased. */
export function nameIn(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname.slice(1) : "";
}

/** Links are open. */
const NO_SECRETS = { isSigned: async () => false };
