import assert from "node:assert/strict";
import { test } from "node:test";
import { send } from "../support/front-door.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("an endpoint that refuses one event, and takes all others, is not healthy: status, doctor and its own page say what stands behind it", async (t) => {
  const app = await openReceiver(({ json }) => (json?.title === "wrong" ? 422 : 200));
  t.after(() => app.close());
  const relay = await startRelay({
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { retry: ["1h"], laneHold: "3d" })],
  });
  t.after(() => relay.close());
  const config = ["--config", relay.configPath];
  const post = async (wochitVideoId: string, title: string) => {
    const body = JSON.stringify({ type: "draft.new", wochitVideoId, title });
    return (await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, body)).json.id as string;
  };
  const refused = await post("v1", "wrong");
  await waitFor(async () => (await callJson(["deliveries", "list", ...config]))[0]?.attempts === 1);
  for (const title of ["second", "third"]) await post("v1", title);
  await post("v2", "another");
  await waitFor(async () => (await callJson(["deliveries", "list", "--state", "delivered", ...config])).length === 1);
  const words = `1 video is held behind a refused event: ${refused} (HTTP 422)`;

  const { stdout } = await callCli(["status", ...config]);
  assert.match(stdout, new RegExp(`^  app +the oldest came .*; 3 open; ${words.replace(/[()]/g, "\\$&")}$`, "m"));
  assert.doesNotMatch(stdout, /about \d+ min/);
  assert.ok(
    stdout.endsWith(`\nnothing needs you yet, but for app ${words}:\n    wochit-relay events show ${refused}\n`),
  );
  const [{ backlog }] = await callJson(["status", ...config]);
  assert.deepEqual([backlog[0].held.videos, backlog[0].held.deliveries, backlog[0].minutesLeft], [1, 2, null]);

  const shown = await callCli(["endpoints", "show", "app", ...config]);
  assert.ok(shown.stdout.includes(`3 on their way; ${words}`), shown.stdout);
  const of = (await callJson(["deliveries", "list", "--video-id", "v1", ...config])).reverse();
  const [first, waits] = of;
  const doctor = await callCli(["doctor", ...config]);
  assert.ok(doctor.stdout.includes(words), doctor.stdout);

  // The next one of that video waits, and it is said behind what.
  const why = (await callCli(["deliveries", "show", waits.id, ...config])).stdout;
  assert.match(
    why,
    new RegExp(`waitsFor +${first.id} of the same video goes first: HTTP 422; the next attempt is at `),
  );
});
