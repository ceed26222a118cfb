import assert from "node:assert/strict";
import { test } from "node:test";
import { noteOf } from "../../src/relay/note.ts";
import { configIn, endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";

test("configs of relays that differ in their data folders alone are one", (t) => {
  const of = (id: string) => {
    const input = { endpoints: [endpoint(id)], mirror: { enabled: false } };
    return noteOf(configIn(tempFolder(t), input), 0).config;
  };
  assert.equal(of("app"), of("app"));
  assert.notEqual(of("app"), of("cms"));
});
