import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import test from "node:test";
import { isDeepStrictEqual } from "node:util";
import { decodeSecret, decodeVerifyingKey, generateKeyPair, generateSecret } from "../../src/config/webhook-secret.ts";
import { RelayError } from "../../src/errors.ts";

const fixed = { float: () => 0, bytes: (length: number) => new Uint8Array(length).fill(length) };

/** The seed and the public key of RFC 8032, section 7.1, test 1. */
const SEED = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
const PUBLIC = Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex");
const ED25519 = { kind: "ed25519", seed: new Uint8Array(SEED), publicKey: new Uint8Array(PUBLIC) };

const base64 = (...parts: Uint8Array[]) => Buffer.concat(parts).toString("base64");

test("a generated secret is whsec_ and the base64 of 32 bytes", () => {
  const secret = generateSecret(fixed);
  assert.equal(secret, `whsec_${Buffer.alloc(32, 32).toString("base64")}`);
  assert.deepEqual(decodeSecret(secret), { kind: "hmac", bytes: new Uint8Array(32).fill(32) });
});

test("HMAC secrets have 24 to 64 bytes", () => {
  for (const length of [24, 64]) {
    const key = decodeSecret(`whsec_${base64(Buffer.alloc(length, 1))}`);
    assert.equal(key.kind === "hmac" && key.bytes.length, length);
  }
});

test("an ed25519 secret is a seed, or a seed and its public key, or both lines of secret generate", () => {
  const printed = `whsk_${base64(SEED, PUBLIC)}\nwhpk_${base64(PUBLIC)}`;
  for (const text of [`whsk_${base64(SEED)}`, `whsk_${base64(SEED, PUBLIC)}`, printed, printed.replace("\n", "\r\n")]) {
    assert.deepEqual(decodeSecret(text), ED25519);
    assert.deepEqual(decodeVerifyingKey(text), ED25519);
  }
  assert.deepEqual(decodeVerifyingKey(`whpk_${base64(PUBLIC)}`), { kind: "ed25519", publicKey: ED25519.publicKey });
});

test("a generated key pair is one, whose secret holds both halves", () => {
  const { secret, publicKey } = generateKeyPair(fixed);
  const bytes = Buffer.from(secret.slice(5), "base64");
  assert.deepEqual(bytes.subarray(0, 32), Buffer.alloc(32, 32));
  assert.equal(publicKey, `whpk_${base64(bytes.subarray(32))}`);
  const key = decodeSecret(secret);
  assert.deepEqual(key, decodeSecret(`${secret}\n${publicKey}`));
  assert.ok(key.kind === "ed25519");
  const x = Buffer.from(key.publicKey).toString("base64url");
  assert.equal(createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }).asymmetricKeyType, "ed25519");
});

test("keys are plain data: equal secrets are equal, others are not", () => {
  const [one, two] = [1, 2].map((byte) => base64(Buffer.alloc(32, byte)));
  const all = [`whsec_${one}`, `whsec_${two}`, `whsk_${one}`, `whsk_${two}`];
  for (const left of all)
    for (const right of all)
      assert.equal(isDeepStrictEqual(decodeSecret(left), decodeSecret(right)), left === right, `${left} ${right}`);
});

test("a secret that is none is refused in one line that does not repeat it", () => {
  const wrong = {
    "bWlzc2luZyB0aGUgcHJlZml4IQ==": /begin with "whsec_" or "whsk_"/,
    "WHSEC_bWlzc2luZyB0aGUgcHJlZml4IQ==": /begin with "whsec_"/,
    "": /begin with "whsec_"/,
    whsec_: /24 to 64 bytes, but is 0/,
    whsec_notbase64notbase64notbase64notbase6: /base64/,
    whsec_c2l4dGVlbiBieXRlcyBvaw: /base64/,
    "whsec_-_8tXy1fLV8tXy1fLV8tXy1fLV8tXw==": /base64/,
    "whsec_c2l4dGVlbiBieXRlcyBvaw==\n": /line break/,
    "whsec_c2hvcnQ=": /24 to 64 bytes, but is 5/,
    [`whsec_${base64(Buffer.alloc(23, 1))}`]: /24 to 64 bytes, but is 23/,
    [`whsec_${base64(Buffer.alloc(65))}`]: /24 to 64 bytes, but is 65/,
    [`whsk_${base64(Buffer.alloc(31, 1))}`]: /32 bytes \(a seed\) or 64 \(seed and public key\), but is 31/,
    [`whsk_${base64(SEED, PUBLIC.subarray(1))}`]: /but is 63/,
    [`whsk_${base64(SEED, Buffer.alloc(32))}`]: /public key is not the one of its seed/,
    [`whsk_${base64(SEED)}\nwhpk_${base64(SEED)}`]: /public key is not the one of its seed/,
    [`whsk_${base64(SEED)}\nwhpk_${base64(SEED.subarray(1))}`]: /public key must be 32 bytes, but is 31/,
    [`whsk_${base64(SEED)}\nwhsk_${base64(SEED)}`]: /line break/,
    [`whsk_${base64(SEED).replace("=", "")}`]: /base64 after "whsk_"/,
    [`whpk_${base64(PUBLIC)}`]: /is a public key, which cannot sign/,
  };
  for (const [secret, message] of Object.entries(wrong)) {
    assert.throws(
      () => decodeSecret(secret),
      (error: unknown) =>
        error instanceof RelayError &&
        error.code === "config" &&
        message.test(error.message) &&
        !error.message.includes("\n") &&
        (secret.length < 8 || !error.message.includes(secret.slice(6))),
      secret,
    );
  }
});

test("a public key that is none is refused", () => {
  assert.throws(() => decodeVerifyingKey(`whpk_${base64(PUBLIC, PUBLIC)}`), /public key must be 32 bytes, but is 64/);
  assert.throws(() => decodeVerifyingKey("whpk_?"), /base64 after "whpk_"/);
});
