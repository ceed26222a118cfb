import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../src/store/open.ts";
import { endpoint } from "../support/config.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver, type Receiver } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { openSeeded, ready, type Seeded } from "../support/seeded.ts";
import { stop } from "../support/serve-here.ts";
import { callCli, callJson, runCli, spawnCli } from "../support/spawn.ts";
import { seedDead } from "../support/tasks.ts";
import { waitFor } from "../support/wait.ts";
import { isWhole, wholeOnly } from "../support/whole.ts";

const APP = [endpoint("app")];

function on({ configPath }: Pick<Seeded, "configPath">) {
  const config = ["--config", configPath];
  return {
    run: (line: string, options?: Parameters<typeof callCli>[1]) => callCli([...line.split(" "), ...config], options),
    json: (line: string) => callJson([...line.split(" "), ...config]),
  };
}

test("a dry run counts and changes nothing; on a terminal the count is asked for, --yes does not ask", async (t) => {
  const seeded = await openSeeded(t, { endpoints: APP });
  const { run, json } = on(seeded);
  await seedDead(seeded.store, 3);
  const dry = await run("deliveries retry --endpoint app --dry-run");
  assert.match(
    dry.stdout,
    /^3 deliveries \(app 3; received from [-\d]+ [:\d]+Z to [-\d]+ [:\d]+Z\) would be retried\n$/,
  );
  const [counted] = await json("deliveries retry --since 1h --dry-run");
  assert.deepEqual([counted.count, counted.videos, counted.byEndpoint], [3, 3, { app: 3 }]);
  assert.equal(counted.sample.length, 3);
  assert.deepEqual(await json("tasks list"), []);

  const refused = await run("deliveries retry --since 1h", { width: 100, answer: "n" });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /3 deliveries \(.*\) would be retried\. Go on\? \[y\/N\] .*nothing was done\n$/);
  assert.equal((await json("deliveries list --state dead")).length, 3);
  const agreed = await run("deliveries retry --since 1h", { width: 100, answer: "y" });
  assert.equal(agreed.code, 0);
  assert.match(agreed.stdout, /^3 retried\n$/);
  const canceled = await run("deliveries cancel --since 1h --yes", { width: 100, answer: "n" });
  assert.match(canceled.stdout, /^3 canceled\n$/);
  assert.doesNotMatch(canceled.stderr, /Go on/);
  assert.deepEqual(
    (await json("tasks list")).map(({ verb, state, total, done, by }) => [verb, state, total, done, by]),
    [
      ["cancel", "done", 3, 3, "cli"],
      ["retry", "done", 3, 3, "cli"],
    ],
  );
  assert.match((await run("deliveries retry --since 1h")).stdout, /^0 deliveries retried\n$/);
  assert.equal((await run("deliveries cancel")).code, 2);
  assert.match((await run("deliveries cancel --since 1h --rate 5")).stderr, /unknown option --rate/);
  assert.match(
    (await run("events replay --since 1h --endpoint nowhere")).stderr,
    /no endpoint "nowhere" in the config/,
  );
});

test("where no relay runs the command works its task, and shows how far it is; --rate paces it", async (t) => {
  const seeded = await openSeeded(t, { endpoints: APP });
  await seedDead(seeded.store, 5);
  const { run, json } = on(seeded);
  const begun = performance.now();
  const { code, stdout, stderr } = await run("deliveries retry --since 1h --rate 4 --yes", { width: 100 });
  assert.deepEqual([code, stdout], [0, "5 retried\n"]);
  assert.match(stderr, /4 of 5 retried/);
  assert.ok(performance.now() - begun > 1_000);
  const [task] = await json("tasks list");
  assert.deepEqual([task.state, task.ratePerSecond, task.done], ["done", 4, 5]);
  const shown = await run(`tasks show ${task.id}`);
  assert.match(shown.stdout, /^state +done$/m);
  assert.match(shown.stdout, /^filter +\{"since":\d+\}$/m);
});

test("piped, how far it is is a plain line now and then", { skip: wholeOnly }, async (t) => {
  const seeded = await openSeeded(t, { endpoints: APP });
  await seedDead(seeded.store, 12);
  const { stdout, stderr } = await on(seeded).run("deliveries retry --since 1h --rate 1");
  assert.match(stdout, /^(\d+ of 12 retried\n)+12 retried\n$/);
  assert.equal(stderr, "");
});

test("a replay fills a new endpoint with what it wants; expired bodies are counted, and the exit code says so", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  await seeded.take(ready("v1"));
  await seeded.take({ type: "draft.new", wochitVideoId: "v1" });
  await seeded.take(ready("v2"));
  await seeded.store.forgetVideo("v2", Date.now());
  const [task] = jsonOf(await run("events replay --endpoint archive --since 1h --json"), 1);
  assert.deepEqual([task.done, task.failed, task.total], [1, 1, 2]);
  assert.match(task.error, /has been pruned/);
  const replays = (await json("deliveries list --endpoint archive")).filter(({ replay }) => replay);
  assert.deepEqual(
    replays.map(({ type }) => type),
    ["video.ready"],
  );
  const again = await run("events replay --endpoint archive --since 1h --type video.*");
  assert.deepEqual([again.code, again.stdout], [1, "1 replayed, 1 not\n"]);
  assert.match(again.stderr, /^evt_\w+: the body of evt_\w+ has been pruned, or erased\n$/);
});

