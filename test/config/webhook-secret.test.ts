import assert from "node:assert/strict";
import test from "node:test";
import { decodeSecret, generateSecret } from "../../src/config/webhook-secret.ts";
import { RelayError } from "../../src/errors.ts";

test("a generated secret is whsec_ and the base64 of 32 bytes", () => {
  const secret = generateSecret({ float: () => 0, bytes: (length) => new Uint8Array(length).fill(length) });
  assert.equal(secret, `whsec_${Buffer.alloc(32, 32).toString("base64")}`);
  assert.deepEqual(decodeSecret(secret), new Uint8Array(32).fill(32));
});

test("a secret that is none is refused in one line that does not repeat it", () => {
  const wrong = {
    "bWlzc2luZyB0aGUgcHJlZml4IQ==": /begin with "whsec_"/,
    "WHSEC_bWlzc2luZyB0aGUgcHJlZml4IQ==": /begin with "whsec_"/,
    "": /begin with "whsec_"/,
    whsec_: /16 to 64 bytes, but is 0/,
    whsec_notbase64notbase64notbase64notbase6: /base64/,
    whsec_c2l4dGVlbiBieXRlcyBvaw: /base64/,
    "whsec_-_8tXy1fLV8tXy1fLV8tXy1fLV8tXw==": /base64/,
    "whsec_c2l4dGVlbiBieXRlcyBvaw==\n": /base64/,
    "whsec_c2hvcnQ=": /16 to 64 bytes, but is 5/,
    [`whsec_${Buffer.alloc(65).toString("base64")}`]: /16 to 64 bytes, but is 65/,
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
