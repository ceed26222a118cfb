/**
 * CONTRACT, "How deliveries go", as a program. Times are milliseconds since 1970, and arguments. Events and deliveries go by
 * number, in order of their making.
 */

export const START = Date.UTC(2026, 0, 1);

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const LEASE = 30 * SECOND;
const THUMBNAIL_HOLD = 30 * SECOND;
/** How far a `Retry-After` may push an attempt beyond its schedule. */
const HINT_LIMIT = HOUR;
/** The breaker: it opens at so many failures in a row; at few of name, connection or TLS, over a minute. */
const OPENS_AT = 10;
const FEW = 3;
const FEW_OVER = MINUTE;
/** The distances between probes. */
const FIRST_PROBE = 5 * SECOND;
const LAST_PROBE = 5 * MINUTE;

/** What an epoch is greater by than the one before it, where the clock is behind. */
const EPOCH_STEP = 2 ** 20;

/** `retry`: the waits between attempts; `maxWait`: null where the endpoint waits for no media. */
export type Options = {
  order: "video" | "none";
  maxWait: number | null;
  retry: number[];
  laneHold: number;
  coalesce: string[];
  concurrency: number;
};
export type Post = {
  type: string;
  v: string;
  media: "none" | "thumbnail" | "video";
  receivedAt: number;
  late: boolean;
};
/** What came of an attempt: no answer, or its status. `retryAfter`: in milliseconds, null where not said. */
export type Answer = { status: number | "connection" | "timeout"; retryAfter: number | null; abort?: boolean };
export type Claim = { delivery: number; claim: number };
export type Settled = { settled: boolean; paused: boolean; breaker: "opened" | "closed" | null };

/** What the rules can be given wrong; each is found by the walks. */
export const MISTAKES = [
  "a failing head lets others pass",
  "one that is retried is sent beside its lane",
  "one that is retried keeps its spent attempts",
  "one whose body is gone is retried",
  "one that is retried passes its gate",
  "canceled while it runs, it ends at once",
  "canceled while it runs, it is delivered no longer",
  "canceled after its lease ran out, it counts as running",
  "a lease that runs out lets others of its lane pass",
  "what is given back counts as running",
  "a deletion opens no gate",
  "a Retry-After hastens",
  "laneHold counts the wait that is to come",
  "one that is dead ends the haste of its lane",
  "one that is aside passes those before it",
  "two 410s of one video pause",
  "a late 410 pauses anew",
  "a lost claim settles",
  "an attempt that died with the process is spent",
  "a restore goes on with the old sequences",
  "a clock that is set back puts retries off",
  "answers of the event's own open the breaker",
  "one video alone opens the breaker",
  "any attempt closes the breaker",
  "two probes at once",
  "one that is retried waits for the next probe",
  "a probe spends",
  "a probe of the video that fails alone spends nothing",
  "an early attempt spends",
  "a probe is made of one that waits after an answer of its own",
  "a probe is made before the Retry-After of its delivery",
  "the oldest is probed again and again",
  "a closed breaker brings all forward",
  "a closed breaker brings forward what asked to wait",
  "a closed breaker has no ramp",
  "a replay stands at the end of its lane",
  "a coalesced one begins its waits anew",
  "a coalesced one stays in its lane",
  "a coalesced one is put off by what it supersedes",
  "a late event supersedes",
  "one that ran when a newer one came goes on",
  "a replay is superseded",
  "what a replay has delivered stays dead",
  "a message that is not wanted is sent again",
  "a task acts on what has changed",
  "a task takes what is newer than itself",
  "a task that cancels works oldest first",
  "a task that retries works in order of making",
  "a task that is canceled goes on",
  "what waits is pruned",
  "what was replayed is pruned with its event",
  "the last attempt is pruned before the body",
  "the newest autosave goes whole",
  "an autosave that is the newest no longer stays",
  "a late autosave goes whole",
] as const;
export type Mistake = (typeof MISTAKES)[number];

type Event = Pick<Post, "v" | "type" | "media" | "late" | "receivedAt"> & {
  sequence: number;
  /** When it was accepted. */
  at: number;
  isErased: boolean;
  /** Retention has taken its body; and the event itself. */
  isPruned: boolean;
  isGone: boolean;
};
type State = "pending" | "running" | "delivered" | "dead" | "canceled" | "superseded";
type Kind = "success" | "event" | "shared" | "always" | "none";
type Delivery = {
  event: number;
  type: string;
  endpoint: string;
  isOrdered: boolean;
  isReplay: boolean;
  /** What its `webhook-id` names: equal for one message, and for no other. */
  message: string;
  state: State;
  /** Canceled, or erased, while it ran. */
  isCanceled: boolean;
  /** It was erased before it was claimed: there is nothing to send. */
  isBodiless: boolean;
  /** When its gate opens by itself; null: it has opened. */
  gateAt: number | null;
  due: number;
  /** Since when it leads its lane; null: it does not. */
  leadsSince: number | null;
  attempts: number;
  /** Its schedule: waits used up, those been through, the present one, and when that names the next attempt. */
  spent: number;
  waited: number;
  wait: number;
  scheduled: number;
  /** Nothing before then: it was asked for. */
  hint: number;
  /** When its last attempt began, and what its last failure spoke of. */
  triedAt: number | null;
  failedBy: "event" | "shared" | "always" | null;
  isProbe: boolean;
  supersededBy: number | null;
  claim: number;
  leaseUntil: number;
  isAside: boolean;
  /** Null: it has not ended. */
  settledAt: number | null;
  /** Grows whenever it ends or is retried. */
  generation: number;
  log: (number | null)[];
};
type Breaker = {
  count: number;
  since: number | null;
  videos: string[];
  probeAt: number | null;
  distance: number;
  ramp: number | null;
};
type Endpoint = {
  options: Options;
  isConfigured: boolean;
  isPaused: boolean;
  gone: string | null;
  hasty: Set<string>;
  breaker: Breaker;
};