function jsonOf({ code, stdout }: { code: number | null; stdout: string }, expected: number) {
  assert.equal(code, expected);
  return [JSON.parse(stdout)];
}

test("a second task of a verb is refused with the id of the first, and a task is canceled between two batches", async (t) => {
  const seeded = await openSeeded(t, { endpoints: APP });
  await seedDead(seeded.store, 20);
  const { run, json } = on(seeded);
  const working = runCli(["deliveries", "retry", "--since", "1h", "--rate", "1", "--config", seeded.configPath]);
  const [first] = await waitFor(async () => {
    const tasks = await json("tasks list --state running");
    return tasks[0]?.done > 0 && tasks;
  });
  const second = await run("deliveries retry --since 1h");
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`${first.id} has not ended.*tasks show ${first.id}`));
  const canceled = await run(`tasks cancel ${first.id}`);
  assert.match(canceled.stdout, new RegExp(`^${first.id} is canceled: \\d+ of 20 were done\\n$`));
  const { code, stdout, stderr } = await working;
  assert.equal(code, 1);
  assert.match(stdout, new RegExp(`^\\d+ retried, of 20: ${first.id} was canceled\\n$`, "m"));
  assert.equal(stderr, "canceled by the operator\n");
  const [task] = await json("tasks list");
  assert.equal((await json("deliveries list --state pending")).length, task.done);
  assert.match((await run(`tasks cancel ${first.id}`)).stderr, /is canceled already/);
});

test("what changes while a task runs is skipped and counted, and is no failure", async (t) => {
  const seeded = await openSeeded(t, { endpoints: APP });
  await seedDead(seeded.store, 6);
  const { run, json } = on(seeded);
  const working = run("deliveries retry --since 1h --rate 1");
  await waitFor(async () => (await json("tasks list"))[0]?.done > 0);
  const [newest] = await json("deliveries list --state dead");
  assert.equal((await run(`deliveries retry ${newest.id}`)).code, 0);
  const { code, stdout, stderr } = await working;
  assert.deepEqual([code, stdout.split("\n").at(-2), stderr], [0, "5 retried, 1 had changed meanwhile", ""]);
});

test("an interrupted command leaves its task to the relay, and says how to end it", async (t) => {
  const seeded = await openSeeded(t, { endpoints: APP });
  await seedDead(seeded.store, 20);
  const { json } = on(seeded);
  const child = spawnCli(["deliveries", "retry", "--since", "1h", "--rate", "1", "--config", seeded.configPath]);
  const [first] = await waitFor(async () => {
    const tasks = await json("tasks list --state running");
    return tasks[0]?.done > 0 && tasks;
  });
  const { code, stderr } = await stop(child, "SIGINT");
  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`^${first.id} goes on in the relay, or at its next start; "wochit-relay tasks cancel`),
  );
  // Its lease is given back.
  const { job } = await seeded.store.claimTask({ now: Date.now(), leaseFor: 1_000 });
  assert.equal(job?.id, first.id);
});

/** What an app got of each video, in order: the numbers of the events. */
function lanesOf({ requests }: Receiver): Map<string, number[]> {
  const lanes = new Map<string, number[]>();
  for (const { json } of requests) {
    const lane = lanes.get(json.wochitVideoId) ?? [];
    lane.push(json.nth);
    lanes.set(json.wochitVideoId, lane);
  }
  return lanes;
}

const MANY = isWhole ? 5_000 : 1_000;

test("a running relay works the task: thousands of dead ones arrive, each lane in order", async (t) => {
  const app = await openReceiver();
  t.after(() => app.close());
  const relay = await startRelay({ mirror: { enabled: false }, endpoints: [endpointTo(app.url, { concurrency: 16 })] });
  t.after(() => relay.close());
  await relay.stop();
  const store = await openStore(relay.config, realPorts(), { role: "relay" });
  await seedDead(store, MANY / 20, 20);
  await store.close();
  await relay.restart();
  const { code, stdout } = await callCli(["deliveries", "retry", "--since", "1d", "--config", relay.configPath]);
  // On a slow machine lines before it say how far it is.
  assert.deepEqual([code, stdout.split("\n").at(-2)], [0, `${MANY} retried`]);
  await waitFor(() => app.requests.length >= MANY);
  const lanes = lanesOf(app);
  assert.equal(lanes.size, MANY / 20);
  const inOrder = Array.from({ length: 20 }, (_, nth) => nth);
  for (const [video, lane] of lanes) assert.deepEqual(lane, inOrder, video);
});
