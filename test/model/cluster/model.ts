import type { Command } from "./commands.ts";
import { type Attempt, Judge } from "./promises.ts";

// Several relays on one PostgreSQL, as a program: servers with a log and a standby, relays with what they remember, and the world
// around them: a provider, an app, readers of the feed. One unit of time is 100 ms.

const LEASE = 8;
/** How long a relay may be at another server than the newest, at most. */
const LOOK = 3;
/** How long what was acknowledged is remembered, and how many of it. */
const RING = 12;
const RING_MOST = 6;
/** Numbers of epochs are times; where the clock is behind they are so much apart. */
const PER_UNIT = 100;
const STEP = 2_000;
const IDS_PER_UNIT = 10;
const PAGE = 2;
/** Promotions are this far apart: further than a look at all hosts. */
const CALM = 3;
const MOST_SERVERS = 4;
const MOST_REQUESTS = 15;
const LONGEST_LOG = 40;

/** What can be put into the model, so that a walk is seen to find it. */
export const MISTAKES = [
  "a server is used before it is looked at",
  "an epoch's number is the clock's, also where that is behind",
  "what is brought back is not late",
  "what is brought back keeps its place in the feed",
  "what was forgotten is brought back",
  "the ring forgets while a connection is lost",
  "the ring keeps no duplicates",
  "nothing is remembered of what was acknowledged",
  "a relay stays at an old primary, and shows its pages",
  "no other host is looked at",
  "ids have no tag",
  "claims have no tag",
  "claims go on at once in a new epoch",
  "claims go on in a new epoch after a lease",
  "what is on its way back is freed",
  "the feed shows what is behind one that is under way",
  "a commit in doubt is repeated without a question",
  "a warning is a commit",
  "a late claim settles",
  "a relay goes on after its lease",
  "sequences go on in a new epoch",
  "each relay has the whole concurrency",
  "a replay that goes on names its messages anew",
  "programs that are too old keep their connections",
  "a schema is looked at once in a relay's life",
] as const;
export type Mistake = (typeof MISTAKES)[number];

type Setup = {
  relays: number;
  /** Each commit waits for the standby. */
  isSynchronous: boolean;
  /** How many deliveries may be under way at once. */
  limit: number;
};

/** `nonce`: what it is told by; `tag`: of ids and claims. */
type Epoch = { number: number; nonce: number; tag: number };
type Event = { id: number; name: string; request: number; video: string; sequence: number; isLate: boolean };
type Delivery = {
  event: number;
  video: string;
  sequence: number;
  state: "pending" | "running" | "done";
  claims: number;
  /** Of its last claim. */
  token: string;
  until: number;
  relay: number;
};

/** What a database holds. */
type Database = {
  /** The server that its epoch is of. */
  server: string;
  epoch: Epoch;
  beganAt: number;
  epochs: { first: number; tag: number }[];
  lastId: number;
  videos: Record<string, { sequence: number; print: number | null; last: number | null; forgottenAt: number }>;
  events: Record<number, Event>;
  /** What was brought back, by the name that it had. */
  given: Record<string, number>;
  /** The answers of transactions that were committed. */
  receipts: Record<number, string>;
  deliveries: Record<number, Delivery>;
  oldest: number;
  schema: number;
  /** A replay of all events under new names: how far it is. */
  replayed: number;
};

/** An event on its way in: it holds its video's lock. `isOver`: its relay hears nothing of it any more. */
type Transaction = {
  relay: number;
  c: Place;
  isOver: boolean;
  request: number;
  token: number;
  id: number;
  epoch: Epoch;
};

type Server = {
  n: number;
  system: number;
  timeline: number;
  isUp: boolean;
  /** The standby follows. */
  isLinked: boolean;
  since: number;
  /** Of its clock. */
  skew: number;
  database: Database;
  open: Transaction[];
  /** The database after each commit; the standby has them up to `replicated`. */
  log: Database[];
  replicated: number;
};

/** Which of a relay's two connections. */
export type Place = 0 | 1;
type Job = Attempt & { event: number; world: number; server: number; wasSent: boolean };
type Remembered = { request: number; name: string; epoch: number; at: number };

type Relay = {
  n: number;
  isUp: boolean;
  frozenAt: number | null;
  /** Which life of the process this is, and of which version. */
  life: number;
  version: number;
  connections: [number | null, number | null];
  /** The highest number of an epoch that it has met, and the server where it was last. */
  seen: number;
  system: number;
  timeline: number;
  /** The epoch that it knows; null: none yet. */
  epoch: Epoch | null;
  ring: Remembered[];
  /** It has not looked for what is in the ring since a connection was lost. */
  owes: boolean;
  /** Since when it has both connections. */
  wellSince: number | null;
  jobs: Job[];
  /** Sent, and their lease has run out. */
  stale: Job[];
  /** Claimed; the answer is under way. */
  arriving: Job[];
  /** Commits whose answer was lost. */
  doubts: { request: number; token: number }[];
  /** What was answered while it was frozen. */
  answers: { request: number; name: string; server: number }[];
  hasMigrated: boolean;
};

