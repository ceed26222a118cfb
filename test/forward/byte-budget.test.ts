import assert from "node:assert/strict";
import test from "node:test";
import { createByteBudget } from "../../src/forward/byte-budget.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A budget of 64 MiB, and in which order what was asked for went. */
function setUp(count?: number) {
  const budget = createByteBudget({ bytes: 64 * MIB, ...(count !== undefined && { count }) });
  const ending = new AbortController();
  const went: string[] = [];
  const giveBack = new Map<string, () => void>();
  const take = async (name: string, bytes: number, signal = ending.signal) => {
    const give = await budget.take(name.split("/")[0]!, bytes, signal);
    went.push(give === null ? `${name} left` : name);
    if (give) giveBack.set(name, give);
  };
  const settled = async () => {
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { take, went, end: (name: string) => giveBack.get(name)!(), ending, settled };
}

test("large bodies are bounded over all endpoints, and ordinary ones do not wait for them", async () => {
  const { take, went, end, settled } = setUp();
  for (let at = 0; at < 100; at++) void take(`hangs${at}/1`, MIB);
  await settled();
  assert.equal(went.length, 48);
  void take("app/1", KIB);
  await settled();
  assert.equal(went.at(-1), "app/1");
  end("hangs0/1");
  await settled();
  assert.equal(went.length, 50);
});

test("bodies are bounded in number over all endpoints, of either size", async () => {
  const { take, went, end, settled } = setUp(5);
  for (let at = 0; at < 9; at++) void take(`small${at}/1`, KIB);
  for (let at = 0; at < 9; at++) void take(`large${at}/1`, MIB);
  await settled();
  assert.deepEqual(went, ["small0/1", "small1/1", "small2/1", "large0/1", "large1/1"]);
  end("small1/1");
  await settled();
  assert.deepEqual(went.slice(5), ["small3/1"]);
});

test("an endpoint with nothing under way is next, then who waits longest", async () => {
  const { take, went, end, settled } = setUp();
  for (let at = 0; at < 50; at++) void take(`busy/${at}`, MIB);
  await settled();
  void take("app/1", MIB);
  void take("app/2", MIB);
  await settled();
  assert.equal(went.length, 48);
  end("busy/0");
  end("busy/1");
  end("busy/2");
  await settled();
  assert.deepEqual(went.slice(48), ["app/1", "busy/48", "busy/49"]);
});

test("one body always goes, however large, and nothing overtakes it for ever", async () => {
  const { take, went, end, settled } = setUp();
  void take("a/1", MIB);
  await settled();
  void take("big/1", 500 * MIB);
  void take("b/1", MIB);
  await settled();
  assert.deepEqual(went, ["a/1"]);
  end("a/1");
  await settled();
  assert.deepEqual(went, ["a/1", "big/1"]);
  end("big/1");
  await settled();
  assert.deepEqual(went, ["a/1", "big/1", "b/1"]);
});

test("of large bodies one goes in a turn of the event loop", async () => {
  const { take, went } = setUp();
  for (let at = 0; at < 5; at++) void take(`app${at}/1`, MIB);
  for (let turn = 0; turn < 4; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(went.length <= turn + 2, `${went.length} after ${turn + 1} turns`);
  }
});

test("a wait ends with its worker, and who waited behind it goes on", async () => {
  const { take, went, settled } = setUp();
  const stopping = new AbortController();
  void take("a/1", 40 * MIB);
  void take("b/1", 40 * MIB, stopping.signal);
  void take("c/1", MIB);
  await settled();
  assert.deepEqual(went, ["a/1"]);
  stopping.abort();
  await settled();
  assert.deepEqual(went, ["a/1", "b/1 left", "c/1"]);
  void take("d/1", 1, stopping.signal);
  await settled();
  assert.equal(went.at(-1), "d/1 left");
});
