import { createHash } from "node:crypto";
import type { Clock } from "../domain.ts";
import type { Fault } from "./faults.ts";

/** A file behind the provider's links, its fault, and what was asked of it. */
export type ServedMedium = {
  /** "/media/<id>/video.mp4", without a signature. */
  readonly path: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** Of the bytes as they are now. */
  readonly sha256: string;
  readonly etag: string;
  readonly lastModified: Date;
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
  /** The other side has the content as it is now: it came to the file's last byte, or was told that nothing changed. */
  readonly isTaken: boolean;
  /** Remembers that the content of this etag was taken. */
  markTaken(etag: string): void;
  /** A freshly signed link; no two are equal, all lead to the same file. */
  link(): string;
  /** The same address has another content from now on: what an editor does to a draft's thumbnail. */
  replace(bytes: Uint8Array): void;
  setFault(fault: Fault | null): void;
  /** The fault that the next request meets; asking counts as a request. */
  takeFault(): Fault | null;
};

/** Makes a medium; `link` signs its path. */
export function serveMedium(
  given: { path: string; contentType: string; bytes: Uint8Array; fault: Fault | null },
  link: (path: string) => string,
  clock: Clock,
): ServedMedium {
  let bytes = given.bytes;
  let facts = describe(bytes, clock.now());
  let taken = "";
  let fault = given.fault;
  let faultSince = clock.now();
  let faultsMet = 0;
  return {
    path: given.path,
    contentType: given.contentType,
    get bytes() {
      return bytes;
    },
    get sha256() {
      return facts.sha256;
    },
    get etag() {
      return facts.etag;
    },
    get lastModified() {
      return facts.lastModified;
    },
    counts: { requests: 0, bytes: 0, downloads: 0, notModified: 0, open: 0 },
    get isTaken() {
      return taken === facts.etag;
    },
    markTaken(etag) {
      taken = etag;
    },
    link: () => link(given.path),
    replace(content) {
      bytes = content;
      facts = describe(bytes, clock.now());
    },
    setFault(next) {
      fault = next;
      faultSince = clock.now();
      faultsMet = 0;
    },
    takeFault() {
      if (fault === null || faultsMet >= (fault.times ?? Number.POSITIVE_INFINITY)) return null;
      if (clock.now() - faultSince >= (fault.lasts ?? Number.POSITIVE_INFINITY)) return null;
      faultsMet++;
      return fault;
    },
  };
}

function describe(bytes: Uint8Array, now: number) {
  return {
    sha256: createHash("sha256").update(bytes).digest("hex"),
    // As cloud storage does for a file put in one piece.
    etag: `"${createHash("md5").update(bytes).digest("hex")}"`,
    // HTTP dates count whole seconds.
    lastModified: new Date(Math.floor(now / 1000) * 1000),
  };
}
