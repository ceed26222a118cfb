import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import type { Clock } from "../ports.ts";
import type { Fault } from "./faults.ts";

export type ServedMedium = ReturnType<typeof serveMedium>;

/** A file behind the provider's links, its fault, and the requests it has had. `sign` makes a link of a path. */
export function serveMedium(
  given: { path: string; contentType: string; bytes: Uint8Array; fault: Fault | null },
  sign: (path: string, lifetime?: number) => string,
  clock: Clock,
) {
  let { fault } = given;
  let faultSince = clock.now();
  let faultsMet = 0;
  let taken: Uint8Array | null = null;
  const medium = {
    /** "/media/<id>/video.mp4", without a signature. */
    path: given.path,
    contentType: given.contentType,
    bytes: given.bytes,
    lastModified: wholeSeconds(clock.now()),
    /** A freshly signed link, good for `lifetime` seconds. All of a file lead to it; no two are equal. */
    link: (lifetime?: number) => sign(given.path, lifetime),
    counts: {
      /** Requests, hops of redirects included. */
      requests: 0,
      /** Body bytes handed to the network, of broken answers too. */
      bytes: 0,
      /** Answers whose last byte was the file's last byte. */
      downloads: 0,
      notModified: 0,
      /** Answers under way. */
      open: 0,
    },

    /** Of the content as it is now, hexadecimal. */
    get sha256(): string {
      return hash("sha256", medium.bytes);
    },

    /** As cloud storage makes it: the MD5 of the file. */
    get etag(): string {
      return `"${hash("md5", medium.bytes)}"`;
    },

    /**
     * The client has the content as it is now: it got the file's last byte, or a 304. False again when a later request failed.
     */
    get isTaken(): boolean {
      return taken === medium.bytes;
    },

    /** The client has this content; null: a request was not answered with the file. */
    markTaken(bytes: Uint8Array | null): void {
      taken = bytes;
    },

    /** The same address has another content from now on: what an editor does to a draft's thumbnail. */
    replace(bytes: Uint8Array): void {
      medium.lastModified = wholeSeconds(clock.now());
      if (Buffer.from(medium.bytes).equals(bytes)) return;
      medium.bytes = bytes;
      // A client that has the former content must ask again, also when that content comes back later.
      taken = null;
    },

    setFault(next: Fault | null): void {
      fault = next;
      faultSince = clock.now();
      faultsMet = 0;
    },

    /** The fault that the next request meets; a call counts as a request. */
    takeFault(): Fault | null {
      const { times = Number.POSITIVE_INFINITY, lasts = Number.POSITIVE_INFINITY } = fault ?? {};
      if (faultsMet >= times || clock.now() - faultSince >= lasts) return null;
      faultsMet++;
      return fault;
    },
  };
  return medium;
}

/** HTTP dates count whole seconds. */
function wholeSeconds(now: number): Date {
  return new Date(Math.floor(now / 1000) * 1000);
}
