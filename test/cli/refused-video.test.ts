import assert from "node:assert/strict";
import { test } from "node:test";
import { makeEvent } from "../../src/simulator/events.ts";
import { sendEvent } from "../../src/simulator/send.ts";
import { realPorts } from "../support/real-ports.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { callCli, callJson } from "../support/spawn.ts";

test("of a video that was only refused it is said so, and where it can be seen", async (t) => {
  const ports = realPorts();
  const relay = await startRelay({ receive: { allowFrom: ["203.0.113.7"] } }, ports);
  t.after(() => relay.close());
  const config = ["--config", relay.configPath];
  for (const [type, videoId] of [
    ["video.ready", "v1"],
    ["draft.new", "v2"],
    ["draft.new", "v1"],
  ] as const) {
    const { body } = makeEvent(type, { random: ports.random, videoId, context: `page of ${videoId}` });
    assert.equal((await sendEvent(relay.webhooks, body, ports)).status, 403);
  }
  const video = await callCli(["videos", "show", "v1", ...config]);
  const list = 'wochit-relay quarantine list --video-id "v1"';
  assert.deepEqual([video.code, video.stdout], [1, ""]);
  assert.equal(video.stderr, `wochit-relay: no video "v1", but 2 requests about it were refused: ${list}\n`);
  const context = await callCli(["contexts", "show", "page of v2", ...config]);
  assert.equal(context.code, 1);
  assert.match(context.stderr, /, but 1 request about it was refused: .* quarantine list --context "page of v2"\n$/);
  const rows = await callJson(["quarantine", "list", "--video-id", "v1", ...config]);
  assert.deepEqual(
    rows.map((row: { videoId: string; type: string }) => [row.videoId, row.type]),
    [
      ["v1", "draft.new"],
      ["v1", "video.ready"],
    ],
  );
  assert.equal((await callJson(["quarantine", "list", "--context", "page of v2", ...config])).length, 1);
  assert.match((await callCli(["videos", "show", "v9", ...config])).stderr, /^wochit-relay: no video "v9"\n$/);
});
