import fixture from "../fixtures/signatures.json" with { type: "json" };

export type SignVector = {
  name: string;
  secrets: string[];
  id: string;
  timestamp: number;
  body: string;
  signature: string;
};

export type VerifyVector = {
  name: string;
  headers: Record<string, string>;
  body: string;
  secrets: string[];
  now: number;
  /** Why it is refused; undefined: it is valid. */
  why?: string;
};

/**
 * Made with Python's hmac module and, for ed25519, its package `cryptography`. The first one stands in the Standard Webhooks
 * specification; the ed25519 seeds are those of RFC 8032, section 7.1, and the base64 is of these seeds.
 */
export const { sign: signVectors, verify: verifyVectors } = fixture as unknown as {
  sign: SignVector[];
  verify: VerifyVector[];
};
