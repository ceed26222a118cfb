import type { Random } from "../../../src/ports.ts";

/** What an answer must be. */
export type Expectation =
  /** A whole webhook: 200 for an event, 400 for anything else; 403 where the sender is none that is allowed. */
  | { is: "webhook"; sender: "allowed" | "refused" | "either" }
  /** One of these. */
  | { is: "one of"; statuses: number[] }
  /** A whole request of an odd sort: anything documented; a 200 only for what is an event. */
  | { is: "documented" }
  /** Its framing cannot be trusted: refused, or no answer at all, but never taken. */
  | { is: "refused" }
  /** Perhaps no request at all: anything documented, or nothing. */
  | { is: "anything" };

/** One request. */
export type Case = {
  about: string;
  method: string;
  bytes: Uint8Array;
  /** The body, where the request is a whole POST. */
  body: Uint8Array | null;
  expects: Expectation;
  /** Over a connection that is kept, or over one of its own, in so many pieces. */
  alone: { pieces: number } | null;
};

export const WEBHOOK = "/webhooks/wochit";
export const MAX_BODY = 2 ** 20;
/** The relay trusts this machine as a proxy; these are senders that it allows, and some that it does not. */
export const ALLOWED = ["127.0.0.1", "192.0.2.0/24", "2001:db8::/32"];

export type Head = [name: string, value: string][];

/** A body in chunks of any size, with extensions and trailers that mean nothing. */
export function inChunks(random: Random, body: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + Math.floor(random.float() ** 3 * 70_000));
    const extension = random.float() < 0.1 ? ";a=b" : "";
    parts.push(Buffer.from(`${size.toString(16)}${extension}\r\n`), body.subarray(at, at + size), Buffer.from("\r\n"));
    at += size;
  }
  parts.push(Buffer.from(`0\r\n${random.float() < 0.1 ? "x-trailer: 1\r\n" : ""}\r\n`));
  return Buffer.concat(parts);
}

/** A request as it goes over the wire. */
export function request(line: string, head: Head, body: Uint8Array): Uint8Array {
  const text = `${line}\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(text, "latin1"), body]);
}
