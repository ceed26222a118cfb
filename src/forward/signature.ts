import { createHmac, type KeyObject } from "node:crypto";
import { isSameSecret } from "../platform/same-secret.ts";

/**
 * Signatures of Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks, "Signature scheme"):
 * HMAC-SHA256 over `id.timestamp.body`, so that neither id, time nor body can be changed.
 */

/** The allowed difference between a message's time and this clock, in milliseconds, as in every library of the spec. */
export const TOLERANCE = 5 * 60_000;

/**
 * The `webhook-signature` header: one signature per key, in the order of the keys, separated by spaces.
 * The time is in whole seconds since 1970, and `body` must be exactly the bytes that are sent. Callers that sign often pass
 * key objects (`createSecretKey`): making one of plain bytes takes Node four times as long as signing.
 */
export function sign(keys: (Uint8Array | KeyObject)[], id: string, timestampSeconds: number, body: Uint8Array): string {
  const head = `${id}.${timestampSeconds}.`;
  let header = "";
  for (const key of keys) {
    const signature = createHmac("sha256", key).update(head).update(body).digest("base64");
    header += header === "" ? `v1,${signature}` : ` v1,${signature}`;
  }
  return header;
}

export type Verdict = { valid: true } | { valid: false; why: string };

/**
 * Checks a received message as a consumer does. `now` and `tolerance` are milliseconds; header names are compared without
 * their case. One matching pair of a key and a signature makes it valid. `why` is one line.
 */
export function verify(message: {
  headers: Record<string, string | string[] | undefined>;
  body: Uint8Array;
  keys: Uint8Array[];
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

  const given = signatures.split(" ").filter((signature) => signature.startsWith("v1,"));
  if (given.length === 0) return refuse('webhook-signature holds no signature that begins with "v1,"');
  // Compared as text, as the libraries do: decoding would accept spellings that they refuse.
  const matches = keys.some((key) => {
    const expected = sign([key], id, Number(timestamp), body);
    return given.some((signature) => isSameSecret(signature, expected));
  });
  if (!matches)
    return refuse("no signature matches: another secret, another id or time, or the body was changed on its way");

  const age = now - Number(timestamp) * 1000;
  if (age > tolerance) return refuse(`the signature is right, but ${Math.round(age / 1000)} s old`);
  if (age < -tolerance)
    return refuse(`the signature is right, but its time is ${Math.round(-age / 1000)} s ahead of this clock`);
  return { valid: true };
}

function refuse(why: string): Verdict {
  return { valid: false, why };
}

function readHeader(headers: Record<string, string | string[] | undefined>, name: string): string | undefined {
  const found = Object.keys(headers).find((key) => key.toLowerCase() === name);
  const value = found === undefined ? undefined : headers[found];
  return Array.isArray(value) ? value.join(" ") : value;
}
