import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("an app that says 100 Continue unasked, and closes its kept connections, gets each event by one attempt", async (t) => {
  let requests = 0;
  // Each connection serves one request, and breaks at the next one, as it does when a server closes what was idle.
  const app = createServer((socket) => {
    let here = 0;
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const [head = "", body] = text.split("\r\n\r\n");
      if (body === undefined || body.length < Number(/content-length: (\d+)/i.exec(head)?.[1])) return;
      text = "";
      if (++here > 1) return void socket.destroy();
      requests++;
      socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
  });
  const { url, close } = await listen(null, app);
  const relay = await startRelay({ endpoints: [endpointTo(url, { concurrency: 1 })] });
  t.after(async () => {
    await relay.close();
    await close();
  });
  for (let at = 1; at <= 4; at++) {
    const event = JSON.stringify({ type: "draft.new", wochitVideoId: `v${at}` });
    await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, event);
    await waitFor(() => requests === at);
  }
  const rows = await waitFor(async () => {
    const all = await callJson(["deliveries", "list", "--config", relay.configPath]);
    return all.every(({ state }) => state === "delivered") ? all : null;
  });
  assert.deepEqual(
    rows.map(({ attempts }) => attempts),
    [1, 1, 1, 1],
  );
  assert.ok(!relay.ports.log.facts.some(({ fact }) => fact === "delivery failed"));
});
