import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** Sizes in bytes (RFC 8032, section 5.1). */
export const SEED_LENGTH = 32;
export const PUBLIC_KEY_LENGTH = 32;
export const SIGNATURE_LENGTH = 64;

/** What precedes the raw bytes in the DER forms that node:crypto reads (RFC 8410, sections 4 and 7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** The private key of a seed of 32 bytes, for `sign` of node:crypto. */
export function openPrivateKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
}

/** A public key of 32 bytes, for `verify` of node:crypto. Bytes that are no point of the curve verify nothing. */
export function openPublicKey(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, bytes]), format: "der", type: "spki" });
}

/** The 32 bytes of the public key that belongs to a seed. */
export function derivePublicKey(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(openPrivateKey(seed)).export({ format: "der", type: "spki" });
  return new Uint8Array(der.subarray(SPKI.length));
}