/** What a task has still to do: what matched when it was made, and how that stood; in order. */
type Todo = { at: number; generation: number };
type Task = {
  verb: "retry" | "cancel" | "replay";
  endpoint: string;
  size: number;
  newId: boolean;
  todo: Todo[];
  isOpen: boolean;
  done: number;
  failed: number;
};

type Kept = {
  epoch: number;
  events: Event[];
  deliveries: Delivery[];
  /** By video: the last sequence, and whether anything came since it was erased. */
  videos: Map<string, { sequence: number; hasMore: boolean }>;
  endpoints: Map<string, Endpoint>;
  tasks: Task[];
};

export type SeenDelivery = {
  event: number;
  endpoint: string;
  state: string;
  attempts: number;
  replay: boolean;
  supersededBy: number | null;
  log: (number | null)[];
};

export class DeliveryModel {
  now = START;
  #kept: Kept = { epoch: 0, events: [], deliveries: [], videos: new Map(), endpoints: new Map(), tasks: [] };
  #backup: Kept | null = null;
  /** Claims, and the ids that replays ask for, are never given twice, also after a restore. */
  #claims = 0;
  #newIds = 0;
  readonly #mistake: Mistake | null;

  constructor(endpoints: Record<string, Options>, mistake: Mistake | null = null) {
    this.#mistake = mistake;
    for (const [id, options] of Object.entries(endpoints)) {
      const breaker = { count: 0, since: null, videos: [], probeAt: null, distance: 0, ramp: null };
      const state = { isConfigured: true, isPaused: false, gone: null, hasty: new Set<string>(), breaker };
      this.#kept.endpoints.set(id, { options, ...state });
    }
  }

  pass(to: number): void {
    this.now = to;
    this.#turns();
  }

