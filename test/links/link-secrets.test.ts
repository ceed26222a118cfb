import assert from "node:assert/strict";
import test from "node:test";
import { signKey } from "../../src/links/durable-link.ts";
import { holdLinkSecrets } from "../../src/links/link-secrets.ts";
import type { LinkSecret } from "../../src/model/link-secret.ts";
import { testClock } from "../support/ports.ts";

const KEY = "a/video.mp4";
const [A, B] = ["the first", "the second"].map((text) => new TextEncoder().encode(text));
const sigOf = (secret: Uint8Array) => signKey(secret, KEY);

function open(first: LinkSecret[]) {
  const clock = testClock();
  const stored = { now: first, reads: 0, error: null as Error | null };
  const secrets = holdLinkSecrets(
    first,
    async () => {
      stored.reads++;
      if (stored.error) throw stored.error;
      return stored.now;
    },
    clock,
  );
  return { clock, stored, secrets };
}

test("the first signs", () => {
  const { secrets } = open([
    { secret: B!, endsAt: null },
    { secret: A!, endsAt: testClock().now() + 10 },
  ]);
  assert.equal(secrets.signing(), B);
});

test("a secret ends by the clock, also where it is not read anew", async () => {
  const { clock, stored, secrets } = open([{ secret: B!, endsAt: null }]);
  stored.now = [
    { secret: B!, endsAt: null },
    { secret: A!, endsAt: clock.now() + 1_000 },
  ];
  await secrets.refresh();
  const reads = stored.reads;
  assert.equal(await secrets.isSigned(KEY, sigOf(A!)), true);
  await clock.advance(999);
  assert.equal(await secrets.isSigned(KEY, sigOf(A!)), true);
  assert.equal(stored.reads, reads);
  await clock.advance(1);
  assert.equal(await secrets.isSigned(KEY, sigOf(A!)), false);
  assert.equal(await secrets.isSigned(KEY, sigOf(B!)), true);
});

test("a signature by a secret that another process has made is valid at once", async () => {
  const { stored, secrets } = open([{ secret: A!, endsAt: null }]);
  stored.now = [{ secret: B!, endsAt: null }];
  assert.equal(secrets.signing(), A);
  assert.equal(await secrets.isSigned(KEY, sigOf(B!)), true);
  assert.equal(secrets.signing(), B);
  assert.equal(await secrets.isSigned(KEY, sigOf(A!)), false);
});

test("wrong signatures, however many, have the secrets read four times a second; none has them not read", async () => {
  const { clock, stored, secrets } = open([{ secret: A!, endsAt: null }]);
  const askAll = () =>
    Promise.all(Array.from({ length: 50 }, (_, nth) => secrets.isSigned(KEY, nth % 2 === 0 ? "" : `wrong ${nth}`)));
  assert.ok((await askAll()).every((isSigned) => !isSigned));
  assert.equal(stored.reads, 1);
  await clock.advance(249);
  await askAll();
  assert.equal(stored.reads, 1);
  await clock.advance(1);
  await askAll();
  assert.equal(stored.reads, 2);
  await clock.advance(250);
  assert.equal(await secrets.isSigned(KEY, ""), false);
  assert.equal(stored.reads, 2);
});

test("where they cannot be read what was held stays, and the answer of an earlier read does not undo that of a later", async () => {
  const { stored, secrets } = open([{ secret: A!, endsAt: null }]);
  stored.error = new Error("no disk");
  await assert.rejects(secrets.refresh(), /no disk/);
  assert.equal(await secrets.isSigned(KEY, sigOf(A!)), true);

  const answers: ((found: LinkSecret[]) => void)[] = [];
  const slow = holdLinkSecrets(
    [{ secret: A!, endsAt: null }],
    () => new Promise((resolve) => answers.push(resolve)),
    testClock(),
  );
  const both = [slow.refresh(), slow.refresh()];
  answers[1]!([{ secret: B!, endsAt: null }]);
  answers[0]!([{ secret: A!, endsAt: null }]);
  await Promise.all(both);
  assert.equal(slow.signing(), B);
});
