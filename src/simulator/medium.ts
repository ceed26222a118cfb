import { createHash } from "node:crypto";
import type { Clock } from "../ports.ts";
import { type Content, piecesOf, sha256Of } from "./content.ts";
import type { Fault, Habits } from "./faults.ts";
import type { LinkWish } from "./links.ts";

/** A file behind the provider's links, its fault, and what was asked of it. */
export type ServedMedium = {
  /** "/media/<id>/video.mp4", without a signature. */
  readonly path: string;
  readonly contentType: string;
  readonly content: Content;
  /** All of it; throws RangeError for a file that should not be in memory. */
  readonly bytes: Uint8Array;
  /** Of the bytes as they are now; made when it is first asked for, which takes a while for a large file. */
  readonly sha256: string;
  /** The strong one, whatever the server's habits. */
  readonly etag: string;
  readonly lastModified: Date;
  readonly habits: Required<Habits>;
  readonly counts: {
    /** Requests, hops of redirects included. */
    requests: number;
    /** Body bytes handed to the network; what was cut off on the way counts too. */
    bytes: number;
    /** Answers whose last byte was the file's last byte. */
    downloads: number;
    notModified: number;
    /** Answers under way. */
    open: number;
  };
  /**
   * The other side has the content as it is now: it came to the file's last byte, or was told that nothing changed. Not where
   * it has asked again since, in vain.
   */
  readonly isTaken: boolean;
  /** Remembers that the content of this etag was taken. */
  markTaken(etag: string): void;
  /** Remembers that the other side asked, and did not get what it asked for. */
  markMissed(): void;
  /** A freshly signed link. All of a file lead to it; no two of AWS's sort, the default, are equal. */
  link(wish?: LinkWish): string;
  /** The same address has another content from now on: what an editor does to a draft's thumbnail. */
  replace(content: Content): void;
  setFault(fault: Fault | null): void;
  /** What is not told is as cloud storage does it. */
  setHabits(habits: Habits): void;
  /** The fault that the next request meets; asking counts as a request. */
  takeFault(): Fault | null;
};

const USUAL: Required<Habits> = { ranges: true, etag: "strong", lastModified: true };

/** More than this is only read in pieces. */
const MOST_HELD = 64 * 2 ** 20;

/** So much of a large file's beginning makes its etag, with its length: films of two seeds differ there. */
const TELLING = 2 ** 16;
const PART = 8 * 2 ** 20;

/** Makes a medium; `link` signs its path. */
export function serveMedium(
  given: { path: string; contentType: string; content: Content; fault: Fault | null },
  link: (path: string, wish?: LinkWish) => string,
  clock: Clock,
): ServedMedium {
  let content = given.content;
  let lastModified = wholeSeconds(clock.now());
  let hash: string | null = null;
  let tag: string | null = null;
  let habits = USUAL;
  let taken = "";
  let fault = given.fault;
  let faultSince = clock.now();
  let faultsMet = 0;
  const etag = () => {
    tag ??= etagOf(content);
    return tag;
  };
  return {
    path: given.path,
    contentType: given.contentType,
    get content() {
      return content;
    },
    get bytes() {
      if (content.length > MOST_HELD)
        throw new RangeError(`${given.path} has ${content.length} bytes: read its content`);
      return content.read(0, content.length);
    },
    get sha256() {
      hash ??= sha256Of(content);
      return hash;
    },
    get etag() {
      return etag();
    },
    get lastModified() {
      return lastModified;
    },
    get habits() {
      return habits;
    },
    counts: { requests: 0, bytes: 0, downloads: 0, notModified: 0, open: 0 },
    get isTaken() {
      return taken === etag();
    },
    markTaken(etag) {
      taken = etag;
    },
    markMissed() {
      taken = "";
    },
    link: (wish) => link(given.path, wish),
    replace(next) {
      // What is put back later is another change: who had it before has to ask again.
      const before = taken === "" ? "" : etag();
      content = next;
      hash = null;
      tag = null;
      if (taken !== "" && etag() !== before) taken = "";
      lastModified = wholeSeconds(clock.now());
    },
    setFault(next) {
      fault = next;
      faultSince = clock.now();
      faultsMet = 0;
    },
    setHabits(next) {
      habits = { ...USUAL, ...next };
    },
    takeFault() {
      if (fault === null || faultsMet >= (fault.times ?? Number.POSITIVE_INFINITY)) return null;
      if (clock.now() - faultSince >= (fault.lasts ?? Number.POSITIVE_INFINITY)) return null;
      faultsMet++;
      return fault;
    },
  };
}

/** As cloud storage does it: the MD5 of a file put in one piece; of one put in parts, something that is none. */
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
