import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RelayError } from "../../../src/errors.ts";
import type { DeliveryJob } from "../../../src/model/delivery.ts";
import { openPostgresStore } from "../../../src/store/postgres/open.ts";
import { isTrouble } from "../../../src/store/postgres/wire/errors.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import type { Accepted, Store } from "../../../src/store/store.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { answered } from "../../support/outcomes.ts";
import { testClock, testPorts } from "../../support/ports.ts";
import { byTimeOf, wireTo } from "../../support/postgres-store.ts";
import { waitFor } from "../../support/wait.ts";
import { Broken } from "../broken.ts";
import type { Failure } from "../walk.ts";
import { openDatabase, type ReplicatedDatabase } from "./database.ts";
import type { Play } from "./play.ts";
import { type Attempt, Judge } from "./promises.ts";
import { type How, tamper } from "./tampered-wire.ts";

const LEASE = 20_000;
const CONCURRENCY = 3;
/** An epoch's first 25 s are without claims. */
const CALM = 26_000;
const EVERYTHING = 9_999;
const PAGE = 3;

type Job = Attempt & { job: DeliveryJob; wasSent: boolean };

type Relay = {
  dataDir: string;
  name: string;
  /** Null: it is dead. */
  store: Store | null;
  wire: ReturnType<typeof tamper> | null;
  life: number;
  isFrozen: boolean;
  jobs: Job[];
  /** Sent, and their lease has run out. */
  stale: Job[];
};

type Request = {
  video: string;
  body: string;
  answered: string | null;
  acks: { relay: number; life: number; epoch: string }[];
  isForgotten: boolean;
};

type Reader = { epoch: string | null; position: string | null };

/** Two stores on one database that is lost for an older one now and then, and the world around them, judged as the model is. */
class Relays {
  readonly #clock = testClock();
  readonly #judge = new Judge(2 * CONCURRENCY);
  readonly #database: ReplicatedDatabase;
  readonly #dir = mkdtempSync(join(tmpdir(), "wochit-relay-cluster-"));
  readonly #relays: Relay[];
  readonly #requests: Request[] = [];
  readonly #readers: Reader[] = [];
  /** The one whose COMMIT is awaited. */
  #slow: { relay: Relay; video: string; answer: Promise<unknown> } | null = null;
  #hasStandby = false;

