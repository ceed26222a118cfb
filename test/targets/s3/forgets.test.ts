import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { openS3Target } from "../../../src/targets/s3/open.ts";
import { put, readAll } from "../../contracts/mirror-target.ts";
import { noise, sha256Of } from "../../support/bytes.ts";
import { tempFolder } from "../../support/folder.ts";
import { openForgetfulStore } from "../../support/forgetful-store.ts";
import { testLog } from "../../support/ports.ts";

async function open(t: TestContext) {
  const { store, config } = await openForgetfulStore(t);
  const log = testLog();
  const target = await openS3Target(config, { log, access: "shared" });
  t.after(() => target.close());
  const folder = tempFolder(t);
  const gets = (name: string) => store.asked.filter((line) => line === `GET ${name}`).length;
  return { store, target, folder, log, gets };
}

const small = noise(50_000);
const large = noise(20 * 2 ** 20 + 7);

test("a store that forgets metadata is proven by reading back, and is said once", async (t) => {
  const { target, folder, log, gets } = await open(t);
  assert.deepEqual(await target.oddities(), []);
  assert.equal(await put(target, folder, "v1/video.mp4", small), "stored");
  assert.equal(await put(target, folder, "v3/video.mp4", large), "stored");
  assert.deepEqual([gets("v1/video.mp4"), gets("v3/video.mp4")], [1, 1]);
  assert.equal(sha256Of((await readAll(target, "v3/video.mp4"))!), sha256Of(large));
  assert.equal(await put(target, folder, "v1/video.mp4", small), "exists-same");
  assert.equal(await put(target, folder, "v1/video.mp4", noise(50_001)), "exists-different");
  assert.match((await target.oddities())[0]!, /^this store forgets metadata/);
  assert.deepEqual(
    log.facts.map(({ level, fact }) => [level, fact.slice(0, 27)]),
    [["warn", "this store forgets metadata"]],
  );
});

test("a store that forgets metadata and keeps other bytes is not believed", async (t) => {
  const { store, target, folder } = await open(t);
  store.keep = (bytes) => Buffer.alloc(bytes.length, 7);
  await assert.rejects(
    put(target, folder, "v1/video.mp4", small),
    /was uploaded, and the store has 50000 bytes, sha256 [0-9a-f]{64} there/,
  );
  store.keep = (bytes) => bytes.subarray(1);
  await assert.rejects(put(target, folder, "v1/video.mp4", small, true), /the store has 49999 bytes/);
});
