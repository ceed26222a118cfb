import assert from "node:assert/strict";
import test from "node:test";
import { createInterimFilter } from "../../../src/platform/net/interim-responses.ts";

const FINAL = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** What the filter lets through of an answer that comes in pieces of `size` bytes, with what a close flushes. */
function passed(answer: string, size = answer.length): string {
  const filter = createInterimFilter();
  filter.expectHead();
  let text = "";
  for (let at = 0; at < answer.length; at += size) {
    text += Buffer.from(filter.pass(Buffer.from(answer.slice(at, at + size), "latin1"))).toString("latin1");
  }
  return text + Buffer.from(filter.flush()).toString("latin1");
}

const INTERIM = {
  "100 alone": "HTTP/1.1 100 Continue\r\n\r\n",
  "several, with fields":
    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 C\r\n\r\n",
  "without a reason": "HTTP/1.1 100\r\n\r\n",
  "HTTP/1.0, to be closed, with a length": "HTTP/1.0 100 Continue\r\nConnection: close\r\nContent-Length: 9\r\n\r\n",
  "an unknown one": "HTTP/1.1 199 Whatever\r\n\r\n",
  "bare line breaks": "HTTP/1.1 100 Continue\nx: y\n\n",
  "an empty line before it": "\r\nHTTP/1.1 100 Continue\r\n\r\n\r\n",
};

for (const [name, interim] of Object.entries(INTERIM)) {
  test(`interim responses are taken out, however they are cut: ${name}`, () => {
    for (let size = 1; size <= interim.length + FINAL.length; size++) {
      assert.equal(passed(interim + FINAL, size).trimStart(), FINAL, `${size} bytes at a time`);
    }
  });
}

test("whatever else comes is passed on as it is, at once", () => {
  const others = [
    FINAL,
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    "SSH-2.0-x\r\n",
    "H",
    "",
    "HTTP/2 100 \r\n\r\n",
    "\x16\x03\x01\x02",
    "HTTP/1.1 1000 no\r\n\r\n",
    // A body that looks like an interim response.
    "HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
  ];
  for (const answer of others) {
    for (let size = 1; size <= Math.max(1, answer.length); size++) assert.equal(passed(answer, size), answer);
  }
  const filter = createInterimFilter();
  filter.expectHead();
  assert.equal(filter.pass(Buffer.from("SSH-")).length, 4, "what cannot become a response is not held back");
  assert.ok(filter.isAnswered());
});

test("a head without an end is not gathered for ever", () => {
  const filter = createInterimFilter();
  filter.expectHead();
  let through = filter.pass(Buffer.from("HTTP/1.1 100 Continue\r\n")).length;
  for (let count = 0; count < 40; count++) through += filter.pass(Buffer.from(`x: ${"y".repeat(1_000)}\r\n`)).length;
  assert.ok(through > 16_384);
});

test("every request expects a head of its own", () => {
  const filter = createInterimFilter();
  for (let request = 0; request < 3; request++) {
    filter.expectHead();
    assert.equal(filter.isAnswered(), false);
    assert.equal(filter.pass(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n")).length, 0);
    assert.equal(filter.isAnswered(), false);
    assert.equal(Buffer.from(filter.pass(Buffer.from(FINAL))).toString(), FINAL);
    assert.equal(filter.isAnswered(), true);
  }
});
