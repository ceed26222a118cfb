import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { createMemoryLimit, readBody } from "../../src/receive/body.ts";

test("of a body in chunks of a byte each byte is kept, and not what its socket read with it", async () => {
  const text = JSON.stringify({ wochitVideoId: "v1", title: "x".repeat(2_000) });
  const request = Object.assign(new Readable({ read() {} }), { headers: {} });
  const all = { limit: 10_000, keep: 0, memory: createMemoryLimit(10_000), spare: createMemoryLimit(0) };
  const read = readBody(request as unknown as IncomingMessage, all);
  for (const byte of Buffer.from(text)) {
    const socketRead = Buffer.alloc(64 * 1024, byte);
    request.push(socketRead.subarray(0, 1));
    await new Promise((resolve) => setImmediate(resolve));
    // What is kept of it would change with it. The first one of all is kept as it came: mostly it is the only one.
    if (byte !== text.charCodeAt(0)) socketRead.fill(0);
  }
  request.push(null);
  const whole = await read;
  assert.equal(whole.is === "whole" && Buffer.from(whole.body).toString(), text);
});
