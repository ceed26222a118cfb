import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { waitFor } from "../support/wait.ts";

const ENDPOINTS = 100;
const EVENTS = 10;

const noProc = existsSync("/proc/self/status") ? false : "the memory of a process is read from /proc";

test("a hundred endpoints that hang on large events cost bounded memory, and no other endpoint its events", {
  skip: noProc,
}, async (t) => {
  const dir = tempFolder(t);
  let hanging = 0;
  const hang = createServer((request) => request.resume().on("end", () => hanging++));
  const { url } = await listen(t, hang);
  const app = await openReceiver();
  t.after(app.close);
  const port = await lastingPort();
  const configPath = join(dir, "config.json");
  const endpoints = Array.from({ length: ENDPOINTS }, (_, at) =>
    endpointTo(url, { id: `hangs${at}`, timeout: "5m", send: "immediately" }),
  );
  writeFileSync(
    configPath,
    JSON.stringify({
      dataDir: "data",
      admin: null,
      server: { listen: `127.0.0.1:${port}` },
      receive: { allowFrom: ["127.0.0.1"] },
      endpoints: [...endpoints, endpointTo(app.url, { events: ["draft.new"] })],
    }),
  );
  const relay = spawnServe({ configPath, port });
  t.after(() => relay.kill());
  await relay.ready();
  const post = async (members: object) => {
    const answer = await send(port, { method: "POST", path: "/webhooks/wochit" }, JSON.stringify(members));
    assert.equal(answer.status, 200);
  };
  const pad = "é".repeat(500_000);
  for (let at = 0; at < EVENTS; at++) await post({ type: "draft.update", wochitVideoId: `big${at}`, pad });
  await waitFor(() => hanging >= 48);
  await post({ type: "draft.new", wochitVideoId: "small" });
  await waitFor(() => app.requests.length === 1);
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${relay.pid}/status`, "utf8"))![1]) / 1024;
  assert.ok(peak < 400, `${Math.round(peak)} MB`);
  await relay.stop();
});
