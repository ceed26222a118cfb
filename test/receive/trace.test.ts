import assert from "node:assert/strict";
import { test } from "node:test";
import { packTrace, readTrace, traceHeaders, unpackTrace } from "../../src/model/trace.ts";

const ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const GOOD = `00-${ID}-${PARENT}-01`;

const read = (traceparent: unknown, tracestate?: unknown) => readTrace({ traceparent, tracestate });

test("a valid traceparent is read, of later versions as far as it is known", () => {
  const trace = { id: ID, parent: PARENT, flags: "01", state: null };
  assert.deepEqual(read(GOOD), trace);
  assert.deepEqual(read(` ${GOOD} `), trace);
  assert.deepEqual(read(`cc-${ID}-${PARENT}-01-what-comes-later`), trace);
  assert.deepEqual(read(`01-${ID}-${PARENT}-01`), trace);
  assert.equal(read(`00-${ID}-${PARENT}-ff`)?.flags, "03", "flags that are not known are not passed on");
  assert.equal(read(`00-${ID}-${PARENT}-00`)?.flags, "00");
});

test("what is no valid traceparent is none", () => {
  for (const wrong of [
    undefined,
    "",
    "x",
    [GOOD, GOOD],
    `${GOOD}, ${GOOD}`,
    `ff-${ID}-${PARENT}-01`,
    `0-${ID}-${PARENT}-01`,
    `00-${ID.toUpperCase()}-${PARENT}-01`,
    `00-${ID.slice(1)}-${PARENT}-01`,
    `00-${"0".repeat(32)}-${PARENT}-01`,
    `00-${ID}-${"0".repeat(16)}-01`,
    `00-${ID}-${PARENT}-1`,
    `00-${ID}-${PARENT}-0g`,
    `${GOOD}-more`,
    `${GOOD}\r\nx: y`,
  ])
    assert.equal(read(wrong), null, String(wrong));
});

test("a tracestate is passed on where all of it is valid, and is nothing without a traceparent", () => {
  assert.equal(read(GOOD, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")?.state, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
  assert.equal(read(GOOD, " a=1 ,, 4tenant@vendor=x y ")?.state, "a=1,4tenant@vendor=x y");
  const members = (count: number) => Array.from({ length: count }, (_, n) => `k${n}=v`).join(",");
  assert.equal(read(GOOD, members(32))?.state, members(32));
  for (const wrong of [
    members(33),
    `a=${"x".repeat(511)}`,
    "a",
    "A=1",
    "a=\u00e9",
    "a=1\r\nx: y",
    "a=b=c",
    "",
    " , ",
    ["a=1"],
  ])
    assert.equal(read(GOOD, wrong)?.state, null, String(wrong));
  assert.equal(read("no", "a=1"), null);
});

test("an attempt goes on in the trace, as a span of its own", () => {
  const span = "00f067aa0ba902b7";
  assert.deepEqual(traceHeaders(read(GOOD)!, span), { traceparent: `00-${ID}-${span}-01` });
  assert.deepEqual(traceHeaders(read(GOOD, "a=1")!, span), { traceparent: `00-${ID}-${span}-01`, tracestate: "a=1" });
});

test("what is kept of a trace is read again as it was", () => {
  for (const state of [undefined, "a=1,b=2"]) {
    const trace = read(GOOD, state)!;
    assert.deepEqual(unpackTrace(packTrace(trace)), trace);
  }
});
