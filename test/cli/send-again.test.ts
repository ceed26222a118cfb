import assert from "node:assert/strict";
import { test } from "node:test";
import { withStage } from "../e2e/stage.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const setUp = { mirror: { enabled: false }, endpoints: (app: string) => [endpointTo(app, { retry: ["1ms"] })] };

test("what is sent again is waited for, and how it went is said; without a relay that nothing runs", async () => {
  await withStage(setUp, async ({ relay, app, send }) => {
    const config = ["--config", relay.configPath];
    const run = (line: string) => callCli([...line.split(" "), ...config]);
    const dead = () => callJson(["deliveries", "list", "--state", "dead", ...config]);
    app.answer({ status: 422, body: '{"error":"unknown rubric"}' });
    for (const videoId of ["v1", "v2"]) await send("draft.new", { videoId });
    const [{ id }] = await waitFor(async () => (await dead()).length === 2 && (await dead()));

    const again = await run(`deliveries retry ${id} --wait`);
    assert.equal(again.code, 1);
    assert.match(again.stdout, new RegExp(`^${id}: .*HTTP 422: \\{"error":"unknown rubric"\\}`));
    await waitFor(async () => (await dead()).length === 2);
    const both = await run("deliveries retry --since 1h --wait --yes");
    assert.equal(both.code, 1);
    assert.match(both.stdout, /^2 retried\n2 failed at \w+: HTTP 422: \{"error":"unknown rubric"\}\n$/m);

    await waitFor(async () => (await dead()).length === 2);
    app.answer(200);
    const queued = await run(`deliveries retry ${id}`);
    assert.deepEqual(
      [queued.code, queued.stdout, queued.stderr],
      [0, `${id} queued: "wochit-relay deliveries show ${id}" says how it ends\n`, ""],
    );
    const rest = await run("deliveries retry --since 1h --wait --json");
    const [task, attempt] = rest.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual([rest.code, task.verb, attempt.is, attempt.error], [0, "retry", "delivered", null]);
    const replayed = await run(`events replay ${(await callJson(["events", "list", ...config]))[0].id} --wait`);
    assert.deepEqual([replayed.code, /^dlv_\w+: delivered\n$/.test(replayed.stdout)], [0, true], replayed.stdout);
    assert.match((await run("events replay --since 1h --wait --yes")).stderr, /--wait is for one, not for many/);
    const terminal = { width: 100, env: { NO_COLOR: "1" } };
    const many = await callCli(["events", "replay", "--since", "1h", "--yes", ...config], terminal);
    assert.match(many.stderr, /queued; "wochit-relay status" says what still waits, .* what failed$/m);

    await relay.stop();
    const event = (await callJson(["events", "list", ...config]))[0].id;
    const stopped = await run(`events replay ${event} --wait`);
    assert.equal(stopped.code, 1);
    assert.match(stopped.stdout, /^1 queued: dlv_\w+ to \w+; /);
    assert.match(stopped.stderr, /^wochit-relay: no relay runs with .*: what is queued goes on when one is started\n$/);
  });
});

test("deliveries that failed of late are found by their last attempt, however old their events are", async () => {
  await withStage(setUp, async ({ relay, app, send }) => {
    const config = ["--config", relay.configPath];
    const run = (line: string) => callCli([...line.split(" "), ...config]);
    const dead = () => callJson(["deliveries", "list", "--state", "dead", ...config]);
    app.answer(422);
    for (const videoId of ["v1", "v2"]) await send("draft.new", { videoId });
    const [{ id, createdAt }] = await waitFor(async () => (await dead()).length === 2 && (await dead()));
    const since = new Date(Math.max(Date.now(), Date.parse(createdAt) + 1)).toISOString();
    assert.equal((await run(`deliveries retry ${id} --wait`)).code, 1);
    // A first attempt that failed is an answer; the delivery is dead with its last.
    await waitFor(async () => (await dead()).length === 2);

    const list = await callJson(["deliveries", "list", "--failed-since", since, ...config]);
    assert.deepEqual(
      list.map((row: { id: string }) => row.id),
      [id],
    );
    const [reason] = await callJson(["deliveries", "reasons", "--failed-since", since, ...config]);
    assert.deepEqual([reason.count, reason.sample], [1, id]);
    const would = await run(`deliveries retry --failed-since ${since} --dry-run`);
    assert.match(would.stdout, /^1 delivery .* would be retried$/m);
    const none = await run(`deliveries retry --since ${since} --dry-run`);
    assert.match(none.stdout, /^0 deliveries would be retried$/m);
    const otherwise = /^--since and --until are of when a delivery was made, --failed-since of its last attempt$/m;
    assert.match(none.stderr, otherwise);
    const terminal = { width: 100, env: { NO_COLOR: "1" } };
    const empty = await callCli(["deliveries", "list", "--state", "dead", "--since", since, ...config], terminal);
    assert.match(empty.stderr, otherwise);
    assert.match((await run("deliveries list --failed-since noon")).stderr, /"noon" is no time/);
    assert.equal((await run(`deliveries retry --failed-since ${since} --wait --yes`)).code, 1);
    const [task] = await callJson(["tasks", "list", ...config]);
    assert.deepEqual([task.filter.failedSince, task.done], [Date.parse(since), 1]);
  });
});