  constructor(database: ReplicatedDatabase) {
    this.#database = database;
    const life = { store: null, wire: null, life: 0, isFrozen: false, jobs: [], stale: [] };
    this.#relays = [0, 1].map((n) => ({
      dataDir: join(this.#dir, `${n}`),
      name: `relay-${n}`,
      ...structuredClone(life),
    }));
  }

  async apply(play: Play): Promise<unknown> {
    if ("relay" in play) {
      const relay = this.#relays[play.relay]!;
      if (play.do === "start") return relay.store === null && this.#start(relay);
      if (play.do === "thaw") return relay.isFrozen && this.#thaw(relay);
      const { store } = relay;
      if (store === null || relay.isFrozen) return;
      // One transaction of a relay is slow at a time, and it does nothing else.
      if (this.#slow?.relay === relay && play.do !== "read") await this.#letGo();
      switch (play.do) {
        case "post":
          return this.#post(relay, store, play);
        case "claim":
          return this.#claim(relay, store, play.how);
        case "send":
          return this.#send(relay, play.pick);
        case "settle":
          return this.#settle(relay, store, play);
        case "drop":
          return this.#database.cut(relay.name);
        case "kill":
          return this.#kill(relay, store);
        case "freeze":
          relay.isFrozen = true;
          return;
        case "forget":
          return this.#forget(store, play.video);
        case "read":
          return this.#read(play.reader, store);
      }
    }
    switch (play.do) {
      case "post twice":
        return this.#postTwice(play.video);
      case "let go":
        return this.#letGo();
      case "tick":
        return this.#tick(play.ms);
      case "replicate":
        await this.#letGo();
        await this.#database.replicate();
        this.#hasStandby = true;
        return;
      case "failover":
        if (!this.#hasStandby) return;
        this.#hasStandby = false;
        // Who is at it hears nothing any more.
        await Promise.all([this.#database.takeOver(), this.#letGo()]);
        return;
      case "epoch":
        await Promise.all([this.#database.beginEpoch(this.#clock.now()), this.#letGo()]);
    }
  }

  async open(): Promise<void> {
    await Promise.all(this.#relays.map((relay) => this.#start(relay)));
  }

  async #start(relay: Relay): Promise<void> {
    const { dataDir, name } = relay;
    const config = configIn(this.#dir, {
      endpoints: [endpoint("cms", { send: "immediately", body: "verbatim", concurrency: CONCURRENCY })],
      mirror: { enabled: false },
    });
    const wire = tamper(await wireTo(this.#database.url(name)));
    const opening = { dataDir, settings: settingsOf(config) };
    const store = await openPostgresStore(opening, wire.way, byTimeOf(testPorts(this.#clock)), { role: "relay" });
    await store.freeLeases(this.#clock.now());
    Object.assign(relay, { store, wire, life: relay.life + 1, isFrozen: false, jobs: [], stale: [] });
  }

  async #kill(relay: Relay, store: Store): Promise<void> {
    Object.assign(relay, { store: null, wire: null, jobs: [], stale: [] });
    await store.close();
  }

  #thaw(relay: Relay): void {
    relay.isFrozen = false;
    this.#lapse(relay);
  }

  #tick(ms: number): void {
    this.#clock.set(this.#clock.now() + ms);
    for (const relay of this.#relays) if (!relay.isFrozen) this.#lapse(relay);
  }

  /** It works on nothing whose lease has run out. */
  #lapse(relay: Relay): void {
    const isOver = ({ until }: Job) => until <= this.#clock.now();
    relay.stale.push(...relay.jobs.filter((job) => isOver(job) && job.wasSent));
    relay.jobs = relay.jobs.filter((job) => !isOver(job));
  }

  async #letGo(): Promise<void> {
    const { relay, answer } = this.#slow ?? {};
    this.#slow = null;
    relay?.wire?.letGo();
    await answer;
  }

  // Events.

  #request(video: string, is?: "plain" | "repeated"): number | null {
    const last = this.#requests.findLast((one) => one.video === video);
    if (is === "repeated" && last === undefined) return null;
    const title = `${this.#requests.length}`;
    const type = is === "plain" ? "draft.update" : "video.ready";
    const body = is === "repeated" ? last!.body : JSON.stringify({ type, wochitVideoId: video, title });
    const request = this.#requests.push({ video, body, answered: null, acks: [], isForgotten: false }) - 1;
    this.#judge.posted(request, video);
    return request;
  }

  async #accept(request: number, relay: Relay, store: Store): Promise<void> {
    const { body, acks } = this.#requests[request]!;
    const { life } = relay;
    const received = { receivedAt: this.#clock.now(), sourceAddress: "192.0.2.1", body: Buffer.from(body) };
    const epoch = await patient(() => store.epoch());
    this.#acknowledged(request, await store.accept(received));
    acks.push({ relay: this.#relays.indexOf(relay), life, epoch });
  }

  #acknowledged(request: number, { id, status }: Accepted): void {
    if (status === "accepted") this.#judge.named(id, request);
    this.#judge.acknowledged(request, id);
    this.#requests[request]!.answered = id;
  }

  async #post(relay: Relay, store: Store, { video, is, how = "ok" }: Extract<Play, { do: "post" }>): Promise<void> {
    // Its lock is waited for.
    if (this.#slow?.video === video || (how === "slow" && this.#slow !== null)) await this.#letGo();
    const request = this.#request(video, is);
    if (request === null) return;
    const [answer] = await relay.wire!.plan(how, () => this.#accept(request, relay, store));
    if (how === "slow") this.#slow = { relay, video, answer: answer! };
  }

  async #postTwice(video: string): Promise<void> {
    await this.#letGo();
    const alive = this.#relays.filter(({ store, isFrozen }) => store !== null && !isFrozen);
    const first = this.#request(video)!;
    const requests = alive.map((_, at) => (at === 0 ? first : this.#request(video, "repeated")!));
    await Promise.all(alive.map((relay, at) => this.#accept(requests[at]!, relay, relay.store!)));
  }

  async #forget(store: Store, video: string): Promise<void> {
    await this.#letGo();
    try {
      await patient(() => store.forgetVideo(video, this.#clock.now()));
    } catch (error) {
      if (error instanceof RelayError && ["not_found", "conflict"].includes(error.code)) return;
      throw error;
    }
    this.#judge.forgotten(video);
    // What is received in its millisecond counts as erased, where it is lost.
    this.#tick(1);
    for (const one of this.#requests) if (one.video === video) one.isForgotten = true;
  }

  // Deliveries.

  async #claim(relay: Relay, store: Store, how: How = "ok"): Promise<void> {
    const limit = CONCURRENCY - relay.jobs.length;
    if (limit === 0) return;
    const now = this.#clock.now();
    const wish = { endpoint: "cms", now, limit, leaseFor: LEASE };
    const [claimed] = await relay.wire!.plan(how, () => store.claimDeliveries(wish));
    for (const job of (await claimed!).jobs) {
      const { messageId: name, videoId: video, event, claim } = job;
      const token = `${job.id} ${claim}`;
      const attempt: Attempt = {
        ...{ relay: this.#relays.indexOf(relay), name, video, sequence: event.sequence!, isLate: event.late },
        ...{ token, until: now + LEASE },
      };
      const underWay = this.#relays.flatMap(({ jobs }) => jobs.filter(({ until }) => until > now));
      this.#judge.begun(attempt, underWay);
      relay.jobs.push({ ...attempt, job, wasSent: false });
    }
  }

  #send({ jobs }: Relay, pick: number): void {
    const fit = jobs.filter(({ wasSent }) => !wasSent);
    const job = fit[pick % Math.max(1, fit.length)];
    if (job === undefined) return;
    job.wasSent = true;
    this.#judge.sent(job);
  }

  async #settle(relay: Relay, store: Store, { pick, how = "ok" }: { pick: number; how?: How }): Promise<void> {
    const fit = [...relay.jobs, ...relay.stale].filter(({ wasSent }) => wasSent);
    const one = fit[pick % Math.max(1, fit.length)];
    if (one === undefined) return;
    if (this.#slow?.video === one.video) await this.#letGo();
    relay.jobs = relay.jobs.filter((job) => job !== one);
    relay.stale = relay.stale.filter((job) => job !== one);
    const now = this.#clock.now();
    const [settling] = await relay.wire!.plan(how, () =>
      store.settleDelivery(one.job, answered(200, { at: now }), now),
    );
    const { settled } = await settling!;
    // One that is frozen has claims whose time is over.
    const held = this.#relays
      .flatMap(({ jobs }) => jobs)
      .find(({ job, until }) => job.id === one.job.id && job !== one.job && until > now);
    if (settled && held) this.#judge.settled(one.token, held.token);
  }

  // The feed.

  /** How many events a page has. Behind a position of another epoch a reader begins anew, as it is asked to. */
  async #read(n: number, store: Store): Promise<number> {
    this.#readers[n] ??= { epoch: null, position: null };
    const reader = this.#readers[n];
    const { position } = reader;
    const after = position === null ? ("oldest" as const) : { position };
    const page = await patient(() => store.feed({ after, limit: PAGE }));
    if (reader.epoch !== null && reader.epoch !== page.epoch) {
      this.#readers[n] = { epoch: null, position: null };
      this.#judge.readsAnew(n);
      return this.#read(n, store);
    }
    const names = page.events.map(({ event }) => event.id);
    this.#judge.read(n, page.epoch, names);
    Object.assign(reader, { epoch: page.epoch, position: page.position });
    return names.length;
  }

  /** All mends; then nothing may be missing, and all arrives. */
  async end(): Promise<void> {
    await this.#letGo();
    for (const relay of this.#relays) {
      if (relay.isFrozen) this.#thaw(relay);
      if (relay.store === null) await this.#start(relay);
    }
    const { store } = this.#relays[0]! as { store: Store };
    for (const [request, one] of this.#requests.entries()) await this.#judgeRequest(request, one, store);
    for (const number of await this.#database.epochs()) this.#judge.beganEpoch(number);
    const events = (await patient(() => store.events({ limit: EVERYTHING }))).filter(({ videoId }) => videoId !== null);
    this.#judge.ended(
      events.map(({ id: name, videoId, sequence }) => ({
        ...{ name, request: this.#judge.requestOf(name), video: videoId!, sequence: sequence! },
      })),
    );
    for (const reader of this.#readers.keys()) {
      while ((await this.#read(reader, store)) > 0);
      this.#judge.readAll(
        reader,
        events.map(({ id }) => id),
      );
    }
    await this.#drain(store);
  }

  /** What is missing may be on its way back, where a relay lives that knows it. */
  async #judgeRequest(request: number, { answered, acks, isForgotten }: Request, store: Store): Promise<void> {
    if (answered === null || isForgotten) return;
    const isThere = () =>
      store.event(answered).then(
        () => true,
        () => false,
      );
    if (await isThere()) return;
    const all = this.#requests.filter((one) => one.answered === answered).flatMap((one) => one.acks);
    const lives = all.some(({ relay, life }) => this.#relays[relay]!.life === life);
    if (lives && (await waitFor(isThere, 15_000).catch(() => false))) return;
    const epoch = await patient(() => store.epoch());
    this.#judge.lost(request, { mayBe: !lives, isTold: acks.some((ack) => ack.epoch !== epoch) });
  }

  /** The app has all in the end. */
  async #drain(store: Store): Promise<void> {
    for (let rounds = 0; rounds < 99; rounds++) {
      const isLeft = { limit: EVERYTHING, states: ["pending", "running", "waiting"] } as Parameters<
        Store["deliveries"]
      >[0];
      const left = await patient(() => store.deliveries(isLeft));
      if (left.length === 0) return;
      for (const relay of this.#relays) {
        await this.#claim(relay, relay.store!);
        while (relay.jobs.length > 0) {
          this.#send(relay, 0);
          await this.#settle(relay, relay.store!, { pick: 0 });
        }
      }
      if (rounds % 3 === 2) this.#tick(CALM);
    }
    throw new Broken("what waits is sent in the end", "");
  }

  async close(): Promise<void> {
    for (const relay of this.#relays) relay.wire?.letGo();
    await this.#slow?.answer.catch(() => {});
    await Promise.all(this.#relays.map(({ store }) => store?.close()));
    await this.#database.remove();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** What reads is not asked again by itself where its connection is lost. */
async function patient<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!isTrouble(error) || tries === 9) throw error;
    }
  }
}

/** Whether stores on a PostgreSQL keep the promises of relays, whatever is done to them. Null: all is well. */
export async function onPostgres(list: Play[]): Promise<Failure | null> {
  const relays = new Relays(await openDatabase());
  let step = "at the start";
  try {
    await relays.open();
    for (const [nth, play] of list.entries()) {
      step = `step ${nth + 1}, ${JSON.stringify(play)}`;
      await relays.apply(play);
    }
    step = "in the end";
    await relays.end();
    return null;
  } catch (error) {
    if (error instanceof Broken) return { promise: error.promise, detail: `${step}\n  ${error.message}` };
    return { promise: "no errors", detail: `${step}\n  ${(error as Error).stack}` };
  } finally {
    await relays.close();
  }
}
