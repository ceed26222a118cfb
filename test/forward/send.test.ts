import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { createSend } from "../../src/forward/send.ts";
import { openOutbound } from "../../src/platform/net/outbound.ts";
import { configIn, endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { listen } from "../support/listen.ts";
import { testClock } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

test("a request that is sent once more, because a reused connection broke, has what is left of its time", async (t) => {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    request.resume();
    if (requests.push(request) === 1) response.end("ok");
  });
  const { port, close } = await listen(null, server);
  const outbound = openOutbound({ allowPrivateAddresses: true, connectTimeout: 10_000, connections: 1 });
  t.after(async () => {
    await outbound.close();
    await close();
  });
  const clock = testClock();
  const url = `http://127.0.0.1:${port}/`;
  const { endpoints } = configIn(tempFolder(t), { endpoints: [{ ...endpoint("cms"), url, timeout: "60s" }] });
  const send = createSend(endpoints[0]!, { outbound, clock, userAgent: "test" });
  const stop = new AbortController().signal;
  const message = { id: "evt_1", body: Buffer.from("{}"), attempt: 1 };
  assert.equal((await send(message, stop)).attempt.status, 200);

  let isOver = false;
  const answer = send(message, stop).finally(() => {
    isOver = true;
  });
  await waitFor(() => requests.length === 2);
  await clock.advance(40_000);
  requests[1]!.socket.destroy();
  await waitFor(() => requests.length === 3);
  await clock.advance(19_999);
  assert.equal(isOver, false);
  await clock.advance(1);
  const { attempt, failure } = await answer;
  assert.deepEqual([attempt.error, attempt.duration, failure], ["no answer within 60 s", 60_000, "timeout"]);
});