type Request = {
  video: string;
  print: number | null;
  postedAt: number;
  answered: string | null;
  acks: { relay: number; life: number; at: number; nonce: number }[];
  isSpilled: boolean;
};

type Reader = { nonce: number | null; at: number };
type Post = Extract<Command, { do: "post" }>;
type How = "ok" | "lost" | "fail" | "warn" | "late";

export class Cluster {
  readonly #judge: Judge;
  readonly #mistake: Mistake | null;
  readonly #servers: Server[] = [];
  readonly #relays: Relay[] = [];
  readonly #requests: Request[] = [];
  readonly #readers: Record<number, Reader> = {};
  readonly #replays: Record<string, string> = {};
  readonly #erasures: { request: number; server: number }[] = [];
  readonly #setup: Setup;
  #now = 100;
  #fresh = 1;
  /** By hand, to before what was acknowledged. */
  #wentBack = false;

  constructor(setup: Setup, mistake: Mistake | null = null) {
    this.#setup = setup;
    this.#mistake = mistake;
    this.#judge = new Judge(setup.limit);
    const epoch = { number: 0, nonce: 0, tag: 0 };
    const database: Database = {
      ...{ server: "1:1", epoch, beganAt: -99, epochs: [{ first: 1, tag: 0 }], lastId: 0 },
      ...{ videos: {}, events: {}, given: {}, receipts: {}, deliveries: {}, oldest: 1, schema: 1, replayed: 0 },
    };
    this.#addServer({ system: 1, timeline: 1, skew: 0, database });
    for (let n = 0; n < setup.relays; n++) {
      const life = { life: 1, version: 1, seen: 0, system: 1, timeline: 1 };
      this.#relays.push({ n, isUp: true, frozenAt: null, ...life, ...born(this.#now) });
      for (const c of [0, 1] as const) this.#connect(n, c);
      this.#relays[n]!.owes = false;
    }
  }

  /** False: it does not fit, and nothing has changed. */
  apply(command: Command): boolean {
    switch (command.do) {
      case "setup":
        return false;
      case "post":
        return this.#post(command);
      case "commit":
        return this.#commitOne(command.pick, command.how);
      case "retry":
        return this.#retry(command.relay, command.pick, command.c ?? 0);
      case "look":
        return this.#look(command.relay, command.c ?? 0);
      case "drop":
        return this.#drop(command.relay, command.c ?? 0);
      case "connect":
        return this.#connect(command.relay, command.c ?? 0, command.server);
      case "claim":
        return this.#claim(command.relay, command.c ?? 0, command.how ?? "ok");
      case "arrive":
        return this.#arrive(command.relay);
      case "send":
        return this.#send(command.relay, command.pick ?? 0);
      case "settle":
        return this.#settle(command.relay, command.pick ?? 0, command.c ?? 0, command.how ?? "ok");
      case "recover":
        return this.#recover(command.relay, command.c ?? 0);
      case "tick":
        return this.#tick(command.n);
      case "replicate":
        return this.#replicate(command.n);
      case "link":
        return this.#link(command.on);
      case "failover":
        return this.#failover(command.zombie ?? false, command.skew ?? 0);
      case "end old":
        return this.#endOld();
      case "crash":
        return this.#crash();
      case "restore":
        return this.#restore(command.back, command.how);
      case "epoch":
        return this.#isCalm() && this.#beginEpoch(this.#primary, 0);
      case "kill":
        return this.#kill(command.relay);
      case "start":
        return this.#start(command.relay, command.version);
      case "freeze":
        return this.#freeze(command.relay);
      case "thaw":
        return this.#thaw(command.relay);
      case "migrate":
        return this.#migrate(command.relay);
      case "forget":
        return this.#forget(command.relay, command.video);
      case "replay":
        return this.#replay(command.relay);
      case "read":
        return this.#read(command.reader, command.relay, command.c ?? 0) !== null;
    }
  }

