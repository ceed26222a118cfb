import assert from "node:assert/strict";
import { test } from "node:test";
import { isSameSecret } from "../../src/platform/same-secret.ts";
import { fc, holdsForAll } from "../support/property.ts";

test("a secret is the same only as itself", () => {
  const texts = fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }));
  holdsForAll(texts, ([one, other]) => {
    assert.equal(isSameSecret(one, one), true);
    assert.equal(isSameSecret(one, other), one === other);
    assert.equal(isSameSecret(one, `${one} `), false);
  });
});
