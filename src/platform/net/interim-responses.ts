import { Buffer } from "node:buffer";

/** A longer interim head is passed on to the parser, which refuses it; bytes. */
const LONGEST_HEAD = 16 * 1024;

const NOTHING = new Uint8Array(0);
const PROTOCOL = "HTTP/";
/** The length that distinguishes an interim response from a final one (RFC 9112 §4). */
const STATUS_LENGTH = "HTTP/1.1 100 ".length;
const INTERIM = /^HTTP\/1\.\d 1(?!01)\d\d(?!\d)/;

/**
 * Removes interim responses (1xx, RFC 9110 §15.2) before undici parses what a server sends: undici ends the connection at an
 * unexpected `100 Continue`, while a client must accept any number of them. `101 Switching Protocols` passes: it is the end of
 * HTTP on a connection, and a failure.
 */
export function createInterimFilter() {
  let held: Uint8Array = NOTHING;
  let isAtHead = true;

  function passOn(bytes: Uint8Array): Uint8Array {
    isAtHead = false;
    held = NOTHING;
    return bytes;
  }

  return {
    /** A request is about to be sent: the next bytes begin with the head of a response. */
    expectHead(): void {
      isAtHead = true;
      held = NOTHING;
    },
    /** The bytes that belong to final responses; an incomplete head is held back. */
    pass(chunk: Uint8Array): Uint8Array {
      if (!isAtHead) return chunk;
      let bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      for (;;) {
        // Empty lines before a head are skipped (RFC 9112 §2.2).
        let start = 0;
        while (bytes[start] === 13 || bytes[start] === 10) start++;
        const begin = Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
        const status = begin.toString("latin1", 0, STATUS_LENGTH);
        if (!status.startsWith(PROTOCOL.slice(0, status.length))) return passOn(bytes);
        const isInterim = INTERIM.test(status);
        if (status.length === STATUS_LENGTH && !isInterim) return passOn(bytes);
        const end = isInterim ? endOfHead(begin) : -1;
        if (end === -1) {
          if (bytes.length > LONGEST_HEAD) return passOn(bytes);
          held = bytes;
          return NOTHING;
        }
        bytes = begin.subarray(end);
      }
    },
    /** The bytes held back, for the end of the connection. */
    flush: () => passOn(held),
    /** Whether the head of a final response has begun since the last request. */
    isAnswered: () => !isAtHead,
  };
}

/** The position after the head's empty line, whose line breaks may be bare (RFC 9112 §2.2); -1: not complete. */
function endOfHead(bytes: Buffer): number {
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return -1;
}
