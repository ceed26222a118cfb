import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, jsonLines } from "../support/spawn.ts";

async function open(t: Pick<TestContext, "after">) {
  const seeded = await openSeeded(t);
  const run = (line: string) => callCli([...line.split(" "), "--config", seeded.configPath]);
  const json = async (line: string) => {
    const { code, stdout, stderr } = await run(`${line} --json`);
    return { code, rows: jsonLines(stdout), stderr };
  };
  return { ...seeded, run, json };
}

test("contexts show: fifty videos unless --limit is given, and on stderr how to get the others", async (t) => {
  const { take, json, run } = await open(t);
  const names = Array.from({ length: 60 }, (_, n) => `video-${n}`).reverse();
  for (const name of [...names].reverse()) await take(ready(name, { videoContext: "page-1" }));
  await take(ready(names[0]!, { videoContext: "page-2" }));
  const videoIds = (rows: { videoId: string }[]) => rows.map(({ videoId }) => videoId);

  const first = await json("contexts show page-1");
  assert.deepEqual([first.code, videoIds(first.rows)], [0, names.slice(0, 50)]);
  const hint = `wochit-relay: there are more videos of this context: --limit 500 shows more, --before ${names[49]} goes on\n`;
  assert.equal(first.stderr, hint);
  assert.equal((await run("contexts show page-1")).stderr, hint);
  const rest = await json(`contexts show page-1 --before ${names[49]}`);
  assert.deepEqual([videoIds(rest.rows), rest.stderr], [names.slice(50), ""]);
  const all = await json("contexts show page-1 --limit 60");
  assert.deepEqual([videoIds(all.rows), all.stderr], [names, ""]);
  assert.equal((await json("contexts show page-3")).code, 1);
});

test("videos show: the newest of its contexts and media, and a word on stderr about the others", async (t) => {
  const { take, json, run } = await open(t);
  for (let n = 1; n <= 4; n++) {
    await take(ready("v1", { videoContext: `page-${n}`, videoUrl: `https://cdn.example.com/${n}.mp4` }));
  }
  await take(ready("v1", { videoContext: "page-4", thumbnailUrl: "https://cdn.example.com/t.jpg" }));
  type Video = { contextHistory: { context: string }[]; media: { kind: string; sourceUrl: string }[] };
  const shown = ({ contextHistory, media }: Video) => [
    contextHistory.map(({ context }) => context),
    media.map(({ sourceUrl }) => sourceUrl.split("/").at(-1)),
  ];
  const whole = await json("videos show v1");
  assert.deepEqual(shown(whole.rows[0]), [
    ["page-1", "page-2", "page-3", "page-4"],
    ["1.mp4", "2.mp4", "3.mp4", "4.mp4", "t.jpg"],
  ]);
  assert.equal(whole.stderr, "");
  const some = await json("videos show v1 --limit 2");
  assert.deepEqual(shown(some.rows[0]), [
    ["page-3", "page-4"],
    ["4.mp4", "t.jpg"],
  ]);
  assert.equal(some.stderr, "wochit-relay: there are more contexts, media or deliveries: --limit 20 shows more\n");
  assert.equal((await run("videos show v1 --limit 2")).stderr, some.stderr);
});

test("events show and deliveries show: the newest deliveries and attempts", async (t) => {
  const { take, store, deliver, json } = await open(t);
  const id = await take(ready("v1"));
  for (let n = 0; n < 3; n++) {
    await store.replay(id, { endpoint: "archive", ordered: false, newId: false }, Date.now());
  }
  const event = await json(`events show ${id} --limit 2`);
  assert.deepEqual([event.rows[0].deliveries.length, event.stderr.includes("more deliveries")], [2, true]);
  assert.deepEqual((await json(`events show ${id}`)).rows[0].deliveries.length, 5);

  const [first] = await store.deliveries({ limit: 1, endpoint: "app" });
  for (const status of [501, 502, 503]) {
    await deliver("app", "retry", status);
    await store.retryDelivery(first!.id, Date.now());
  }
  const statuses = (row: { attemptLog: { status: number }[] }) => row.attemptLog.map(({ status }) => status);
  const some = await json(`deliveries show ${first!.id} --limit 2`);
  assert.deepEqual([statuses(some.rows[0]), some.stderr.includes("more attempts")], [[502, 503], true]);
  const all = await json(`deliveries show ${first!.id} --limit 3`);
  assert.deepEqual([statuses(all.rows[0]), all.stderr], [[501, 502, 503], ""]);
});
