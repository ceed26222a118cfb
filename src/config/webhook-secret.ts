import { RelayError } from "../errors.ts";
import type { Random } from "../ports.ts";

const PREFIX = "whsec_";

/** Standard Webhooks recommends 24 to 64 bytes; keys from 16 on are in use. */
const SHORTEST = 16;
const LONGEST = 64;
const GENERATED = 32;

const HINT = '"wochit-relay secret generate" makes one';

/**
 * The key bytes of a Standard Webhooks secret: `whsec_` and the base64 of 16 to 64 bytes (github.com/standard-
 * webhooks/standard-webhooks, "Webhook secret"). RelayError("config") for anything else; the message never holds the
 * secret. As strict as the receivers' libraries.
 */
export function decodeSecret(text: string): Uint8Array {
  if (!text.startsWith(PREFIX)) throw new RelayError("config", `must begin with "${PREFIX}"; ${HINT}`);
  const encoded = text.slice(PREFIX.length);
  const key = Buffer.from(encoded, "base64");
  if (key.toString("base64") !== encoded) throw new RelayError("config", `must be base64 after "${PREFIX}"; ${HINT}`);
  if (key.length < SHORTEST || key.length > LONGEST)
    throw new RelayError("config", `must be ${SHORTEST} to ${LONGEST} bytes, but is ${key.length}; ${HINT}`);
  return new Uint8Array(key);
}

/** A new secret for an endpoint: `whsec_` and the base64 of 32 random bytes. */
export function generateSecret(random: Random): string {
  return PREFIX + Buffer.from(random.bytes(GENERATED)).toString("base64");
}
