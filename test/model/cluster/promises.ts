import { fail } from "../broken.ts";

/** A try of a delivery, of what its message is called. `until`: the end of its lease. */
export type Attempt = {
  relay: number;
  name: string;
  video: string;
  sequence: number;
  isLate: boolean;
  token: string;
  until: number;
};

type Request = { video: string; postedAt: number; ackedAt: number | null; name: string | null; isForgotten: boolean };
type Stored = { name: string; request: number; video: string; sequence: number };

/**
 * What a provider, apps and readers of the feed rely on, judged by what they see: whatever relays and servers there are behind it,
 * and whatever becomes of them.
 */
export class Judge {
  readonly #limit: number;
  readonly #requests: Request[] = [];
  /** Which request made the event that is called so. */
  readonly #names = new Map<string, number>();
  readonly #tokens = new Set<string>();
  /** Numbers of epochs. */
  readonly #epochs = new Set([0]);
  /** What the app has, and the greatest sequence of each video. */
  readonly #seen = new Map<string, string>();
  readonly #highest = new Map<string, number>();
  /** By reader: what it has, and what of that within the epoch. */
  readonly #readers = new Map<number, { epoch: string; page: Set<string>; all: Set<string> }>();
  #steps = 0;

  /** `limit`: how many attempts may be under way at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  posted(request: number, video: string): void {
    this.#requests[request] = { video, postedAt: this.#steps++, ackedAt: null, name: null, isForgotten: false };
  }

  /** A new event is called so. */
  named(name: string, request: number): void {
    if (this.#names.has(name))
      fail("ids never repeat", `${name} is given to ${request} and was ${this.#names.get(name)}`);
    this.#names.set(name, request);
  }

  requestOf(name: string): number {
    return this.#names.get(name) ?? fail("what came once is stored once", `${name} is there, and was given to none`);
  }

  acknowledged(request: number, name: string): void {
    const one = this.#requests[request]!;
    one.ackedAt ??= this.#steps++;
    one.name = name;
  }

  forgotten(video: string): void {
    for (const one of this.#requests) if (one.video === video) one.isForgotten = true;
  }

  /** It is stored again. `isErased`: its video was erased since, as the database knows. */
  restored(request: number, isErased: boolean): void {
    if (isErased) fail("what was erased stays so", `request ${request} is stored again`);
  }

  beganEpoch(number: number): void {
    this.#epochs.add(number);
  }

  /** A relay writes: `version` is its own, the others are of the database. */
  wrote(version: number, { oldest, schema }: { oldest: number; schema: number }): void {
    if (oldest > version)
      fail("programs that are too old write nothing", `${version} does, and ${oldest} is the oldest`);
    if (schema < version) fail("a program has its schema", `${version} writes to schema ${schema}`);
  }

  /** `others`: attempts that are under way. */
  begun(attempt: Attempt, others: Attempt[]): void {
    const { token, relay, name, video } = attempt;
    if (this.#tokens.has(token)) fail("no claim is given twice", token);
    this.#tokens.add(token);
    const other = others.find((one) => one.relay !== relay && one.video === video);
    if (other)
      fail("one attempt of a lane at a time", `${relay} begins ${name}, and ${other.relay} is at ${other.name}`);
    if (others.length >= this.#limit)
      fail("concurrency", `${others.length + 1} are under way, and ${this.#limit} may be`);
  }

  /** The app gets a message. */
  sent({ name, video, sequence, isLate }: Attempt): void {
    const request = this.#requests[this.#names.get(name) ?? -1];
    const isExcused = request?.isForgotten ?? false;
    if (!this.#seen.has(name)) {
      const highest = this.#highest.get(video) ?? 0;
      if (sequence <= highest && !isExcused)
        fail("sequences of a video rise", `${name} comes with ${sequence} after ${highest}`);
      for (const passed of isLate || isExcused ? [] : this.#seen.keys()) {
        const other = this.#requests[this.#names.get(passed) ?? -1];
        if (request === undefined || other?.video !== video) continue;
        if (request.ackedAt !== null && request.ackedAt < other.postedAt)
          fail(
            "events of a video arrive in order",
            `${name} was acknowledged before ${passed} came, and is sent after it`,
          );
      }
    }
    this.#seen.set(name, video);
    this.#highest.set(video, Math.max(this.#highest.get(video) ?? 0, sequence));
  }

  /** A claim has settled a delivery that is held by `held`. */
  settled(token: string, held: string): void {
    if (token !== held) fail("a late settlement changes nothing", `${token} settles what ${held} holds`);
  }

  /** A message of a replay under new names. */
  replayed(name: string, first: string, message: string): void {
    if (first !== message) fail("a replay that goes on repeats its names", `${name} is ${message} and was ${first}`);
  }

  /** A position of another epoch was refused. */
  readsAnew(reader: number): void {
    this.#readers.get(reader)?.page.clear();
  }

  read(reader: number, epoch: string, names: string[]): void {
    const { all, page, epoch: before } = this.#readers.get(reader) ?? { all: new Set(), page: new Set(), epoch };
    const now = before === epoch ? page : new Set<string>();
    for (const name of names) {
      if (now.has(name)) fail("the feed repeats nothing", `${name} comes again in epoch ${epoch}`);
      now.add(name);
      all.add(name);
    }
    this.#readers.set(reader, { all, page: now, epoch });
  }

  /** It has read to the end, where there are these. */
  readAll(reader: number, names: string[]): void {
    const missed = names.filter((name) => !this.#readers.get(reader)?.all.has(name));
    if (missed.length > 0) fail("the feed misses nothing", missed.join(" "));
  }

  /** All that there is in the end. */
  ended(events: Stored[]): void {
    const videos = Map.groupBy(events, ({ video }) => video);
    for (const [video, all] of videos) {
      const sequences = all.map(({ sequence }) => sequence).sort((a, b) => a - b);
      for (const [at, sequence] of sequences.entries()) {
        if (sequence !== (sequences[at - 1] ?? 0) + 1 && !this.#epochs.has(sequence - 1))
          fail("sequences have no gap within an epoch", `${video}: ${sequences.join(" ")}`);
      }
    }
    for (const [request, all] of Map.groupBy(events, (event) => event.request))
      if (all.length > 1) fail("what came once is stored once", `request ${request} is ${all.map(({ name }) => name)}`);
  }

  /** What was acknowledged is not there. `mayBe`: no relay lives that knew it; `isTold`: by a new epoch. */
  lost(request: number, { mayBe, isTold }: { mayBe: boolean; isTold: boolean }): void {
    if (!mayBe) fail("what was acknowledged is there", `request ${request}`);
    if (!isTold) fail("a loss is told by a new epoch", `request ${request}`);
  }
}
