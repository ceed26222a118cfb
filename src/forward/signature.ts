import { createHmac, createSecretKey, sign as signWith, verify as verifyWith } from "node:crypto";
import type { SigningKey, VerifyingKey } from "../config/webhook-secret.ts";
import { openPrivateKey, openPublicKey, SIGNATURE_LENGTH } from "../platform/ed25519.ts";
import { isSameSecret } from "../platform/same-secret.ts";

/**
 * Signatures of Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks, "Signature scheme"):
 * HMAC-SHA256 or ed25519 over `id.timestamp.body`, so that neither id, time nor body can be changed.
 */

/** The allowed difference between a message's time and this clock, in milliseconds, as in every library of the spec. */
export const TOLERANCE = 5 * 60_000;

/** What a signature begins with. */
const VERSION = { hmac: "v1,", ed25519: "v1a," } as const;

/**
 * The `webhook-signature` header: one signature per key, in the order of the keys, separated by spaces.
 * The time is in whole seconds since 1970, and `body` must be exactly the bytes that are sent.
 */
export type Sign = (id: string, timestampSeconds: number, body: Uint8Array) => string;

/** Opens the keys once: to open one for each message takes Node four times as long as to sign. */
export function createSigner(keys: SigningKey[]): Sign {
  const signers = keys.map((key) => {
    if (key.kind === "hmac") {
      const secret = createSecretKey(key.bytes);
      return (head: string, body: Uint8Array) =>
        VERSION.hmac + createHmac("sha256", secret).update(head).update(body).digest("base64");
    }
    const secret = openPrivateKey(key.seed);
    return (head: string, body: Uint8Array) =>
      VERSION.ed25519 + signWith(null, Buffer.concat([Buffer.from(head), body]), secret).toString("base64");
  });
  return (id, timestampSeconds, body) => {
    const head = `${id}.${timestampSeconds}.`;
    return signers.map((sign) => sign(head, body)).join(" ");
  };
}

/** The parts that a signature is over; the time in seconds since 1970. */
type Signed = { id: string; timestamp: number; body: Uint8Array };

export type Verdict = { valid: true } | { valid: false; why: string };

/**
 * Checks a received message as a consumer does. `now` and `tolerance` are milliseconds; header names are compared without
 * their case. One matching pair of a key and a signature makes it valid. `why` is one line.
 */
export function verify(message: {
  headers: Record<string, string | string[] | undefined>;
  body: Uint8Array;
  keys: VerifyingKey[];
  now: number;
  tolerance?: number;
}): Verdict {
  const { headers, body, keys, now, tolerance = TOLERANCE } = message;
  const id = readHeader(headers, "webhook-id");
  const timestamp = readHeader(headers, "webhook-timestamp");
  const signatures = readHeader(headers, "webhook-signature");
  if (!id) return refuse("the webhook-id header is missing");
  if (!timestamp) return refuse("the webhook-timestamp header is missing");
  if (!signatures) return refuse("the webhook-signature header is missing");
  if (!/^\d{1,12}$/.test(timestamp)) return refuse("webhook-timestamp is not a number of seconds since 1970");

  const given = signatures.split(" ");
  const versions = [...new Set(keys.map(({ kind }) => VERSION[kind]))];
  if (keys.length > 0 && !given.some((one) => versions.some((version) => one.startsWith(version)))) {
    const wanted = versions.map((version) => `"${version}"`).join(" or ");
    return refuse(`webhook-signature holds no signature that begins with ${wanted}`);
  }
  const signed = { id, timestamp: Number(timestamp), body };
  const matches = keys.some((key) => given.some(matcherOf(key, signed)));
  if (!matches)
    return refuse("no signature matches: another secret, another id or time, or the body was changed on its way");

  const age = now - Number(timestamp) * 1000;
  if (age > tolerance) return refuse(`the signature is right, but ${Math.round(age / 1000)} s old`);
  if (age < -tolerance)
    return refuse(`the signature is right, but its time is ${Math.round(-age / 1000)} s ahead of this clock`);
  return { valid: true };
}

/** Whether a signature is that of a key. HMACs are compared in constant time. */
function matcherOf(key: VerifyingKey, signed: Signed): (signature: string) => boolean {
  const { id, timestamp, body } = signed;
  if (key.kind === "hmac") {
    // Compared as text, as the libraries do: decoding would accept spellings that they refuse.
    const expected = createSigner([key])(id, timestamp, body);
    return (signature) => isSameSecret(signature, expected);
  }
  const publicKey = openPublicKey(key.publicKey);
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return (signature) => {
    if (!signature.startsWith(VERSION.ed25519)) return false;
    const encoded = signature.slice(VERSION.ed25519.length);
    const bytes = Buffer.from(encoded, "base64");
    const isExact = bytes.length === SIGNATURE_LENGTH && bytes.toString("base64") === encoded;
    return isExact && verifyWith(null, content, publicKey, bytes);
  };
}

function refuse(why: string): Verdict {
  return { valid: false, why };
}

function readHeader(headers: Record<string, string | string[] | undefined>, name: string): string | undefined {
  const found = Object.keys(headers).find((key) => key.toLowerCase() === name);
  const value = found === undefined ? undefined : headers[found];
  return Array.isArray(value) ? value.join(" ") : value;
}
