import { RelayError } from "../errors.ts";
import { derivePublicKey, PUBLIC_KEY_LENGTH, SEED_LENGTH } from "../platform/ed25519.ts";
import type { Random } from "../ports.ts";

/**
 * The secrets of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, "Signature scheme"), which are base64
 * with a prefix: `whsec_` for HMAC-SHA256, and for ed25519 `whsk_` (secret key) and `whpk_` (public key).
 */
const HMAC = "whsec_";
const PRIVATE = "whsk_";
const PUBLIC = "whpk_";

/** What `secret generate --ed25519` prints: the secret, and the public key on a line of its own. */
const PAIR = /^(\S+)\r?\n(whpk_\S+)$/;

/** The lengths of an HMAC key that the specification allows, and of one that is made here. Bytes. */
const SHORTEST = 24;
const LONGEST = 64;
const GENERATED = 32;

const HINT = '"wochit-relay secret generate" makes one';

/** A key that signs deliveries. It is plain data, so that a reload can compare it. `seed` and `publicKey` have 32 bytes. */
export type SigningKey =
  | { kind: "hmac"; bytes: Uint8Array }
  | { kind: "ed25519"; seed: Uint8Array; publicKey: Uint8Array };

/** A key that verifies deliveries. Every signing key is one. */
export type VerifyingKey = { kind: "hmac"; bytes: Uint8Array } | { kind: "ed25519"; publicKey: Uint8Array };

/**
 * Reads a secret of an endpoint: `whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and the base64 of an ed25519 seed
 * (32 bytes) or of seed and public key (64). The public key that `secret generate --ed25519` prints may follow on a line of
 * its own. RelayError("config") for anything else; the message never holds the secret. As strict as the receivers' libraries.
 */
export function decodeSecret(text: string): SigningKey {
  const isPair = text.startsWith(PRIVATE) && PAIR.test(text);
  if (!isPair && /\s/.test(text)) {
    throw new RelayError("config", `has a space or a line break in it, or before or after it: it is one word; ${HINT}`);
  }
  if (text.startsWith(HMAC)) return decodeHmac(text);
  if (text.startsWith(PRIVATE)) return decodePrivate(text);
  if (text.startsWith(PUBLIC)) {
    throw new RelayError("config", `is a public key, which cannot sign; the secret begins with "${PRIVATE}"`);
  }
  throw new RelayError("config", `must begin with "${HMAC}" or "${PRIVATE}"; ${HINT}`);
}

/** Reads what a consumer verifies with: a secret as above, or `whpk_` and the base64 of an ed25519 public key. */
export function decodeVerifyingKey(text: string): VerifyingKey {
  return text.startsWith(PUBLIC) ? { kind: "ed25519", publicKey: decodePublic(text) } : decodeSecret(text);
}

/** A new secret for HMAC, of 32 random bytes. */
export function generateSecret(random: Random): string {
  return HMAC + encode(random.bytes(GENERATED));
}

/** A new ed25519 key pair: the secret, which holds seed and public key, and the public key for the consumer. */
export function generateKeyPair(random: Random): { secret: string; publicKey: string } {
  const seed = random.bytes(SEED_LENGTH);
  const publicKey = derivePublicKey(seed);
  return { secret: PRIVATE + encode(Buffer.concat([seed, publicKey])), publicKey: PUBLIC + encode(publicKey) };
}

function decodeHmac(text: string): SigningKey {
  const bytes = decode(text, HMAC);
  if (bytes.length < SHORTEST || bytes.length > LONGEST)
    throw new RelayError("config", `must be ${SHORTEST} to ${LONGEST} bytes, but is ${bytes.length}; ${HINT}`);
  return { kind: "hmac", bytes };
}

function decodePrivate(text: string): SigningKey {
  const [, secret = text, printed] = PAIR.exec(text) ?? [];
  const bytes = decode(secret, PRIVATE);
  if (bytes.length !== SEED_LENGTH && bytes.length !== SEED_LENGTH + PUBLIC_KEY_LENGTH) {
    const wanted = `${SEED_LENGTH} bytes (a seed) or ${SEED_LENGTH + PUBLIC_KEY_LENGTH} (seed and public key)`;
    throw new RelayError("config", `must be ${wanted}, but is ${bytes.length}; ${HINT}`);
  }
  const seed = bytes.slice(0, SEED_LENGTH);
  const publicKey = derivePublicKey(seed);
  const stated = [bytes.slice(SEED_LENGTH), printed === undefined ? bytes.slice(0, 0) : decodePublic(printed)];
  if (stated.some((one) => one.length > 0 && !Buffer.from(publicKey).equals(one)))
    throw new RelayError("config", `its public key is not the one of its seed; ${HINT}`);
  return { kind: "ed25519", seed, publicKey };
}

function decodePublic(text: string): Uint8Array {
  const bytes = decode(text, PUBLIC);
  if (bytes.length !== PUBLIC_KEY_LENGTH)
    throw new RelayError("config", `a public key must be ${PUBLIC_KEY_LENGTH} bytes, but is ${bytes.length}`);
  return bytes;
}

function decode(text: string, prefix: string): Uint8Array {
  const encoded = text.slice(prefix.length);
  const bytes = Buffer.from(encoded, "base64");
  if (bytes.toString("base64") !== encoded) throw new RelayError("config", `must be base64 after "${prefix}"; ${HINT}`);
  return new Uint8Array(bytes);
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
