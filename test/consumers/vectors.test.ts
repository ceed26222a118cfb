import assert from "node:assert/strict";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { tempFolder } from "../support/folder.ts";
import { signVectors, verifyVectors } from "../support/signatures.ts";
import { LANGUAGES, type Language, missing, start } from "./languages.ts";

// The vectors of signatures are what other programs say, too: signing is the same everywhere, bit by bit.

for (const language of ["php", "go"] satisfies Language[]) {
  test(`a program in ${language} signs each message as its vector says, with HMAC and with ed25519`, {
    skip: missing(language),
  }, async (t) => {
    const folder = tempFolder(t);
    const child = start(LANGUAGES[language].script(join(import.meta.dirname, `sign.${language}`), folder));
    child.stdin!.end(JSON.stringify(signVectors.map(({ name: _, signature: __, ...message }) => message)));
    const [output, errors] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
    assert.equal(errors, "");
    const signed: string[] = JSON.parse(output);
    assert.deepEqual(
      signed.map((signature, at) => `${signVectors[at]!.name}: ${signature}`),
      signVectors.map(({ name, signature }) => `${name}: ${signature}`),
    );
  });
}

const LIBRARIES = { standardwebhooks: Webhook, svix: SvixWebhook };

/** What a library says of a message at a time of its clock, which it cannot be given. */
function isValid(Library: typeof Webhook | typeof SvixWebhook, secret: string, vector: (typeof verifyVectors)[number]) {
  const now = Date.now;
  Date.now = () => vector.now;
  try {
    new Library(secret).verify(vector.body, vector.headers);
    return true;
  } catch {
    return false;
  } finally {
    Date.now = now;
  }
}

for (const [name, Library] of Object.entries(LIBRARIES)) {
  test(`${name} judges each vector with an HMAC secret in the same way`, () => {
    // It takes what only begins with a number for a time, and the signature of that number.
    const judged = verifyVectors.filter(
      ({ secrets, headers }) =>
        secrets.length > 0 &&
        secrets.every((secret) => secret.startsWith("whsec_")) &&
        !/^\d+\D/.test(headers["webhook-timestamp"] ?? ""),
    );
    const said = judged.map((vector) => {
      const isGood = vector.secrets.some((secret) => isValid(Library, secret, vector));
      return `${vector.name}: ${isGood ? "valid" : "invalid"}`;
    });
    assert.deepEqual(
      said,
      judged.map(({ name, why }) => `${name}: ${why === undefined ? "valid" : "invalid"}`),
    );
    assert.ok(judged.length > 20);
  });
}