  /** What was to come stays as far away as it was. */
  setBack(by: number): void {
    this.now -= by;
    if (this.#mistake === "a clock that is set back puts retries off") return;
    for (const { breaker } of this.#kept.endpoints.values()) {
      if (breaker.since !== null) breaker.since -= by;
      if (breaker.probeAt !== null) breaker.probeAt -= by;
    }
    for (const d of this.#kept.deliveries) {
      if (isSettled(d)) continue;
      d.due -= by;
      d.scheduled -= by;
      d.hint -= by;
      if (d.triedAt !== null) d.triedAt -= by;
      d.leaseUntil -= by;
      if (d.gateAt !== null) d.gateAt -= by;
      if (d.leadsSince !== null) d.leadsSince -= by;
    }
  }

  configure(id: string, isConfigured: boolean): void {
    this.#endpoint(id).isConfigured = isConfigured;
  }

  pause(id: string): void {
    Object.assign(this.#endpoint(id), { isPaused: true, gone: null });
  }

  resume(id: string): void {
    Object.assign(this.#endpoint(id), { isPaused: false, gone: null });
    this.#probeNow(id);
  }

  #probeNow(endpoint: string): void {
    const { breaker } = this.#endpoint(endpoint);
    if (breaker.probeAt !== null) breaker.probeAt = Math.min(breaker.probeAt, this.now);
  }

  accept({ type, v, media, receivedAt, late }: Post): number {
    const video = this.#kept.videos.get(v) ?? { sequence: 0, hasMore: false };
    const floor = this.#mistake === "a restore goes on with the old sequences" ? 0 : this.#kept.epoch;
    const sequence = Math.max(video.sequence, floor) + 1;
    this.#kept.videos.set(v, { sequence, hasMore: true });
    if (type.endsWith(".delete") && !late && this.#mistake !== "a deletion opens no gate") {
      for (const d of this.#unsettled(v)) this.#openGate(d);
    }
    const event = this.#kept.events.push({ v, sequence, type, late, receivedAt, media, ...NEW, at: this.now }) - 1;
    for (const [id, { isConfigured, options }] of this.#kept.endpoints) {
      if (!isConfigured) continue;
      const { maxWait } = options;
      const hold = maxWait === null || media === "none" ? 0 : media === "video" ? maxWait : THUMBNAIL_HOLD;
      const gateAt = receivedAt + Math.min(hold, maxWait ?? 0);
      const d = this.#add(event, id, null, gateAt > this.now ? gateAt : null, type);
      const coalesces = options.coalesce.includes(type) && (!late || this.#mistake === "a late event supersedes");
      if (coalesces)
        this.#supersede(
          this.#sameAs(d).filter(({ state }) => state === "pending"),
          d,
        );
    }
    this.#turns();
    return event;
  }

  replay(event: number, endpoint: string, withNewId: boolean, newId = `${this.#newIds + 1}`): boolean {
    if (isBodiless(this.#kept.events[event]!)) return false;
    this.#newIds++;
    this.#add(event, endpoint, withNewId ? `new ${newId}` : "same", null, this.#kept.events[event]!.type);
    this.#turns();
    return true;
  }

  #add(event: number, endpoint: string, replay: string | null, gateAt: number | null, type: string): Delivery {
    const { v, sequence } = this.#kept.events[event]!;
    const message = replay?.startsWith("new") ? replay : `${v}#${sequence}`;
    const isOrdered = this.#endpoint(endpoint).options.order === "video";
    const d: Delivery = {
      ...{ event, type, endpoint, isReplay: replay !== null, message, gateAt, isOrdered },
      ...{
        state: "pending",
        isCanceled: false,
        isBodiless: false,
        due: this.now,
        leadsSince: null,
        attempts: 0,
        claim: 0,
        leaseUntil: 0,
      },
      ...{ spent: 0, waited: 0, wait: 0, scheduled: this.now, hint: 0, triedAt: null, failedBy: null, isProbe: false },
      ...{ isAside: false, settledAt: null, generation: 0, supersededBy: null, log: [] },
    };
    this.#kept.deliveries.push(d);
    return d;
  }

  /** The others of its video, endpoint and type that it may supersede, or that may supersede it. */
  #sameAs(d: Delivery): Delivery[] {
    return this.#of(d.endpoint)
      .filter((o) => o !== d && o.type === d.type && this.#videoOf(o) === this.#videoOf(d))
      .filter((o) => !o.isReplay || this.#mistake === "a replay is superseded")
      .sort((a, b) => this.#order(a, b));
  }

  #supersede(olds: Delivery[], by: Delivery): void {
    for (const old of olds) {
      if (by.gateAt !== null) by.gateAt = old.gateAt === null ? null : Math.min(by.gateAt, old.gateAt);
      if (this.#mistake !== "a coalesced one begins its waits anew") by.waited = Math.max(by.waited, old.waited);
      if (old.failedBy === null) by.due = Math.min(by.due, old.due);
      if (old.isAside && this.#mistake !== "a coalesced one stays in its lane") by.isAside = true;
      old.supersededBy = this.#kept.deliveries.indexOf(by);
      this.#end(old, "superseded");
    }
    // Of those that failed the first of the lane says when the next attempt is: those behind it only waited for it.
    const failed = olds.find((old) => old.failedBy !== null);
    if (!failed || by.failedBy !== null) return;
    if (failed.failedBy === "event" && this.#mistake !== "a coalesced one is put off by what it supersedes") return;
    const { due, scheduled, hint, wait, failedBy, triedAt } = failed;
    Object.assign(by, { due, scheduled, hint, wait, failedBy, triedAt });
  }

  /** Those that may be sent now, each with the bounds of the time by which it is in order. */
  claimable(endpoint: string): { delivery: number; from: number; to: number }[] {
    this.#loseLeases(endpoint);
    return this.#mayGo(endpoint).map((d) => {
      const from = d.state === "running" ? d.leaseUntil : Math.max(d.due, d.gateAt ?? d.due);
      // A probe is what was tried longest ago.
      if (this.#isOpen(endpoint)) return { delivery: this.#kept.deliveries.indexOf(d), from: 0, to: Number.MAX_VALUE };
      return { delivery: this.#kept.deliveries.indexOf(d), from, to: Math.max(from, d.leadsSince ?? from) };
    });
  }

  claim(delivery: number): Claim {
    const d = this.#delivery(delivery);
    const isProbe = this.#isOpen(d.endpoint);
    Object.assign(d, { state: "running", gateAt: null, claim: ++this.#claims, leaseUntil: this.now + LEASE });
    Object.assign(d, { isProbe, triedAt: this.now });
    d.isBodiless = this.isErased(delivery);
    this.#turns();
    return { delivery, claim: d.claim };
  }

  renew({ delivery, claim }: Claim): boolean {
    const d = this.#kept.deliveries[delivery];
    if (d?.state !== "running" || d.claim !== claim) return false;
    d.leaseUntil = this.now + LEASE;
    return true;
  }

  /** Its worker takes nothing more and has not settled it. False: the claim was lost. */
  giveBack({ delivery, claim }: Claim): boolean {
    const d = this.#kept.deliveries[delivery];
    if (d?.state !== "running" || d.claim !== claim) return false;
    if (this.#mistake === "what is given back counts as running") d.leaseUntil = this.now;
    else this.#free(d, this.now);
    this.#turns();
    return true;
  }

  settle({ delivery, claim }: Claim, answer: Answer): Settled {
    const d = this.#kept.deliveries[delivery];
    const isLost = d?.state !== "running" || (d.claim !== claim && this.#mistake !== "a lost claim settles");
    if (isLost) return { settled: false, paused: false, breaker: null };
    const status = d.isBodiless || typeof answer.status === "string" ? null : answer.status;
    d.attempts++;
    d.log.push(status);
    const kind = d.isBodiless ? "none" : kindOf(answer);
    const wasOpen = this.#isOpen(d.endpoint);
    const counted = this.#judge(d, kind, answer);
    const paused = kind !== "none" && this.#countGone(d, status);
    const newer = this.#newer(d);
    if (
      kind === "success" &&
      !(d.isCanceled && this.#mistake === "canceled while it runs, it is delivered no longer")
    ) {
      this.#end(d, "delivered");
      if (d.isOrdered) this.#endpoint(d.endpoint).hasty.delete(this.#videoOf(d));
    } else if (d.isCanceled) this.#end(d, "canceled");
    else if (d.isBodiless || (answer.abort && this.#mistake !== "a message that is not wanted is sent again"))
      this.#die(d);
    else this.#fail(d, kind as Exclude<Kind, "success" | "none">, counted, answer);
    if (newer !== null && d.state === "pending") this.#supersede([d], newer);
    d.isProbe = false;
    this.#turns();
    const isOpen = this.#isOpen(d.endpoint);
    return { settled: true, paused, breaker: isOpen === wasOpen ? null : isOpen ? "opened" : "closed" };
  }

  /** What supersedes one that ran when it came, and fails. */
  #newer(d: Delivery): Delivery | null {
    if (d.isReplay || !this.#endpoint(d.endpoint).options.coalesce.includes(d.type)) return null;
    if (this.#mistake === "one that ran when a newer one came goes on") return null;
    const later = this.#sameAs(d).filter((o) => o.state === "pending" && o.event > d.event);
    return later.find((o) => !this.#kept.events[o.event]!.late) ?? null;
  }

  #fail(d: Delivery, kind: "event" | "shared" | "always", counted: boolean, { retryAfter }: Answer): void {
    const { options, hasty } = this.#endpoint(d.endpoint);
    const video = this.#videoOf(d);
    const isLone =
      kind === "shared" && !counted && this.#mistake !== "a probe of the video that fails alone spends nothing";
    const isFreeProbe = d.isProbe && kind !== "event" && !isLone && this.#mistake !== "a probe spends";
    const isEarly = d.triedAt! < d.scheduled && this.#mistake !== "an early attempt spends";
    d.failedBy = kind;
    d.state = "pending";
    if (!isFreeProbe && !isEarly) {
      const wait = options.retry[d.spent];
      if (wait === undefined) return this.#die(d);
      d.spent++;
      d.waited += this.#mistake === "laneHold counts the wait that is to come" ? wait : d.wait;
      d.wait = wait;
      d.scheduled = this.now + wait;
      if (d.isOrdered && !d.isAside && (d.waited >= options.laneHold || hasty.has(video))) {
        d.isAside = true;
        hasty.add(video);
      }
    }
    const asked = this.now + (retryAfter ?? 0);
    d.due = Math.max(d.scheduled, Math.min(asked, Math.max(this.now, d.scheduled) + HINT_LIMIT));
    if (this.#mistake === "a Retry-After hastens" && retryAfter !== null) d.due = asked;
    d.hint = retryAfter === null ? 0 : this.now + Math.min(retryAfter, HINT_LIMIT);
  }

  /** The breaker. True: the failure is taken to speak of the endpoint. */
  #judge(d: Delivery, kind: Kind, { status, retryAfter }: Answer): boolean {
    const { breaker: b, options } = this.#endpoint(d.endpoint);
    const isOpen = b.probeAt !== null;
    if (kind === "none") return false;
    if (kind === "success" || (kind === "event" && this.#mistake !== "answers of the event's own open the breaker")) {
      Object.assign(b, { count: 0, since: null, videos: [] });
      if (isOpen && (d.isProbe || this.#mistake === "any attempt closes the breaker")) this.#close(d.endpoint);
      else if (!isOpen && b.ramp !== null && kind === "success") b.ramp = this.#widen(b.ramp * 2, options);
      return false;
    }
    const video = this.#videoOf(d);
    if (kind !== "always" && !b.videos.includes(video)) b.videos.push(video);
    const isKnown = b.videos.length > 1 || this.#mistake === "one video alone opens the breaker";
    const counted = kind !== "shared" || isKnown;
    if (counted) {
      b.count++;
      b.since ??= this.now;
    }
    const asked = retryAfter === null || retryAfter === 0 ? 0 : this.now + Math.min(retryAfter, HINT_LIMIT);
    if (b.probeAt !== null) {
      if (d.isProbe) {
        b.distance = Math.min(b.distance * 2, LAST_PROBE);
        b.probeAt = this.now + b.distance;
      }
      b.probeAt = Math.max(b.probeAt, asked);
      return counted;
    }
    const isFew = kind === "always" && b.count >= FEW && this.now - b.since! >= FEW_OVER;
    if (b.count < OPENS_AT && !isFew && !(status === 429 && asked > 0 && b.videos.length > 1)) return counted;
    Object.assign(b, { distance: FIRST_PROBE, probeAt: Math.max(this.now + FIRST_PROBE, asked), ramp: null });
    return counted;
  }

  #widen(ramp: number, { concurrency }: Options): number | null {
    return ramp >= concurrency || this.#mistake === "a closed breaker has no ramp" ? null : ramp;
  }

  #close(endpoint: string): void {
    const { breaker, options } = this.#endpoint(endpoint);
    Object.assign(breaker, { probeAt: null, ramp: this.#widen(1, options) });
    for (const d of this.#of(endpoint)) {
      if (d.state !== "pending" || d.due <= this.now) continue;
      const isOurs = d.failedBy === "always" || d.failedBy === "shared";
      if (!isOurs && this.#mistake !== "a closed breaker brings all forward") continue;
      const asked = this.#mistake === "a closed breaker brings forward what asked to wait" ? 0 : d.hint;
      d.due = Math.max(this.now, Math.min(d.due, asked));
    }
  }

  #die(d: Delivery): void {
    const { deliveries } = this.#kept;
    const replay = deliveries.findIndex(
      (o) => o.isReplay && o.event === d.event && o.endpoint === d.endpoint && o.state === "delivered",
    );
    if (replay >= 0) d.supersededBy = replay;
    this.#end(d, replay >= 0 ? "superseded" : "dead");
    if (this.#mistake === "one that is dead ends the haste of its lane")
      this.#endpoint(d.endpoint).hasty.delete(this.#videoOf(d));
  }

  #countGone(d: Delivery, status: number | null): boolean {
    const endpoint = this.#endpoint(d.endpoint);
    if (endpoint.isPaused && this.#mistake !== "a late 410 pauses anew") return false;
    const before = endpoint.gone;
    const video = this.#videoOf(d);
    endpoint.gone = status === 410 ? (before ?? video) : null;
    if (status !== 410 || before === null) return false;
    if (before === video && this.#mistake !== "two 410s of one video pause") return false;
    Object.assign(endpoint, { isPaused: true, gone: null });
    return true;
  }

  /** By its name: then its endpoint is asked at once. False: it makes no sense now. */
  retry(delivery: number): boolean {
    if (!this.#retry(delivery)) return false;
    if (this.#mistake !== "one that is retried waits for the next probe") {
      this.#probeNow(this.#delivery(delivery).endpoint);
    }
    return true;
  }

  #retry(delivery: number): boolean {
    const d = this.#delivery(delivery);
    if (d.state === "running" || d.state === "delivered" || d.state === "superseded") return false;
    // Its body is gone: there would be nothing to send.
    if (this.isErased(delivery) && this.#mistake !== "one whose body is gone is retried") return false;
    const isOpen = d.gateAt === null || d.gateAt <= this.now;
    const hasPassed = isOpen || this.#mistake === "one that is retried passes its gate";
    const isBeside = this.#mistake === "one that is retried is sent beside its lane" && isSettled(d);
    const keeps = this.#mistake === "one that is retried keeps its spent attempts";
    Object.assign(d, { state: "pending", isAside: isBeside, gateAt: hasPassed ? null : d.gateAt, leadsSince: null });
    Object.assign(d, { due: this.now, scheduled: this.now, hint: 0, wait: 0, waited: 0, failedBy: null });
    d.settledAt = null;
    if (!keeps) Object.assign(d, { attempts: 0, spent: 0 });
    d.generation++;
    this.#turns();
    return true;
  }

  cancel(delivery: number): boolean {
    const d = this.#delivery(delivery);
    if (isSettled(d)) return false;
    this.#giveUp(d);
    this.#turns();
    return true;
  }

  /** What runs is canceled when its attempt ends; where the lease has run out, no attempt is known of that could end. */
  #giveUp(d: Delivery): void {
    const { state, leaseUntil } = d;
    const isLeased =
      leaseUntil > this.now || this.#mistake === "canceled after its lease ran out, it counts as running";
    const runs = state === "running" && isLeased;
    if (runs && this.#mistake !== "canceled while it runs, it ends at once") d.isCanceled = true;
    else this.#end(d, "canceled");
  }

  /** Takes what matches now, and how that stands. False: one of the verb has not ended, or there is no such endpoint. */
  task({ verb, endpoint, size, newId }: Pick<Task, "verb" | "endpoint" | "size" | "newId">): boolean {
    if (this.#openTask(verb) || (verb === "replay" && !this.isConfigured(endpoint))) return false;
    const todo = this.#matching(verb, endpoint);
    this.#kept.tasks.push({ verb, endpoint, size, newId, todo, isOpen: true, done: 0, failed: 0 });
    return true;
  }

  #openTask(verb: Task["verb"]): Task | undefined {
    return this.#kept.tasks.find((task) => task.verb === verb && task.isOpen);
  }

  #matching(verb: Task["verb"], endpoint: string): Todo[] {
    if (verb === "replay") return this.#kept.events.map((_, at) => ({ at, generation: 0 }));
    const { deliveries } = this.#kept;
    const found = deliveries.filter(
      (d) => d.endpoint === endpoint && (verb === "retry" ? d.state === "dead" : !isSettled(d)),
    );
    // In order of the lanes; a cancel works against it, so that nothing is released on the way.
    if (this.#mistake !== "a task that retries works in order of making" || verb === "cancel")
      found.sort((a, b) => a.event - b.event || deliveries.indexOf(a) - deliveries.indexOf(b));
    if (verb === "cancel" && this.#mistake !== "a task that cancels works oldest first") found.reverse();
    return found.map((d) => ({ at: deliveries.indexOf(d), generation: d.generation }));
  }

  /** Works as many as its size allows; one that finds fewer has ended. False: there is no open task of the verb. */
  batch(verb: Task["verb"]): boolean {
    const task = this.#openTask(verb);
    if (task === undefined) return false;
    if (this.#mistake === "a task takes what is newer than itself" && verb !== "replay")
      task.todo = this.#matching(verb, task.endpoint);
    let found = 0;
    // A replay goes where the config says.
    if (verb === "replay" && !this.isConfigured(task.endpoint)) task.todo = [];
    while (found < task.size) {
      const next = task.todo.shift();
      if (next === undefined) break;
      if (!this.#isAsItWas(verb, next)) continue;
      found++;
      if (this.#doOne(task, next.at)) task.done++;
      else if (verb === "replay") task.failed++;
    }
    if (found < task.size) task.isOpen = false;
    return true;
  }

  #doOne({ verb, endpoint, newId }: Task, at: number): boolean {
    if (verb === "retry") return this.#retry(at);
    if (verb === "cancel") return this.cancel(at);
    const tasks = this.#kept.tasks.filter((task) => task.verb === "replay").length;
    return this.replay(at, endpoint, newId, `task ${tasks} of epoch ${this.#kept.epoch}, event ${at}`);
  }

  #isAsItWas(verb: Task["verb"], { at, generation }: Todo): boolean {
    if (verb === "replay") return true;
    const d = this.#delivery(at);
    if (d.generation !== generation && this.#mistake !== "a task acts on what has changed") return false;
    // It goes when its attempt ends.
    return !(d.isCanceled && d.leaseUntil > this.now);
  }

  /** It stops where it is; what was done stays. */
  cancelTask(verb: Task["verb"]): boolean {
    const task = this.#openTask(verb);
    if (task === undefined) return false;
    if (this.#mistake !== "a task that is canceled goes on") task.isOpen = false;
    return true;
  }

  tasks(): { verb: string; isOpen: boolean; done: number; failed: number }[] {
    return this.#kept.tasks.map(({ verb, isOpen, done, failed }) => ({ verb, isOpen, done, failed }));
  }

  forget(v: string): boolean {
    const video = this.#kept.videos.get(v);
    if (!video?.hasMore) return false;
    video.hasMore = false;
    for (const event of this.#kept.events) if (event.v === v) event.isErased = true;
    for (const d of this.#unsettled(v)) this.#giveUp(d);
    this.#turns();
    return true;
  }

  /**
   * What ended longer ago than `bodies` loses its body and all attempts, what ended longer ago than `attempts` all of these but
   * the last. An autosave goes whole then, but for the newest of its video, which goes when a newer one does not need it.
   */
  prune({ bodies, attempts }: { bodies: number; attempts: number }): void {
    const { events, deliveries } = this.#kept;
    for (const [at, event] of events.entries()) {
      if (event.isPruned || event.isGone || this.#endOf(at) >= this.now - bodies) continue;
      event.isPruned = true;
      for (const d of deliveries) if (d.event === at) d.log = [];
      event.isGone = this.#goesWhole(event);
      const before = events.filter((one) => isAutosave(one) && !one.isGone && isBefore(one, event));
      const last = before.sort((a, b) => a.sequence - b.sequence).at(-1);
      const hasEnded = last !== undefined && this.#endOf(events.indexOf(last)) < this.now - bodies;
      if (!isAutosave(event) || !hasEnded || this.#mistake === "an autosave that is the newest no longer stays")
        continue;
      if (isBodiless(last)) last.isGone = this.#goesWhole(last);
    }
    const left = this.#mistake === "the last attempt is pruned before the body" ? 0 : 1;
    for (const d of deliveries)
      if (d.settledAt !== null && d.settledAt < this.now - attempts)
        d.log = d.log.slice(Math.max(0, d.log.length - left));
  }

  /** When all of its deliveries had ended. */
  #endOf(event: number): number {
    const times = this.#kept.deliveries
      .filter(
        (d) => d.event === event && !(d.isReplay && this.#mistake === "what was replayed is pruned with its event"),
      )
      .map(({ settledAt }) => settledAt ?? (this.#mistake === "what waits is pruned" ? 0 : Number.POSITIVE_INFINITY));
    return Math.max(this.#kept.events[event]!.at, ...times);
  }

  #goesWhole(event: Event): boolean {
    if (!isAutosave(event) || (event.late && this.#mistake !== "a late autosave goes whole")) return false;
    const isNewer = (one: Event) => isAutosave(one) && !one.late && !one.isGone && isBefore(event, one);
    const isNewest = !this.#kept.events.some(isNewer);
    return !isNewest || this.#mistake === "the newest autosave goes whole";
  }

  /** The process dies, and another one frees its leases. */
  restart(): void {
    for (const d of this.#kept.deliveries) if (d.state === "running") this.#free(d, this.now);
    this.#turns();
  }

  backup(): void {
    this.#backup = structuredClone(this.#kept);
  }

  /** False: there is no backup. It takes the place of what is, as another epoch, and is started on. */
  restore(): boolean {
    if (this.#backup === null) return false;
    const { endpoints } = this.#kept;
    this.#kept = structuredClone(this.#backup);
    // Which endpoints there are is the config's.
    for (const [id, endpoint] of this.#kept.endpoints) endpoint.isConfigured = endpoints.get(id)!.isConfigured;
    for (const task of this.#kept.tasks) task.isOpen = false;
    const last = Math.max(this.#kept.epoch, ...[...this.#kept.videos.values()].map(({ sequence }) => sequence));
    this.#kept.epoch = this.now > last ? this.now : last + EPOCH_STEP;
    this.restart();
    return true;
  }

  // What can be seen

  /** When a claim gives something; null: never. */
  nextClaim(endpoint: string): number | null {
    const { isPaused, isConfigured, breaker } = this.#endpoint(endpoint);
    if (isPaused || !isConfigured) return null;
    const all = this.#of(endpoint);
    const { probeAt } = breaker;
    const times = all.flatMap((d) => {
      if (d.state === "running") return Math.max(d.leaseUntil, probeAt ?? 0);
      if (!this.#leads(d)) return [];
      if (probeAt === null) return Math.max(d.due, d.gateAt ?? d.due);
      return Math.max(probeAt, d.gateAt ?? 0, d.hint, d.failedBy === "event" ? d.due : 0);
    });
    if (times.length === 0) return null;
    const running = all.filter(({ state }) => state === "running");
    const probe = running.find((d) => probeAt !== null && d.isProbe);
    if (probe) return Math.max(this.now, probe.leaseUntil, probeAt!);
    // What is in flight must end first, or be lost.
    const isFull = probeAt === null && this.room(endpoint) <= 0;
    return Math.max(this.now, Math.min(...(isFull ? running.map(({ leaseUntil }) => leaseUntil) : times)));
  }

  sequences(): { v: string; sequence: number }[] {
    return this.#kept.events.map(({ v, sequence, isGone }) => (isGone ? GONE_EVENT : { v, sequence }));
  }

  /** When each is sent next, of those that lead their lanes, or `ofAll`: some of the others have a time of their own. */
  dueTimes({ ofAll = false } = {}): (number | null)[] {
    return this.#kept.deliveries.map((d) => {
      if (d.state !== "pending" || !(ofAll || this.#leads(d))) return null;
      return Math.max(this.now, d.due, d.gateAt ?? d.due);
    });
  }

  deliveries(): SeenDelivery[] {
    return this.#kept.deliveries.map(({ event, endpoint, state, gateAt, attempts, isReplay, supersededBy, log }) => {
      if (this.#kept.events[event]!.isGone) return GONE_DELIVERY;
      const isShut = state === "pending" && gateAt !== null && gateAt > this.now;
      const seen = isShut ? "waiting" : state;
      return { event, endpoint, state: seen, attempts, replay: isReplay, supersededBy, log: [...log] };
    });
  }

  /** Whether a lease has run out that no claim has found yet. */
  hasLapsed(endpoint: string): boolean {
    return this.#of(endpoint).some(({ state, leaseUntil }) => state === "running" && leaseUntil <= this.now);
  }

  isPaused(endpoint: string): boolean {
    return this.#endpoint(endpoint).isPaused;
  }

  /** What a delivery waits for. `of` is the delivery before it, where that is what it is. */
  waitsFor(delivery: number): { is: string; until: number | null; of: number | null } | null {
    const d = this.#delivery(delivery);
    const { isConfigured, isPaused, breaker, options } = this.#endpoint(d.endpoint);
    if (isSettled(d) || d.state === "running") return null;
    if (!isConfigured) return { is: "removed", until: null, of: null };
    if (isPaused) return { is: "pause", until: null, of: null };
    if (breaker.probeAt !== null) return { is: "breaker", until: breaker.probeAt, of: null };
    const ahead = this.#ahead(d) ?? this.#underWay(d);
    if (ahead) return { is: "lane", until: null, of: this.#kept.deliveries.indexOf(ahead) };
    if (d.gateAt !== null && d.gateAt > this.now) return { is: "gate", until: d.gateAt, of: null };
    if (d.due > this.now) return { is: "retry", until: d.due, of: null };
    const running = this.#of(d.endpoint).filter(({ state }) => state === "running").length;
    const slots = Math.min(options.concurrency, breaker.ramp ?? Number.POSITIVE_INFINITY);
    return running >= slots ? { is: "slot", until: null, of: null } : null;
  }

  /** The one of its lane that goes before it. */
  #ahead(d: Delivery): Delivery | undefined {
    if (!d.isOrdered) return undefined;
    const before = this.#of(d.endpoint).filter((o) => o.isOrdered && !o.isAside && this.#order(o, d) < 0);
    return before.sort((a, b) => this.#order(a, b)).find((o) => this.#videoOf(o) === this.#videoOf(d));
  }

  /** The one of its lane that is under way, and is not interrupted. */
  #underWay(d: Delivery): Delivery | undefined {
    if (!d.isOrdered || d.isAside) return undefined;
    const lane = this.#of(d.endpoint).filter((o) => o.isOrdered && !o.isAside && this.#videoOf(o) === this.#videoOf(d));
    return lane.find(({ state }) => state === "running");
  }

  /** When the breaker lets the next probe go; null: it is closed. */
  probeAt(endpoint: string): number | null {
    return this.#endpoint(endpoint).breaker.probeAt;
  }

  /** How many may be in flight, where fewer than the config allows. */
  ramp(endpoint: string): number | null {
    return this.#endpoint(endpoint).breaker.ramp;
  }

  isConfigured(endpoint: string): boolean {
    return this.#endpoint(endpoint).isConfigured;
  }

  /** The body of its event is gone. */
  isErased(delivery: number): boolean {
    return isBodiless(this.#kept.events[this.#delivery(delivery).event]!);
  }

  isAside(delivery: number): boolean {
    return this.#delivery(delivery).isAside;
  }

  message(delivery: number): string {
    return this.#delivery(delivery).message;
  }

  // Lanes

  /** Nothing of its lane goes before it, and nothing of it is under way. */
  #leads(d: Delivery): boolean {
    if (!d.isOrdered) return true;
    if (d.isAside && this.#mistake === "one that is aside passes those before it") return true;
    if (this.#mistake === "a failing head lets others pass" && d.due > this.now) return true;
    return !this.#kept.deliveries.some((other) => {
      if (other === d || isSettled(other) || other.isAside || !other.isOrdered) return false;
      if (other.endpoint !== d.endpoint || this.#videoOf(other) !== this.#videoOf(d)) return false;
      if (this.#mistake === "a failing head lets others pass" && other.due > this.now) return false;
      return this.#order(other, d) < 0 || (other.state === "running" && !d.isAside);
    });
  }

  /** A replay stands at its event's place. */
  #order(a: Delivery, b: Delivery): number {
    const { deliveries } = this.#kept;
    const byMaking = deliveries.indexOf(a) - deliveries.indexOf(b);
    return this.#mistake === "a replay stands at the end of its lane" ? byMaking : a.event - b.event || byMaking;
  }

  #isOpen(endpoint: string): boolean {
    return this.#endpoint(endpoint).breaker.probeAt !== null;
  }

  /** How many may begin. */
  room(endpoint: string): number {
    // One whose lease has run out is claimed anew.
    const running = this.#of(endpoint).filter((d) => d.state === "running" && d.leaseUntil > this.now).length;
    return (this.#endpoint(endpoint).breaker.ramp ?? Number.POSITIVE_INFINITY) - running;
  }

  #isProbing(endpoint: string): boolean {
    return this.#of(endpoint).some((d) => d.state === "running" && d.isProbe && d.leaseUntil > this.now);
  }

  /** The head whose last attempt is longest ago; none that waits after an answer of its own, or as it was asked to. */
  #nextProbe(endpoint: string): Delivery[] {
    const { probeAt } = this.#endpoint(endpoint).breaker;
    const all = this.#of(endpoint);
    if (probeAt! > this.now || (this.#isProbing(endpoint) && this.#mistake !== "two probes at once")) return [];
    const heads = all.filter((d) => d.state === "pending" && (d.gateAt ?? 0) <= this.now && this.#leads(d));
    const fit = heads.filter((d) => {
      const isOwn = d.failedBy === "event" && d.due > this.now;
      const isAsked = d.hint > this.now;
      return (
        !(isOwn && this.#mistake !== "a probe is made of one that waits after an answer of its own") &&
        !(isAsked && this.#mistake !== "a probe is made before the Retry-After of its delivery")
      );
    });
    if (this.#mistake === "the oldest is probed again and again") return fit.slice(0, 1);
    const oldest = Math.min(...fit.map(({ triedAt }) => triedAt ?? 0));
    const first = fit.filter(({ triedAt }) => (triedAt ?? 0) === oldest);
    if (oldest === 0) return first;
    const due = Math.min(...first.map((d) => d.due));
    return first.filter((d) => d.due === due);
  }

  #mayGo(endpoint: string): Delivery[] {
    const { isPaused, isConfigured } = this.#endpoint(endpoint);
    if (isPaused || !isConfigured) return [];
    if (this.#isOpen(endpoint)) return this.#nextProbe(endpoint);
    return this.#of(endpoint).filter((d) => {
      if (d.state === "running") return d.leaseUntil <= this.now;
      return d.due <= this.now && (d.gateAt ?? 0) <= this.now && this.#leads(d);
    });
  }

  /**
   * A claim finds leases that have run out: what was canceled meanwhile ends. The rest is claimed anew, and before what else
   * stands in its lane: the attempt may still be under way.
   */
  #loseLeases(endpoint: string): void {
    const { isPaused, isConfigured } = this.#endpoint(endpoint);
    if (isPaused || !isConfigured) return;
    const freesAll = this.#mistake === "a lease that runs out lets others of its lane pass";
    const isOpen = this.#isOpen(endpoint);
    const mayProbe = (this.probeAt(endpoint) ?? 0) <= this.now && !this.#isProbing(endpoint);
    for (const d of this.#of(endpoint)) {
      // While the breaker is open it waits for its turn as a probe.
      if (isOpen) {
        if (d.state === "running" && d.leaseUntil <= this.now && mayProbe) this.#free(d, this.now);
        continue;
      }
      if (d.state === "running" && d.leaseUntil <= this.now && (d.isCanceled || freesAll)) this.#free(d, d.leaseUntil);
    }
    this.#turns();
  }

  #free(d: Delivery, due: number): void {
    if (this.#mistake === "an attempt that died with the process is spent") d.attempts++;
    if (d.isCanceled) this.#end(d, "canceled");
    else Object.assign(d, { state: "pending", due, isProbe: false });
  }

  #end(d: Delivery, state: State): void {
    Object.assign(d, { state, isCanceled: false, leadsSince: null, settledAt: this.now });
    d.generation++;
    if (state !== "delivered" || !d.isReplay || this.#mistake === "what a replay has delivered stays dead") return;
    const { deliveries } = this.#kept;
    for (const old of deliveries) {
      if (old.event === d.event && old.endpoint === d.endpoint && old.state === "dead")
        Object.assign(old, {
          ...{ state: "superseded", supersededBy: deliveries.indexOf(d), generation: old.generation + 1 },
        });
    }
  }

  #openGate(d: Delivery): void {
    if (d.state === "pending" && d.gateAt !== null && d.gateAt > this.now)
      Object.assign(d, { gateAt: null, due: this.now });
  }

  /** After whatever may have changed it: who leads now. */
  #turns(): void {
    for (const d of this.#kept.deliveries) {
      if (isSettled(d)) continue;
      if (!this.#leads(d)) d.leadsSince = null;
      else d.leadsSince ??= this.now;
    }
  }

  #of(endpoint: string): Delivery[] {
    return this.#kept.deliveries.filter((d) => d.endpoint === endpoint && !isSettled(d));
  }

  #unsettled(v: string): Delivery[] {
    return this.#kept.deliveries.filter((d) => !isSettled(d) && this.#videoOf(d) === v);
  }

  #videoOf(d: Delivery): string {
    return this.#kept.events[d.event]!.v;
  }

  #delivery(index: number): Delivery {
    return this.#kept.deliveries[index]!;
  }

  #endpoint(id: string): Endpoint {
    return this.#kept.endpoints.get(id)!;
  }
}

const NEW = { isErased: false, isPruned: false, isGone: false };

/** In the place of what went whole. */
export const GONE_EVENT = { v: "gone", sequence: 0 };
export const GONE_DELIVERY: SeenDelivery = {
  ...{ event: -1, endpoint: "", state: "gone", attempts: 0, replay: false, supersededBy: null, log: [] },
};

const isBodiless = ({ isErased, isPruned }: Event) => isErased || isPruned;
const isAutosave = ({ type }: Event) => type === "draft.update";
const isBefore = (one: Event, other: Event) => one.v === other.v && one.sequence < other.sequence;

function isSettled({ state }: Pick<Delivery, "state">): boolean {
  return state === "delivered" || state === "dead" || state === "canceled" || state === "superseded";
}

/** What an answer speaks of. */
function kindOf({ status, abort = false }: Answer): Kind {
  if (typeof status === "string") return status === "timeout" ? "shared" : "always";
  if (status >= 200 && status <= 299) return "success";
  return !abort && (status === 429 || status >= 500) ? "shared" : "event";
}
