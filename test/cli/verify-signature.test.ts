import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Webhook } from "standardwebhooks";
import { decodeSecret, generateKeyPair } from "../../src/config/webhook-secret.ts";
import { createSigner } from "../../src/forward/signature.ts";
import { systemRandom } from "../../src/platform/runtime.ts";
import { callCli } from "../support/spawn.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
const OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const BODY = '{"type":"video.ready","title":"Grüße"}';
const folder = mkdtempSync(join(tmpdir(), "wochit-relay-verify-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A message as the reference library signs it, now or some seconds ago. */
function signed(ago = 0) {
  const at = new Date(Date.now() - ago * 1000);
  const timestamp = String(Math.floor(at.getTime() / 1000));
  return { id: "evt_1", timestamp, signature: new Webhook(SECRET).sign("evt_1", at, BODY) };
}

function asOptions({ id, timestamp, signature }: ReturnType<typeof signed>) {
  return ["--id", id, "--timestamp", timestamp, "--signature", signature];
}

test("a message of the reference library is valid, whichever way it is given", async () => {
  const message = signed();
  const bodyFile = join(folder, "body.json");
  const secretFile = join(folder, "secret");
  writeFileSync(bodyFile, BODY);
  writeFileSync(secretFile, `${SECRET}\n`);
  const headers = ["id", "timestamp", "signature"].flatMap((name) => [
    "-H",
    `Webhook-${name}: ${message[name as keyof typeof message]}`,
  ]);
  const results = await Promise.all([
    callCli(["verify-signature", "--secret", SECRET, ...asOptions(message)], { input: BODY }),
    callCli(["verify-signature", "--secret-file", secretFile, "--body", bodyFile, ...headers]),
    callCli(["verify-signature", ...headers], { input: BODY, env: { WOCHIT_RELAY_SECRET: SECRET } }),
    callCli(["verify-signature", "--secret", OTHER, "--secret", SECRET, ...headers], { input: BODY }),
  ]);
  for (const { code, stdout, stderr } of results) assert.deepEqual([code, stdout, stderr], [0, "valid\n", ""]);
});

test("what is not valid exits with 1 and says why", async () => {
  const message = signed();
  const env = { WOCHIT_RELAY_SECRET: SECRET };
  const [changed, other, old, tolerated, missing] = await Promise.all([
    callCli(["verify-signature", ...asOptions(message)], { env, input: `${BODY} ` }),
    callCli(["verify-signature", ...asOptions(message)], { env: { WOCHIT_RELAY_SECRET: OTHER }, input: BODY }),
    callCli(["verify-signature", ...asOptions(signed(3600))], { env, input: BODY }),
    callCli(["verify-signature", "--tolerance", "2h", ...asOptions(signed(3600))], { env, input: BODY }),
    callCli(["verify-signature", "--id", "evt_1"], { env, input: BODY }),
  ]);
  for (const { code, stdout, stderr } of [changed, other, old, missing]) {
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^wochit-relay: not valid: [^\n]+\n$/);
  }
  assert.match(old.stderr, /old/);
  assert.match(missing.stderr, /webhook-timestamp/);
  assert.equal(tolerated.code, 0);
});

test("an ed25519 message is verified with the public key, the secret, or the file that holds both", async () => {
  const { secret, publicKey } = generateKeyPair(systemRandom());
  const file = join(folder, "pair");
  writeFileSync(file, `${secret}\n${publicKey}\n`);
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createSigner([decodeSecret(SECRET), decodeSecret(secret)])("evt_1", timestamp, Buffer.from(BODY));
  const options = asOptions({ id: "evt_1", timestamp: String(timestamp), signature });
  const call = (given: string[], input = BODY) => callCli(["verify-signature", ...given, ...options], { input });
  const valid = [
    ["--secret", publicKey],
    ["--secret", secret],
    ["--secret", SECRET],
    ["--secret-file", file],
  ];
  for (const given of valid) assert.equal((await call(given)).stdout, "valid\n", given[0]);
  const invalid = [
    await call(["--secret", publicKey], `${BODY} `),
    await call(["--secret", generateKeyPair(systemRandom()).publicKey]),
  ];
  for (const { code, stderr } of invalid) {
    assert.equal(code, 1);
    assert.match(stderr, /not valid: no signature matches/);
  }
  const wrong = await call(["--secret", "whpk_AAAA"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /secret: a public key must be 32 bytes, but is 3/);
});

test("with --json the verdict is an object, also when it is no", async () => {
  const message = signed();
  const env = { WOCHIT_RELAY_SECRET: SECRET };
  const [yes, no] = await Promise.all([
    callCli(["verify-signature", "--json", ...asOptions(message)], { env, input: BODY }),
    callCli(["verify-signature", "--json", ...asOptions(message)], { env, input: `${BODY} ` }),
  ]);
  assert.deepEqual([yes.code, yes.stdout, yes.stderr], [0, '{"valid":true}\n', ""]);
  const { valid, why, ...rest } = JSON.parse(no.stdout);
  assert.deepEqual([no.code, valid, rest], [1, false, {}]);
  assert.equal(no.stderr, `wochit-relay: not valid: ${why}\n`);
});

test("without a secret, or with one that is none, nothing is judged and nothing shown", async () => {
  const [none, wrong] = await Promise.all([
    callCli(["verify-signature", ...asOptions(signed())], { input: BODY }),
    callCli(["verify-signature", ...asOptions(signed())], { input: BODY, env: { WOCHIT_RELAY_SECRET: "hunter2" } }),
  ]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /WOCHIT_RELAY_SECRET/);
  assert.equal(wrong.code, 2);
  assert.doesNotMatch(wrong.stderr, /hunter2/);
});
