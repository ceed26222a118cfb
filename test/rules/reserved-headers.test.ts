import assert from "node:assert/strict";
import { test } from "node:test";
import { isReservedHeader } from "../../src/rules/reserved-headers.ts";

test("what the relay or the connection says in a header is theirs alone, in any case of letters", () => {
  for (const name of ["Host", "proxy-connection", "TE", "Webhook-Id", "webhook-anything", "CONTENT-TYPE", "Expect"]) {
    assert.ok(isReservedHeader(name), name);
  }
  for (const name of ["authorization", "x-webhook-id", "webhook", "cookie", "te-x", ""]) {
    assert.ok(!isReservedHeader(name), name);
  }
});
