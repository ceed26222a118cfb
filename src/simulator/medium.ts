import { createHash } from "node:crypto";
import type { Clock } from "../ports.ts";
import { type Content, piecesOf, sha256Of } from "./content.ts";
import type { Fault, Habits } from "./faults.ts";
import type { LinkOptions } from "./links.ts";

const USUAL: Required<Habits> = { ranges: true, etag: "strong", lastModified: true };

/** A larger file is only read in pieces. */
const MOST_HELD = 64 * 2 ** 20;

/** The etag of a large file is made from its length and this much of its beginning, in which films of two seeds differ. */
const TELLING = 2 ** 16;
const PART = 8 * 2 ** 20;

/** A file behind the provider's links, its fault, and the requests it has had. */
export class ServedMedium {
  /** "/media/<id>/video.mp4", without a signature. */
  readonly path: string;
  readonly contentType: string;
  /** A freshly signed link. All of a file lead to it; no two of AWS's sort, the default, are equal. */
  readonly link: (options?: LinkOptions) => string;
  readonly counts = {
    /** Requests, hops of redirects included. */
    requests: 0,
    /** Body bytes handed to the network, of broken answers too. */
    bytes: 0,
    /** Answers whose last byte was the file's last byte. */
    downloads: 0,
    notModified: 0,
    /** Answers under way. */
    open: 0,
  };
  content: Content;
  lastModified: Date;
  habits = USUAL;
  readonly #clock: Clock;
  #sha256: string | null = null;
  #etag: string | null = null;
  #taken = "";
  #fault: Fault | null;
  #faultSince: number;
  #faultsMet = 0;

  /** `sign` makes a link of a path. */
  constructor(
    given: { path: string; contentType: string; content: Content; fault: Fault | null },
    sign: (path: string, options?: LinkOptions) => string,
    clock: Clock,
  ) {
    this.path = given.path;
    this.contentType = given.contentType;
    this.content = given.content;
    this.link = (options) => sign(given.path, options);
    this.lastModified = wholeSeconds(clock.now());
    this.#clock = clock;
    this.#fault = given.fault;
    this.#faultSince = clock.now();
  }

  /** All of the content; throws RangeError for a file that should not be in memory. */
  get bytes(): Uint8Array {
    const { length } = this.content;
    if (length > MOST_HELD) throw new RangeError(`${this.path} has ${length} bytes: read its content`);
    return this.content.read(0, length);
  }

  /** Of the content as it is now; computed when it is first read, which takes a while for a large file. */
  get sha256(): string {
    this.#sha256 ??= sha256Of(this.content);
    return this.#sha256;
  }

  /** The strong one, whatever the server's habits. */
  get etag(): string {
    this.#etag ??= etagOf(this.content);
    return this.#etag;
  }

  /**
   * The client has the content as it is now: it got the file's last byte, or a 304. False again when a later request failed.
   */
  get isTaken(): boolean {
    return this.#taken === this.etag;
  }

  /** The client has the content of this etag. */
  markTaken(etag: string): void {
    this.#taken = etag;
  }

  /** A request was not answered with the file. */
  markMissed(): void {
    this.#taken = "";
  }

  /** The same address has another content from now on: what an editor does to a draft's thumbnail. */
  replace(content: Content): void {
    // A client that has the present content must ask again, also when that content comes back later.
    const before = this.#taken === "" ? "" : this.etag;
    this.content = content;
    this.#sha256 = null;
    this.#etag = null;
    if (this.#taken !== "" && this.etag !== before) this.#taken = "";
    this.lastModified = wholeSeconds(this.#clock.now());
  }

  setFault(fault: Fault | null): void {
    this.#fault = fault;
    this.#faultSince = this.#clock.now();
    this.#faultsMet = 0;
  }

  /** What is not given is as cloud storage does it. */
  setHabits(habits: Habits): void {
    this.habits = { ...USUAL, ...habits };
  }

  /** The fault that the next request meets; a call counts as a request. */
  takeFault(): Fault | null {
    const { times = Number.POSITIVE_INFINITY, lasts = Number.POSITIVE_INFINITY } = this.#fault ?? {};
    if (this.#faultsMet >= times || this.#clock.now() - this.#faultSince >= lasts) return null;
    this.#faultsMet++;
    return this.#fault;
  }
}

/** As cloud storage does it: the MD5 of a file put in one piece; of one put in parts, another value of that form. */
function etagOf(content: Content): string {
  const hash = createHash("md5");
  if (content.length <= MOST_HELD) {
    for (const piece of piecesOf(content)) hash.update(piece);
    return `"${hash.digest("hex")}"`;
  }
  const parts = Math.ceil(content.length / PART);
  return `"${hash.update(content.read(0, TELLING)).update(String(content.length)).digest("hex")}-${parts}"`;
}

/** HTTP dates count whole seconds. */
function wholeSeconds(now: number): Date {
  return new Date(Math.floor(now / 1000) * 1000);
}
