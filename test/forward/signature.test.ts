import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import test from "node:test";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { decodeSecret, generateSecret } from "../../src/config/webhook-secret.ts";
import { sign, verify } from "../../src/forward/signature.ts";
import fixture from "../fixtures/signatures.json" with { type: "json" };

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
const vectors = fixture as unknown as {
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
