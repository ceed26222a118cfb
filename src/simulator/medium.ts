import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Clock } from "../ports.ts";
import type { Fault } from "./faults.ts";

/** A file behind the provider's links, its fault, and the requests it has had. */
export class ServedMedium {
  /** "/media/<id>/video.mp4", without a signature. */
  readonly path: string;
  readonly contentType: string;
  /** A freshly signed link, good for `lifetime` seconds. All of a file lead to it; no two are equal. */
  readonly link: (lifetime?: number) => string;
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
  bytes: Uint8Array;
  lastModified: Date;
  readonly #clock: Clock;
  #taken: Uint8Array | null = null;
  #fault: Fault | null;
  #faultSince: number;
  #faultsMet = 0;

  /** `sign` makes a link of a path. */
  constructor(
    given: { path: string; contentType: string; bytes: Uint8Array; fault: Fault | null },
    sign: (path: string, lifetime?: number) => string,
    clock: Clock,
  ) {
    this.path = given.path;
    this.contentType = given.contentType;
    this.bytes = given.bytes;
    this.link = (lifetime) => sign(given.path, lifetime);
    this.lastModified = wholeSeconds(clock.now());
    this.#clock = clock;
    this.#fault = given.fault;
    this.#faultSince = clock.now();
  }

  /** Of the content as it is now, hexadecimal. */
  get sha256(): string {
    return createHash("sha256").update(this.bytes).digest("hex");
  }

  /** As cloud storage makes it: the MD5 of the file. */
  get etag(): string {
    return `"${createHash("md5").update(this.bytes).digest("hex")}"`;
  }

  /**
   * The client has the content as it is now: it got the file's last byte, or a 304. False again when a later request failed.
   */
  get isTaken(): boolean {
    return this.#taken === this.bytes;
  }

  /** The client has this content. */
  markTaken(bytes: Uint8Array): void {
    this.#taken = bytes;
  }

  /** A request was not answered with the file. */
  markMissed(): void {
    this.#taken = null;
  }

  /** The same address has another content from now on: what an editor does to a draft's thumbnail. */
  replace(bytes: Uint8Array): void {
    if (!Buffer.from(this.bytes).equals(bytes)) {
      this.bytes = bytes;
      // A client that has the former content must ask again, also when that content comes back later.
      this.#taken = null;
    }
    this.lastModified = wholeSeconds(this.#clock.now());
  }

  setFault(fault: Fault | null): void {
    this.#fault = fault;
    this.#faultSince = this.#clock.now();
    this.#faultsMet = 0;
  }

  /** The fault that the next request meets; a call counts as a request. */
  takeFault(): Fault | null {
    const { times = Number.POSITIVE_INFINITY, lasts = Number.POSITIVE_INFINITY } = this.#fault ?? {};
    if (this.#faultsMet >= times || this.#clock.now() - this.#faultSince >= lasts) return null;
    this.#faultsMet++;
    return this.#fault;
  }
}

/** HTTP dates count whole seconds. */
function wholeSeconds(now: number): Date {
  return new Date(Math.floor(now / 1000) * 1000);
}
