import assert from "node:assert/strict";
import { test } from "node:test";
import { callerOf, createFailures } from "../../src/admin/auth.ts";
import { testClock } from "../support/ports.ts";

const tokens = [
  { name: "admin", can: "operate" as const, token: "first" },
  { name: "prometheus", can: "read" as const, token: "second" },
];

test("a token is taken from a Bearer header only, and says who asks and what that may do", () => {
  assert.deepEqual(callerOf("Bearer first", tokens), { name: "admin", can: "operate" });
  assert.deepEqual(callerOf("bearer  second ", tokens), { name: "prometheus", can: "read" });
  for (const header of [undefined, "", "first", "Bearer", "Bearer ", "Basic first", "Bearer third", "Bearer first x"]) {
    assert.equal(callerOf(header, tokens), null, header);
  }
  assert.equal(callerOf("Bearer first", []), null);
});

test("after ten wrong tokens of an address within 15 minutes further ones are answered after two seconds", async () => {
  const clock = testClock();
  const fail = createFailures(clock);
  for (let n = 1; n <= 10; n++) assert.equal(await fail("192.0.2.1"), false);
  let answered: boolean | null = null;
  void fail("192.0.2.1").then((late) => {
    answered = late;
  });
  await clock.advance(1_999);
  assert.equal(answered, null);
  await clock.advance(1);
  assert.equal(answered, true);
  assert.equal(await fail("192.0.2.2"), false, "another address");
  await clock.advance(15 * 60_000);
  assert.equal(await fail("192.0.2.1"), false, "later");
});

test("late answers do not pile up, and addresses are not remembered without a bound", async () => {
  const clock = testClock();
  const fail = createFailures(clock);
  for (let n = 1; n <= 10; n++) await fail("192.0.2.1");
  const late = Array.from({ length: 300 }, () => fail("192.0.2.1"));
  // Those beyond the bound are answered at once.
  assert.deepEqual(await Promise.all(late.slice(256)), Array(44).fill(true));
  await clock.advance(2_000);
  assert.deepEqual(await Promise.all(late), Array(300).fill(true));
  for (let n = 0; n < 5_000; n++) await fail(`other-${n}`);
  assert.equal(await fail("192.0.2.1"), false, "it was forgotten");
});
