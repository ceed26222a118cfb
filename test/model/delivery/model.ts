/**
 * What of CONTRACT, "How deliveries go", holds without breaker, ramp and coalescing, as a program. Times are milliseconds
 * since 1970, and arguments. Events and deliveries go by number, in order of their making.
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
/** What an epoch is greater by than the one before it, where the clock is behind. */
const EPOCH_STEP = 2 ** 20;

/** `retry`: the waits between attempts; `maxWait`: null where the endpoint waits for no media. */
export type Options = { order: "video" | "none"; maxWait: number | null; retry: number[]; laneHold: number };
export type Post = {
  type: string;
  v: string;
  media: "none" | "thumbnail" | "video";
  receivedAt: number;
  late: boolean;
};
/** What came of an attempt: `status` is null where no answer came. `retryAfter`: in milliseconds, null where not said. */
export type Answer = { status: number | null; retryAfter: number | null };
export type Claim = { delivery: number; claim: number };
export type Settled = { settled: boolean; paused: boolean };

/** What the rules can be given wrong; each is found by the walks. */
export const MISTAKES = [
  "a failing head lets others pass",
  "one that is retried is sent beside its lane",
  "one that is retried keeps its spent attempts",
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
] as const;
export type Mistake = (typeof MISTAKES)[number];

type Event = { v: string; sequence: number; receivedAt: number; media: Post["media"]; isErased: boolean };
type State = "pending" | "running" | "delivered" | "dead" | "canceled";
type Delivery = {
  event: number;
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
  claim: number;
  leaseUntil: number;
  isAside: boolean;
  log: (number | null)[];
};
type Endpoint = { options: Options; isConfigured: boolean; isPaused: boolean; gone: string | null; hasty: Set<string> };

type Kept = {
  epoch: number;
  events: Event[];
  deliveries: Delivery[];
  /** By video: the last sequence, and whether anything came since it was erased. */
  videos: Map<string, { sequence: number; hasMore: boolean }>;
  endpoints: Map<string, Endpoint>;
};

export type SeenDelivery = {
  event: number;
  endpoint: string;
  state: string;
  attempts: number;
  replay: boolean;
  log: (number | null)[];
};

export class DeliveryModel {
  now = START;
  #kept: Kept = { epoch: 0, events: [], deliveries: [], videos: new Map(), endpoints: new Map() };
  #backup: Kept | null = null;
  /** Claims, and the ids that replays ask for, are never given twice, also after a restore. */
  #claims = 0;
  #newIds = 0;
  readonly #mistake: Mistake | null;

  constructor(endpoints: Record<string, Options>, mistake: Mistake | null = null) {
    this.#mistake = mistake;
    for (const [id, options] of Object.entries(endpoints)) {
      const state = { isConfigured: true, isPaused: false, gone: null, hasty: new Set<string>() };
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
    for (const d of this.#kept.deliveries) {
      if (isSettled(d)) continue;
      d.due -= by;
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
  }

  accept({ type, v, media, receivedAt, late }: Post): number {
    const video = this.#kept.videos.get(v) ?? { sequence: 0, hasMore: false };
    const floor = this.#mistake === "a restore goes on with the old sequences" ? 0 : this.#kept.epoch;
    const sequence = Math.max(video.sequence, floor) + 1;
    this.#kept.videos.set(v, { sequence, hasMore: true });
    if (type.endsWith(".delete") && !late && this.#mistake !== "a deletion opens no gate") {
      for (const d of this.#unsettled(v)) this.#openGate(d);
    }
    const event = this.#kept.events.push({ v, sequence, receivedAt, media, isErased: false }) - 1;
    for (const [id, { isConfigured, options }] of this.#kept.endpoints) {
      if (!isConfigured) continue;
      const { maxWait } = options;
      const hold = maxWait === null || media === "none" ? 0 : media === "video" ? maxWait : THUMBNAIL_HOLD;
      const gateAt = receivedAt + Math.min(hold, maxWait ?? 0);
      this.#add(event, id, null, gateAt > this.now ? gateAt : null);
    }
    this.#turns();
    return event;
  }

  /** Its place is the end of its lane. (That of CONTRACT, "Order", its event's place, comes later.) */
  replay(event: number, endpoint: string, withNewId: boolean): boolean {
    if (this.#kept.events[event]!.isErased) return false;
    this.#add(event, endpoint, withNewId ? `new ${++this.#newIds}` : "same", null);
    this.#turns();
    return true;
  }

  #add(event: number, endpoint: string, replay: string | null, gateAt: number | null): void {
    const { v, sequence } = this.#kept.events[event]!;
    const message = replay?.startsWith("new") ? replay : `${v}#${sequence}`;
    const isOrdered = this.#endpoint(endpoint).options.order === "video";
    this.#kept.deliveries.push({
      ...{ event, endpoint, isReplay: replay !== null, message, gateAt, isOrdered },
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
      ...{ isAside: false, log: [] },
    });
  }

  /** Those that may be sent now, each with the bounds of the time by which it is in order. */
  claimable(endpoint: string): { delivery: number; from: number; to: number }[] {
    this.#loseLeases(endpoint);
    return this.#mayGo(endpoint).map((d) => {
      const from = d.state === "running" ? d.leaseUntil : Math.max(d.due, d.gateAt ?? d.due);
      return { delivery: this.#kept.deliveries.indexOf(d), from, to: Math.max(from, d.leadsSince ?? from) };
    });
  }

