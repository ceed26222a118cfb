import assert from "node:assert/strict";
import test from "node:test";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { decodeSecret, decodeVerifyingKey, generateKeyPair, generateSecret } from "../../src/config/webhook-secret.ts";
import { createSigner, verify } from "../../src/forward/signature.ts";
import { systemRandom } from "../../src/platform/runtime.ts";
import { signVectors, verifyVectors } from "../support/signatures.ts";

const random = systemRandom();

for (const { name, secrets, id, timestamp, body, signature } of signVectors) {
  test(`signing, ${name}`, () => {
    const sign = createSigner(secrets.map(decodeSecret));
    assert.equal(sign(id, timestamp, Buffer.from(body)), signature);
    assert.equal(sign(id, timestamp, Buffer.from(body)), signature, "and again");
  });
}

for (const { name, headers, body, secrets, now, why } of verifyVectors) {
  test(`verifying, ${name}`, () => {
    const verdict = verify({ headers, body: Buffer.from(body), keys: secrets.map(decodeVerifyingKey), now });
    assert.deepEqual(verdict, why === undefined ? { valid: true } : { valid: false, why });
  });
}

test("the libraries that consumers use accept what was signed, with each of the secrets, also beside ed25519", () => {
  const secrets = [1, 2].map(() => generateSecret(random));
  const keys = [generateKeyPair(random).secret, ...secrets].map(decodeSecret);
  const body = '{"title":"Š א 東 😀","n":12345678901234567890.0}';
  const now = Math.floor(Date.now() / 1000);
  const headers = {
    "webhook-id": "evt_01",
    "webhook-timestamp": String(now),
    "webhook-signature": createSigner(keys)("evt_01", now, Buffer.from(body)),
  };
  for (const secret of secrets) {
    new Webhook(secret).verify(body, headers);
    new SvixWebhook(secret).verify(body, headers);
    assert.throws(() => new Webhook(secret).verify(`${body} `, headers));
    assert.throws(() => new SvixWebhook(secret).verify(`${body} `, headers));
  }
});

test("what a consumer's library signs is valid here", () => {
  const secret = generateSecret(random);
  const now = Date.now();
  const headers = {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(now / 1000)),
    "webhook-signature": new Webhook(secret).sign("msg_1", new Date(now), '{"a":"é"}'),
  };
  const verdict = verify({ headers, body: Buffer.from('{"a":"é"}'), keys: [decodeSecret(secret)], now });
  assert.deepEqual(verdict, { valid: true });
});
