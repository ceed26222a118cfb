import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { RelayError } from "../../src/errors.ts";
import { decodeSecret, generateSecret, sign, verify } from "../../src/forward/signature.ts";

type SignVector = { name: string; secrets: string[]; id: string; timestamp: number; body: string; signature: string };
type VerifyVector = {
  name: string;
  headers: Record<string, string>;
  body: string;
  secrets: string[];
  now: number;
  why?: string;
};

/** Made with Python's hmac module; the first one stands in the Standard Webhooks specification. */
const vectors = JSON.parse(readFileSync(new URL("../fixtures/signatures.json", import.meta.url), "utf8")) as {
  sign: SignVector[];
  verify: VerifyVector[];
};

for (const { name, secrets, id, timestamp, body, signature } of vectors.sign) {
  test(`signing, ${name}`, () => {
    const keys = secrets.map(decodeSecret);
    assert.equal(sign(keys, id, timestamp, Buffer.from(body)), signature);
    assert.equal(
      sign(
        keys.map((key) => createSecretKey(key)),
        id,
        timestamp,
        Buffer.from(body),
      ),
      signature,
    );
  });
}

for (const { name, headers, body, secrets, now, why } of vectors.verify) {
  test(`verifying, ${name}`, () => {
    const verdict = verify({ headers, body: Buffer.from(body), keys: secrets.map(decodeSecret), now });
    assert.deepEqual(verdict, why === undefined ? { valid: true } : { valid: false, why });
  });
}

test("the libraries that consumers use accept what was signed, with each of the secrets", () => {
  const secrets = [1, 2].map(() => generateSecret({ float: Math.random, bytes: (length) => randomBytes(length) }));
  const body = '{"title":"Š א 東 😀","n":12345678901234567890.0}';
  const now = Math.floor(Date.now() / 1000);
  const headers = {
    "webhook-id": "evt_01",
    "webhook-timestamp": String(now),
    "webhook-signature": sign(secrets.map(decodeSecret), "evt_01", now, Buffer.from(body)),
  };
  for (const secret of secrets) {
    new Webhook(secret).verify(body, headers);
    new SvixWebhook(secret).verify(body, headers);
    assert.throws(() => new Webhook(secret).verify(`${body} `, headers));
    assert.throws(() => new SvixWebhook(secret).verify(`${body} `, headers));
  }
});

test("what a consumer's library signs is valid here", () => {
  const secret = generateSecret({ float: Math.random, bytes: (length) => randomBytes(length) });
  const now = Date.now();
  const headers = {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(now / 1000)),
    "webhook-signature": new Webhook(secret).sign("msg_1", new Date(now), '{"a":"é"}'),
  };
  const verdict = verify({ headers, body: Buffer.from('{"a":"é"}'), keys: [decodeSecret(secret)], now });
  assert.deepEqual(verdict, { valid: true });
});

test("a generated secret is whsec_ and the base64 of 32 bytes", () => {
  const secret = generateSecret({ float: () => 0, bytes: (length) => new Uint8Array(length).fill(length) });
  assert.equal(secret, `whsec_${Buffer.alloc(32, 32).toString("base64")}`);
  assert.deepEqual(decodeSecret(secret), new Uint8Array(32).fill(32));
});

test("a secret that is none is refused in one line that does not repeat it", () => {
  const wrong = {
    "bWlzc2luZyB0aGUgcHJlZml4IQ==": /begins with "whsec_"/,
    "WHSEC_bWlzc2luZyB0aGUgcHJlZml4IQ==": /begins with "whsec_"/,
    "": /begins with "whsec_"/,
    whsec_: /base64/,
    whsec_notbase64notbase64notbase64notbase6: /base64/,
    whsec_c2l4dGVlbiBieXRlcyBvaw: /base64/,
    "whsec_-_8tXy1fLV8tXy1fLV8tXy1fLV8tXw==": /base64/,
    "whsec_c2l4dGVlbiBieXRlcyBvaw==\n": /base64/,
    "whsec_c2hvcnQ=": /5 bytes is too short, 16 are needed/,
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
