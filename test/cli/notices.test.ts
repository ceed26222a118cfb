import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { endpoint } from "../support/config.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, callJson } from "../support/spawn.ts";

/** A video whose download has failed, and two endpoints, of which one asks to be told. */
async function openFailed(t: Pick<TestContext, "after">) {
  const endpoints = [endpoint("app"), endpoint("ops", { events: ["relay.media.*"], body: "verbatim" })];
  const seeded = await openSeeded(t, { mirror: { enabled: true }, endpoints });
  const event = await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v.mp4?sig=hush" }));
  await seeded.download("failed");
  const config = ["--config", seeded.configPath];
  return {
    ...seeded,
    event,
    run: (line: string) => callCli([...line.split(" "), ...config]),
    json: (line: string) => callJson([...line.split(" "), ...config]),
  };
}

test("notices are in event lists only when they are asked for by their type", async (t) => {
  const { event, json, run } = await openFailed(t);
  assert.deepEqual(
    (await json("events list")).map(({ id }) => id),
    [event],
  );
  assert.deepEqual(await json("events list --type relay.media.mirrored"), []);
  const [notice, ...more] = await json("events list --type relay.media.failed");
  assert.deepEqual(more, []);
  assert.deepEqual(
    [notice.type, notice.dialect, notice.videoId, notice.sequence, notice.context],
    ["relay.media.failed", "notice", "v1", null, "context of v1"],
  );
  assert.match(
    (await run("events list --type relay.media.failed")).stdout,
    /relay\.media\.failed +v1 +- +context of v1/,
  );
});

test("a notice is shown with the medium that it is about and its deliveries, and its body as it is kept", async (t) => {
  const { event, json, run } = await openFailed(t);
  const [{ id }] = await json("events list --type relay.media.failed");
  const [shown] = await json(`events show ${id}`);
  assert.deepEqual(
    shown.media.map(({ kind, state }: Record<string, string>) => [kind, state]),
    [["video", "failed"]],
  );
  assert.deepEqual(
    shown.deliveries.map(({ endpoint, state }: Record<string, string>) => [endpoint, state]),
    [["ops", "pending"]],
  );
  assert.match((await run(`events show ${id}`)).stdout, /^sequence +-$/m);
  const body = JSON.parse((await run(`events show ${id} --body`)).stdout);
  assert.deepEqual([body.type, body.wochitVideoId, body.relay.aboutEventId], ["relay.media.failed", "v1", event]);
  assert.equal((await json("deliveries list --endpoint ops"))[0]?.eventId, id);
});

test("notices are replayed by their id or their type, and not with the provider's events", async (t) => {
  const { event, json, run, deliver } = await openFailed(t);
  await deliver("ops", "delivered");
  const [{ id }] = await json("events list --type relay.media.failed");
  const replayed = async (line: string) =>
    (await json(`events replay ${line}`)).map(({ eventId, endpoint }) => [eventId, endpoint]);
  const many = async (line: string) => (await json(`events replay --since 1h --dry-run${line}`))[0].byEndpoint;
  assert.deepEqual(await replayed(id), [[id, "ops"]]);
  assert.deepEqual(await many(""), { app: 1 });
  for (const type of ["relay.media.failed", "relay.media.*", "relay.*"]) {
    assert.deepEqual(await many(` --type ${type}`), { ops: 1 }, type);
  }
  assert.deepEqual(await many(" --type relay.media.failed --type video.ready"), { app: 1, ops: 1 });
  assert.deepEqual(await many(" --type relay.media.mirrored"), {});
  assert.deepEqual(await replayed(event), [[event, "app"]]);
  assert.match((await run(`events replay ${id} --endpoint app`)).stdout, /^1 queued: dlv_\w+ to app; /);
});