  #is(mistake: Mistake): boolean {
    return this.#mistake === mistake;
  }

  // Servers.

  #addServer(server: Pick<Server, "system" | "timeline" | "skew" | "database">): Server {
    const added: Server = {
      ...{ n: this.#servers.length, isUp: true, isLinked: true, since: this.#now, open: [], replicated: 0 },
      ...{ ...server, log: [structuredClone(server.database)] },
    };
    this.#servers.push(added);
    return added;
  }

  get #primary(): Server {
    return this.#servers.at(-1)!;
  }

  #timeOf(server: Server): number {
    return this.#now + server.skew;
  }

  #isCalm(): boolean {
    const { since, database, skew } = this.#primary;
    return this.#now - Math.max(since, database.beganAt - skew) >= CALM;
  }

  /** Where the standby is waited for and is away, a commit waits: here it does not come, but by a canceled wait. */
  #waits(server: Server, how: How = "ok"): boolean {
    if (how === "warn") return !this.#setup.isSynchronous || server.isLinked;
    return this.#setup.isSynchronous && !server.isLinked;
  }

  #committed(server: Server, how: How = "ok"): void {
    server.log.push(structuredClone(server.database));
    const cut = Math.min(server.replicated, server.log.length - LONGEST_LOG);
    if (cut > 0) {
      server.log.splice(0, cut);
      server.replicated -= cut;
    }
    if (this.#setup.isSynchronous && how !== "warn" && server.isLinked) server.replicated = server.log.length - 1;
  }

  /** `seen`: the highest number that who begins it has met. It waits for what is under way. */
  #beginEpoch(server: Server, seen: number): boolean {
    if (server.open.length > 0 || this.#waits(server)) return false;
    const { database } = server;
    const now = this.#timeOf(server) * PER_UNIT;
    const last = Math.max(database.epoch.number, seen);
    const isBehind = now <= last + PER_UNIT;
    const number = this.#is("an epoch's number is the clock's, also where that is behind")
      ? Math.max(now, database.epoch.number + 1)
      : isBehind
        ? last + STEP
        : now;
    const nonce = this.#fresh++;
    const tag = this.#is("ids have no tag") ? 0 : this.#fresh++;
    database.epoch = { number, nonce, tag };
    database.epochs.push({ first: ++database.lastId, tag });
    database.beganAt = this.#timeOf(server);
    database.server = nameOf(server);
    this.#judge.beganEpoch(number);
    this.#committed(server);
    return true;
  }

  #replicate(commits: number): boolean {
    const server = this.#primary;
    const newest = server.log.length - 1;
    if (!server.isLinked || server.replicated >= newest) return false;
    server.replicated = Math.min(newest, server.replicated + commits);
    return true;
  }

  #link(on: boolean): boolean {
    const server = this.#primary;
    if (server.isLinked === on) return false;
    server.isLinked = on;
    if (on && this.#setup.isSynchronous) server.replicated = server.log.length - 1;
    return true;
  }

  /** The standby takes over with what it has; the old one ends, or goes on answering. */
  #failover(isZombie: boolean, skew: number): boolean {
    const old = this.#primary;
    if (this.#servers.length === MOST_SERVERS || !this.#isCalm() || (skew < 0 && this.#servers.length > 1))
      return false;
    const database = structuredClone(old.log[old.replicated]!);
    this.#addServer({ system: old.system, timeline: old.timeline + 1, skew, database });
    this.#endServer(old, isZombie);
    return true;
  }

  #endServer(server: Server, isZombie = false): void {
    server.isLinked = false;
    if (isZombie) return;
    server.isUp = false;
    this.#cutAll(server);
  }

  #cutAll(server: Server): void {
    for (const relay of this.#relays)
      for (const c of [0, 1] as const) if (relay.connections[c] === server.n) this.#cut(relay, c);
    server.open = [];
  }

  #endOld(): boolean {
    const old = this.#servers.find((one) => one !== this.#primary && one.isUp);
    if (old === undefined) return false;
    this.#endServer(old);
    return true;
  }

  #crash(): boolean {
    this.#cutAll(this.#primary);
    return true;
  }

  /** Put back by hand: to a point in time, to a snapshot of the same server, or from a dump; and the command that it takes. */
  #restore(back: number, how: "point" | "snapshot" | "dump"): boolean {
    const old = this.#primary;
    if (this.#servers.length === MOST_SERVERS || this.#setup.isSynchronous || !this.#isCalm()) return false;
    const database = structuredClone(old.log[Math.max(0, old.log.length - 1 - back)]!);
    for (const server of this.#servers) if (server.isUp) this.#endServer(server);
    const [system, timeline] =
      how === "dump" ? [old.system + 1, 1] : [old.system, old.timeline + (how === "point" ? 1 : 0)];
    this.#wentBack = true;
    this.#beginEpoch(
      this.#addServer({ system, timeline, skew: 0, database }),
      Math.max(...this.#relays.map((relay) => relay.seen)),
    );
    return true;
  }

  // Connections.

  #live(relay: Relay, c: Place): Server | null {
    const n = relay.connections[c];
    return n !== null && this.#servers[n]!.isUp ? this.#servers[n]! : null;
  }

  /** The server that a relay asks on this connection; null: it can ask none. */
  #ask(n: number, c: Place): [Relay, Server] | null {
    const relay = this.#relays[n];
    if (!relay?.isUp || relay.frozenAt !== null) return null;
    const server = this.#live(relay, c);
    return server && [relay, server];
  }

  #drop(n: number, c: Place): boolean {
    const relay = this.#relays[n];
    if (!relay?.isUp || relay.connections[c] === null) return false;
    this.#cut(relay, c);
    return true;
  }

  #cut(relay: Relay, c: Place): void {
    const n = relay.connections[c];
    if (n === null) return;
    relay.connections[c] = null;
    relay.owes = true;
    relay.wellSince = null;
    // What was under way lingers there, with its lock.
    for (const one of this.#servers[n]!.open) {
      if (one.relay !== relay.n || one.c !== c || one.isOver) continue;
      relay.doubts.push(one);
      one.isOver = true;
    }
  }

  #connect(n: number, c: Place, at: number | null = null): boolean {
    const relay = this.#relays[n];
    const server = at === null ? this.#primary : this.#servers[at];
    if (!relay?.isUp || relay.frozenAt !== null || !server?.isUp || relay.connections[c] !== null) return false;
    if (this.#isOld(server, LOOK)) return false;
    const stays = this.#is("a relay stays at an old primary, and shows its pages");
    if (!stays && server.system === relay.system && server.timeline < relay.timeline) return false;
    const { database } = server;
    if (!this.#is("a server is used before it is looked at") && this.#isOther(relay, server)) {
      if (!this.#beginEpoch(server, relay.seen)) return false;
    }
    const looks = !relay.hasMigrated || !this.#is("a schema is looked at once in a relay's life");
    if (looks && database.schema < relay.version) {
      if (this.#waits(server)) return false;
      database.schema = relay.version;
      this.#committed(server);
    }
    if (database.oldest > relay.version) return false;
    relay.connections[c] = server.n;
    relay.hasMigrated = true;
    relay.wellSince ??= this.#now;
    this.#meet(relay, server);
    return true;
  }

  /** Another server than its epoch is of, or the same one in another life than is known. */
  #isOther({ seen, epoch: known }: Relay, server: Server): boolean {
    const { epoch, server: of } = server.database;
    if (of !== nameOf(server) || epoch.number < seen) return true;
    return epoch.number === seen && known !== null && epoch.nonce !== known.nonce;
  }

  #meet(relay: Relay, server: Server): void {
    const { epoch } = server.database;
    const isNew = relay.epoch !== null && relay.epoch.nonce !== epoch.nonce;
    relay.timeline = Math.max(server.system === relay.system ? relay.timeline : 0, server.timeline);
    relay.system = server.system;
    relay.seen = Math.max(relay.seen, epoch.number);
    relay.epoch = { ...epoch };
    if (!isNew) return;
    relay.jobs = [];
    if (!this.#is("a relay stays at an old primary, and shows its pages"))
      for (const c of [0, 1] as const) if (relay.connections[c] !== server.n) this.#cut(relay, c);
    relay.owes = true;
  }

  /** Whether a newer one has taken writes for so long. */
  #isOld(server: Server, since: number): boolean {
    if (this.#is("no other host is looked at")) return false;
    return this.#servers.some((one) => one.isUp && one.n > server.n && this.#now - one.since >= since);
  }

  // Events.

  #post({ relay: n, video, c = 0, is }: Post): boolean {
    const [relay, server] = this.#ask(n, c) ?? [];
    const last = this.#requests.findLast((one) => one.video === video);
    if (!relay || !server || this.#requests.length === MOST_REQUESTS || (is === "repeated" && !last)) return false;
    if (this.#isLocked(server, video)) return false;
    const print = is === "plain" ? null : is === "repeated" ? last!.print : this.#fresh++;
    const request = { video, print, postedAt: this.#fresh++, answered: null, acks: [], isSpilled: false };
    this.#requests.push(request);
    this.#judge.posted(this.#requests.length - 1, video);
    this.#begin(relay, server, c, this.#requests.length - 1);
    return true;
  }

  #isLocked({ open }: Server, video: string): boolean {
    return open.some(({ request }) => this.#requests[request]!.video === video);
  }

  /** Its id is drawn behind the lock, and given to no other, whatever becomes of it. */
  #begin({ n: relay, version }: Relay, server: Server, c: Place, request: number): void {
    const { database } = server;
    this.#judge.wrote(version, database);
    const epoch = { ...database.epoch };
    server.open.push({ relay, c, isOver: false, request, token: this.#fresh++, id: this.#draw(server), epoch });
  }

  #draw(server: Server): number {
    const { database } = server;
    database.lastId = Math.max(database.lastId + 1, this.#timeOf(server) * IDS_PER_UNIT);
    return database.lastId;
  }

  /** What an event is called. */
  #nameAt({ epochs }: Database, id: number): string {
    return `${id}.${epochs.findLast(({ first }) => first <= id)!.tag}`;
  }

  #named({ events, given }: Database, name: string): Event | undefined {
    const id = given[name];
    return id === undefined ? Object.values(events).find((event) => event.name === name) : events[id];
  }

  /** Stores it, or finds what it repeats, and gives its name. `restoredAs`: the name that it had. */
  #accept(server: Server, id: number, request: number, epoch: Epoch, restoredAs: string | null = null): string {
    const { database } = server;
    const { video, print } = this.#requests[request]!;
    database.videos[video] ??= { sequence: 0, print: null, last: null, forgottenAt: -1 };
    const row = database.videos[video];
    const last = row.last === null ? undefined : database.events[row.last];
    if (print !== null && row.print === print && last !== undefined) {
      if (restoredAs !== null) database.given[restoredAs] = last.id;
      return last.name;
    }
    const base = this.#is("sequences go on in a new epoch") ? row.sequence : Math.max(row.sequence, epoch.number);
    const sequence = base + 1;
    const name = restoredAs ?? this.#nameAt(database, id);
    const isLate = restoredAs !== null && !this.#is("what is brought back is not late");
    if (restoredAs === null) this.#judge.named(name, request);
    else database.given[restoredAs] = id;
    database.events[id] = { id, name, request, video, sequence, isLate };
    database.videos[video] = { ...row, sequence, print, last: id };
    database.deliveries[id] = {
      ...{ event: id, video, sequence, state: "pending", claims: 0, token: "", until: 0, relay: -1 },
    };
    return name;
  }

  #commitOne(pick: number, how: "ok" | "lost" | "fail" | "warn"): boolean {
    const all = this.#servers.flatMap((server) => (server.isUp ? server.open.map((one) => ({ server, one })) : []));
    const picked = all[pick % Math.max(1, all.length)];
    if (picked === undefined) return false;
    const { server, one } = picked;
    if (this.#waits(server, how)) return false;
    server.open = server.open.filter((each) => each !== one);
    const relay = this.#relays[one.relay]!;
    if (how === "fail") {
      if (one.isOver) return true;
      relay.doubts.push(one);
      this.#cut(relay, one.c);
      return true;
    }
    const name = this.#accept(server, one.id, one.request, one.epoch);
    server.database.receipts[one.token] = name;
    this.#committed(server, how);
    if (one.isOver) return true;
    if (how === "ok" || (how === "warn" && this.#is("a warning is a commit"))) {
      if (relay.frozenAt === null) this.#acknowledge(relay, server, one.request, name);
      else relay.answers.push({ request: one.request, name, server: server.n });
      return true;
    }
    relay.doubts.push(one);
    if (how === "lost") this.#cut(relay, one.c);
    return true;
  }

  #acknowledge(relay: Relay, { database }: Server, request: number, name: string): void {
    const of = this.#requests[request]!;
    const { nonce } = database.epoch;
    of.acks.push({ relay: relay.n, life: relay.life, at: this.#now, nonce });
    of.answered = name;
    this.#judge.acknowledged(request, name);
    if (this.#is("nothing is remembered of what was acknowledged")) return;
    const isRepeated = this.#named(database, name)?.request !== request;
    if (isRepeated && this.#is("the ring keeps no duplicates")) return;
    relay.ring.push({ request, name, epoch: nonce, at: this.#now });
    if (relay.ring.length > RING_MOST) this.#requests[relay.ring.shift()!.request]!.isSpilled = true;
  }

  /** After a commit in doubt: what has a receipt was done, and what has none never will be. */
  #retry(n: number, pick: number, c: Place): boolean {
    const [relay, server] = this.#ask(n, c) ?? [];
    const doubt = relay?.doubts[pick % Math.max(1, relay.doubts.length)];
    if (!relay || !server || doubt === undefined || this.#waits(server)) return false;
    // Who asks waits for one that has not ended.
    if (this.#isLocked(server, this.#requests[doubt.request]!.video)) return false;
    relay.doubts = relay.doubts.filter((one) => one !== doubt);
    const known = server.database.receipts[doubt.token];
    if (known === undefined || this.#is("a commit in doubt is repeated without a question")) {
      this.#begin(relay, server, c, doubt.request);
      return true;
    }
    this.#committed(server);
    this.#acknowledge(relay, server, doubt.request, known);
    return true;
  }

  /** Looks whether what was acknowledged is there, and brings back what is not. */
  #look(n: number, c: Place): boolean {
    const [relay, server] = this.#ask(n, c) ?? [];
    if (!relay?.owes || !server || this.#waits(server)) return false;
    const { database } = server;
    const missing = relay.ring.filter(({ name }) => this.#named(database, name) === undefined);
    // It is done while nothing else is under way.
    if (missing.length > 0 && server.open.length > 0) return false;
    if (missing.some(({ epoch }) => epoch === database.epoch.nonce)) {
      this.#beginEpoch(server, relay.seen);
      this.#meet(relay, server);
    }
    for (const one of missing) {
      if (this.#named(database, one.name) !== undefined) continue;
      const { video, postedAt } = this.#requests[one.request]!;
      const forgottenAt = database.videos[video]?.forgottenAt ?? -1;
      if (postedAt > forgottenAt || this.#is("what was forgotten is brought back")) this.#bringBack(server, one);
      Object.assign(one, { epoch: database.epoch.nonce, at: this.#now });
    }
    this.#committed(server);
    relay.owes = false;
    return true;
  }

  #bringBack(server: Server, { request, name }: Remembered): void {
    // A failover may have lost the erasure, too.
    const isErased = this.#erasures.some((one) => one.request === request && one.server === server.n);
    this.#judge.restored(request, isErased);
    const own = Number(name.split(".")[0]);
    const keeps = this.#is("what is brought back keeps its place in the feed") && !(own in server.database.events);
    this.#accept(server, keeps ? own : this.#draw(server), request, server.database.epoch, name);
  }

  // Deliveries.

  #claim(n: number, c: Place, how: "ok" | "late" | "lost" | "warn"): boolean {
    const [relay, server] = this.#ask(n, c) ?? [];
    if (!relay || !server || this.#waits(server, how)) return false;
    const { database } = server;
    const now = this.#timeOf(server);
    if (database.epoch.number !== 0 && now < database.beganAt + this.#holdOff()) return false;
    const all = Object.values(database.deliveries);
    const isOwn = (one: Delivery) => !this.#is("each relay has the whole concurrency") || one.relay === n;
    const running = all.filter((one) => one.state === "running" && one.until > now && isOwn(one));
    if (running.length >= this.#setup.limit) return false;
    const row = all.find((one) => {
      const isFree = one.state === "pending" || (one.state === "running" && one.until <= now);
      const isFirst = (other: Delivery) =>
        other.video !== one.video || other.state === "done" || other.sequence >= one.sequence;
      return isFree && all.every(isFirst) && !this.#isLocked(server, one.video);
    });
    if (row === undefined) return false;
    const event = database.events[row.event]!;
    row.claims++;
    const { tag, nonce } = database.epoch;
    const token = `${event.name}/${row.claims}.${this.#is("claims have no tag") ? 0 : tag}`;
    Object.assign(row, { state: "running", token, until: now + LEASE, relay: n });
    this.#committed(server, how);
    const { name, video, sequence, isLate } = event;
    const attempt = { relay: n, name, video, sequence, isLate, token, until: this.#now + LEASE };
    const job: Job = { ...attempt, event: row.event, world: nonce, server: server.n, wasSent: false };
    if (how === "late") relay.arriving.push(job);
    else if (how === "ok" || (how === "warn" && this.#is("a warning is a commit"))) this.#take(relay, job);
    return true;
  }

  #holdOff(): number {
    if (this.#is("claims go on at once in a new epoch")) return 0;
    return this.#is("claims go on in a new epoch after a lease") ? LEASE : LEASE + LOOK;
  }

  #arrive(n: number): boolean {
    const relay = this.#relays[n];
    const job = relay?.isUp && relay.frozenAt === null ? relay.arriving.shift() : undefined;
    if (!relay || job === undefined) return false;
    if (relay.connections.includes(job.server) && job.until > this.#now) this.#take(relay, job);
    return true;
  }

  #take(relay: Relay, job: Job): void {
    const underWay = this.#relays.flatMap((one) =>
      one.isUp ? one.jobs.filter(({ until }) => until > this.#now || one.frozenAt === null) : [],
    );
    this.#judge.begun(job, underWay);
    relay.jobs.push(job);
  }

  #send(n: number, pick: number): boolean {
    const relay = this.#relays[n];
    const job = relay?.jobs[pick % Math.max(1, relay.jobs.length)];
    if (!relay?.isUp || relay.frozenAt !== null || job === undefined || job.wasSent) return false;
    job.wasSent = true;
    this.#judge.sent(job);
    return true;
  }

  /** An answer may come after the lease. */
  #settle(n: number, pick: number, c: Place, how: "ok" | "lost" | "warn"): boolean {
    const [relay, server] = this.#ask(n, c) ?? [];
    if (!relay || !server || this.#waits(server, how)) return false;
    const all = [...relay.jobs, ...relay.stale];
    const job = all[pick % Math.max(1, all.length)];
    if (!job?.wasSent || this.#isLocked(server, job.video)) return false;
    relay.jobs = relay.jobs.filter((one) => one !== job);
    relay.stale = relay.stale.filter((one) => one !== job);
    const row = server.database.deliveries[job.event];
    if (row?.state !== "running") return true;
    if (row.token !== job.token && !this.#is("a late claim settles")) return true;
    this.#judge.settled(job.token, row.token);
    row.state = "done";
    this.#committed(server, how);
    if (how === "lost") this.#cut(relay, c);
    return true;
  }

  /** Frees what this relay has claimed, and neither works on nor waits for. */
  #recover(n: number, c: Place): boolean {
    const [relay, server] = this.#ask(n, c) ?? [];
    if (!relay || !server || this.#waits(server)) return false;
    const known = this.#is("what is on its way back is freed") ? relay.jobs : [...relay.jobs, ...relay.arriving];
    const isHeld = ({ token }: Delivery) => known.some((job) => job.token === token);
    const mine = Object.values(server.database.deliveries).filter(
      (row) => row.state === "running" && row.relay === n && !isHeld(row),
    );
    for (const row of mine) row.state = "pending";
    if (mine.length > 0) this.#committed(server);
    return mine.length > 0;
  }

  // What happens.

  #tick(units: number): boolean {
    this.#now += units;
    for (const relay of this.#relays) {
      if (!relay.isUp) continue;
      if (relay.frozenAt === null) this.#wake(relay, LOOK);
      const isWell = relay.frozenAt === null && !relay.owes && this.#live(relay, 0) && this.#live(relay, 1);
      if (this.#is("the ring forgets while a connection is lost"))
        relay.ring = relay.ring.filter(({ at }) => this.#now - at <= RING);
      else if (isWell && relay.wellSince !== null) {
        const { wellSince } = relay;
        relay.ring = relay.ring.filter(({ at }) => this.#now - Math.max(at, wellSince) <= RING);
      }
    }
    return true;
  }

  /** It looks at its connections, at its leases and at the other hosts. */
  #wake(relay: Relay, since: number): void {
    for (const c of [0, 1] as const) {
      const server = this.#live(relay, c);
      if (server !== null && server.database.epoch.number > relay.seen) this.#meet(relay, server);
    }
    if (!this.#is("a relay goes on after its lease")) {
      relay.stale.push(...relay.jobs.filter(({ until, wasSent }) => until <= this.#now && wasSent));
      relay.jobs = relay.jobs.filter(({ until }) => until > this.#now);
    }
    for (const c of [0, 1] as const) {
      const server = this.#live(relay, c);
      if (server === null || !this.#isOld(server, since)) continue;
      this.#cut(relay, c);
      relay.jobs = [];
    }
  }

  #kill(n: number): boolean {
    const relay = this.#relays[n];
    if (!relay?.isUp) return false;
    for (const { open } of this.#servers) for (const one of open) if (one.relay === n) one.isOver = true;
    Object.assign(relay, born(this.#now), { isUp: false, frozenAt: null, life: relay.life + 1 });
    return true;
  }

  #start(n: number, version: number): boolean {
    const relay = this.#relays[n];
    if (!relay || relay.isUp) return false;
    Object.assign(relay, born(this.#now), { isUp: true, version: Math.max(relay.version, version) });
    return true;
  }

  #freeze(n: number): boolean {
    const relay = this.#relays[n];
    if (!relay?.isUp || relay.frozenAt !== null) return false;
    relay.frozenAt = this.#now;
    return true;
  }

  #thaw(n: number): boolean {
    const relay = this.#relays[n];
    if (!relay || relay.frozenAt === null) return false;
    relay.frozenAt = null;
    this.#wake(relay, 0);
    for (const { request, name, server } of relay.answers.splice(0))
      this.#acknowledge(relay, this.#servers[server]!, request, name);
    return true;
  }

  /** A new release that all relays run, as far as they were seen, ends older ones. */
  #migrate(n: number): boolean {
    const [relay, server] = this.#ask(n, 0) ?? [];
    if (!relay || !server || relay.version < 2 || this.#waits(server)) return false;
    const { database } = server;
    if (database.oldest === relay.version) return false;
    const isSeen = ({ frozenAt }: Relay) => frozenAt === null || this.#now - frozenAt <= LEASE;
    if (this.#relays.some((one) => one.isUp && one.version < relay.version && isSeen(one))) return false;
    database.schema = database.oldest = relay.version;
    this.#committed(server);
    if (this.#is("programs that are too old keep their connections")) return true;
    for (const one of this.#relays)
      for (const c of [0, 1] as const)
        if (one.version < relay.version && one.connections[c] === server.n) this.#cut(one, c);
    return true;
  }

  /** It takes effect once no attempt of the video is under way. */
  #forget(n: number, video: string): boolean {
    const [relay, server] = this.#ask(n, 0) ?? [];
    const { database } = server ?? {};
    const row = database?.videos[video];
    if (!relay || !server || !database || !row || this.#waits(server) || this.#isLocked(server, video)) return false;
    const mine = Object.values(database.deliveries).filter((one) => one.video === video);
    if (mine.some(({ state }) => state === "running")) return false;
    for (const one of mine) one.state = "done";
    database.videos[video] = { ...row, print: null, last: null, forgottenAt: this.#fresh++ };
    this.#judge.forgotten(video);
    for (const [request, one] of this.#requests.entries())
      if (one.video === video) this.#erasures.push({ request, server: server.n });
    this.#committed(server);
    return true;
  }

  /** The next event of a replay under new names, which goes on wherever the database has it. */
  #replay(n: number): boolean {
    const [relay, server] = this.#ask(n, 0) ?? [];
    if (!relay || !server || this.#waits(server)) return false;
    const { database } = server;
    const next = Object.values(database.events).find(({ id }) => id > database.replayed);
    if (next === undefined) return false;
    const isAnew = this.#is("a replay that goes on names its messages anew");
    const message = isAnew ? `message ${this.#draw(server)}.${database.epoch.tag}` : `task ${next.name}`;
    database.replayed = next.id;
    this.#committed(server);
    this.#replays[next.name] ??= message;
    this.#judge.replayed(next.name, this.#replays[next.name]!, message);
    return true;
  }

  // The feed.

  /** How many events a page has; null: it does not fit. A cursor of another epoch is refused, and its reader begins anew. */
  #read(n: number, relayAt: number, c: Place): number | null {
    const [relay, server] = this.#ask(relayAt, c) ?? [];
    if (!relay || !server) return null;
    const { database } = server;
    const stays = this.#is("a relay stays at an old primary, and shows its pages");
    const { nonce } = stays ? relay.epoch! : database.epoch;
    this.#readers[n] ??= { nonce: null, at: 0 };
    const reader = this.#readers[n];
    if (reader.nonce !== null && reader.nonce !== nonce) {
      this.#readers[n] = { nonce: null, at: 0 };
      this.#judge.readsAnew(n);
      return 0;
    }
    reader.nonce = nonce;
    const horizon = this.#is("the feed shows what is behind one that is under way")
      ? Number.POSITIVE_INFINITY
      : Math.min(database.lastId + 1, ...server.open.map(({ id }) => id));
    const rows = Object.values(database.events)
      .filter(({ id }) => id > reader.at && id < horizon)
      .sort((a, b) => a.id - b.id)
      .slice(0, PAGE);
    const names = rows.map(({ name }) => name);
    this.#judge.read(n, String(nonce), names);
    reader.at = rows.at(-1)?.id ?? reader.at;
    return rows.length;
  }

  /** All mends; then nothing may be missing. */
  end(): void {
    for (const server of this.#servers) if (server.isUp && server !== this.#primary) this.#endServer(server);
    this.#link(true);
    for (const { n } of this.#relays) {
      this.#thaw(n);
      this.#start(n, 1);
    }
    for (let rounds = 0; rounds < 4; rounds++) this.#mend();
    const { database } = this.#primary;
    this.#judge.ended(Object.values(database.events));
    for (const [request, one] of this.#requests.entries()) this.#judgeRequest(request, one);
    const up = this.#relays.find((relay) => relay.isUp && this.#live(relay, 0));
    if (up === undefined) return;
    for (const reader of Object.keys(this.#readers).map(Number)) {
      // The first page may only say that its epoch is over.
      for (let ends = 0; ends < 2; ) if (this.#read(reader, up.n, 0) === 0) ends++;
      this.#judge.readAll(
        reader,
        Object.values(database.events).map(({ name }) => name),
      );
    }
  }

  #mend(): void {
    while (this.#commitOne(0, "ok"));
    for (const { n, isUp, connections } of this.#relays)
      for (const c of [0, 1] as const) if (isUp && connections[c] === null) this.#connect(n, c);
    for (const { n } of this.#relays) {
      this.#look(n, 0);
      while (this.#retry(n, 0, 0)) this.#commitOne(0, "ok");
    }
  }

  /** What was acknowledged is there; or its relay died, too, and a new epoch says that something may be lost. */
  #judgeRequest(request: number, { answered, acks }: Request): void {
    if (answered === null || this.#wentBack) return;
    const { database } = this.#primary;
    if (this.#named(database, answered) !== undefined) return;
    if (this.#erasures.some((one) => one.request === request)) return;
    const all = this.#requests
      .filter((one) => one.answered === answered)
      .flatMap((one) => one.acks.map((ack) => ({ ...ack, isSpilled: one.isSpilled })));
    // The standby was more than the ring's time behind.
    const isOld = (at: number) => this.#servers.some(({ since }) => since >= at && since - at > RING - LOOK);
    const lives = all.some(({ relay, life, at, isSpilled }) => {
      const one = this.#relays[relay]!;
      return one.isUp && one.life === life && one.version >= database.oldest && !isSpilled && !isOld(at);
    });
    const isTold = acks.some(({ nonce }) => nonce !== database.epoch.nonce);
    this.#judge.lost(request, { mayBe: !this.#setup.isSynchronous && !lives, isTold });
  }
}

const nameOf = ({ system, timeline }: Server) => `${system}:${timeline}`;

/** What a process has forgotten with its start. */
function born(
  now: number,
): Omit<Relay, "n" | "isUp" | "frozenAt" | "life" | "version" | "seen" | "system" | "timeline"> {
  return {
    ...{ connections: [null, null], epoch: null, ring: [], owes: true, wellSince: now, jobs: [], stale: [] },
    ...{ arriving: [], doubts: [], answers: [], hasMigrated: false },
  };
}