  claim(delivery: number): Claim {
    const d = this.#delivery(delivery);
    Object.assign(d, { state: "running", gateAt: null, claim: ++this.#claims, leaseUntil: this.now + LEASE });
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
    if (isLost) return { settled: false, paused: false };
    const status = d.isBodiless ? null : answer.status;
    d.attempts++;
    d.log.push(status);
    const isSuccess = status !== null && status >= 200 && status <= 299;
    if (isSuccess && !(d.isCanceled && this.#mistake === "canceled while it runs, it is delivered no longer")) {
      this.#end(d, "delivered");
      if (d.isOrdered) this.#endpoint(d.endpoint).hasty.delete(this.#videoOf(d));
    } else if (d.isCanceled) this.#end(d, "canceled");
    else this.#fail(d, answer);
    const paused = this.#countGone(d, status);
    this.#turns();
    return { settled: true, paused };
  }

  #fail(d: Delivery, { retryAfter }: Answer): void {
    const { options, hasty } = this.#endpoint(d.endpoint);
    const wait = options.retry[d.attempts - 1];
    const video = this.#videoOf(d);
    if (wait === undefined || d.isBodiless) {
      this.#end(d, "dead");
      if (this.#mistake === "one that is dead ends the haste of its lane") hasty.delete(video);
      return;
    }
    d.state = "pending";
    const hinted = this.now + Math.min(retryAfter ?? 0, wait + HINT_LIMIT);
    d.due = Math.max(this.now + wait, hinted);
    if (this.#mistake === "a Retry-After hastens" && retryAfter !== null) d.due = hinted;
    const been = d.attempts - 1 + (this.#mistake === "laneHold counts the wait that is to come" ? 1 : 0);
    const waited = options.retry.slice(0, been).reduce((sum, one) => sum + one, 0);
    if (!d.isOrdered || d.isAside || (waited < options.laneHold && !hasty.has(video))) return;
    d.isAside = true;
    hasty.add(video);
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

  /** False: it makes no sense now. */
  retry(delivery: number): boolean {
    const d = this.#delivery(delivery);
    if (d.state === "running" || d.state === "delivered") return false;
    const isOpen = d.gateAt === null || d.gateAt <= this.now || this.isErased(delivery);
    const hasPassed = isOpen || this.#mistake === "one that is retried passes its gate";
    const isBeside = this.#mistake === "one that is retried is sent beside its lane" && isSettled(d);
    const keeps = this.#mistake === "one that is retried keeps its spent attempts";
    Object.assign(d, { state: "pending", isAside: isBeside, gateAt: hasPassed ? null : d.gateAt, leadsSince: null });
    Object.assign(d, { due: this.now, ...(!keeps && { attempts: 0 }) });
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

  forget(v: string): boolean {
    const video = this.#kept.videos.get(v);
    if (!video?.hasMore) return false;
    video.hasMore = false;
    for (const event of this.#kept.events) if (event.v === v) event.isErased = true;
    for (const d of this.#unsettled(v)) this.#giveUp(d);
    this.#turns();
    return true;
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
    const last = Math.max(this.#kept.epoch, ...[...this.#kept.videos.values()].map(({ sequence }) => sequence));
    this.#kept.epoch = this.now > last ? this.now : last + EPOCH_STEP;
    this.restart();
    return true;
  }

  // What can be seen

  /** When a claim gives something; null: never. */
  nextClaim(endpoint: string): number | null {
    const { isPaused, isConfigured } = this.#endpoint(endpoint);
    if (isPaused || !isConfigured) return null;
    const times = this.#of(endpoint).flatMap((d) => {
      if (d.state === "running") return d.leaseUntil;
      return this.#leads(d) ? Math.max(d.due, d.gateAt ?? d.due) : [];
    });
    return times.length === 0 ? null : Math.max(this.now, Math.min(...times));
  }

  sequences(): { v: string; sequence: number }[] {
    return this.#kept.events.map(({ v, sequence }) => ({ v, sequence }));
  }

  /** When each is sent next, of those that lead their lanes, or `ofAll`: some of the others have a time of their own. */
  dueTimes({ ofAll = false } = {}): (number | null)[] {
    return this.#kept.deliveries.map((d) => {
      if (d.state !== "pending" || !(ofAll || this.#leads(d))) return null;
      return Math.max(this.now, d.due, d.gateAt ?? d.due);
    });
  }

  deliveries(): SeenDelivery[] {
    return this.#kept.deliveries.map(({ event, endpoint, state, gateAt, attempts, isReplay, log }) => {
      const isShut = state === "pending" && gateAt !== null && gateAt > this.now;
      return { event, endpoint, state: isShut ? "waiting" : state, attempts, replay: isReplay, log: [...log] };
    });
  }

  /** Whether a lease has run out that no claim has found yet. */
  hasLapsed(endpoint: string): boolean {
    return this.#of(endpoint).some(({ state, leaseUntil }) => state === "running" && leaseUntil <= this.now);
  }

  isPaused(endpoint: string): boolean {
    return this.#endpoint(endpoint).isPaused;
  }

  isConfigured(endpoint: string): boolean {
    return this.#endpoint(endpoint).isConfigured;
  }

  /** Nothing but ids, type and times are left of its event. */
  isErased(delivery: number): boolean {
    return this.#kept.events[this.#delivery(delivery).event]!.isErased;
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
    const all = this.#kept.deliveries;
    return !all.some((other, index) => {
      if (other === d || isSettled(other) || other.isAside || !other.isOrdered) return false;
      if (other.endpoint !== d.endpoint || this.#videoOf(other) !== this.#videoOf(d)) return false;
      if (this.#mistake === "a failing head lets others pass" && other.due > this.now) return false;
      return index < all.indexOf(d) || (other.state === "running" && !d.isAside);
    });
  }

  #mayGo(endpoint: string): Delivery[] {
    const { isPaused, isConfigured } = this.#endpoint(endpoint);
    if (isPaused || !isConfigured) return [];
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
    for (const d of this.#of(endpoint)) {
      if (d.state === "running" && d.leaseUntil <= this.now && (d.isCanceled || freesAll)) this.#free(d, d.leaseUntil);
    }
    this.#turns();
  }

  #free(d: Delivery, due: number): void {
    if (this.#mistake === "an attempt that died with the process is spent") d.attempts++;
    if (d.isCanceled) this.#end(d, "canceled");
    else Object.assign(d, { state: "pending", due });
  }

  #end(d: Delivery, state: State): void {
    Object.assign(d, { state, isCanceled: false, leadsSince: null });
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

function isSettled({ state }: Pick<Delivery, "state">): boolean {
  return state === "delivered" || state === "dead" || state === "canceled";
}
