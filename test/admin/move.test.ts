import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeEvent } from "../../src/simulator/events.ts";
import { openProvider } from "../../src/simulator/provider.ts";
import { startAdmin } from "../support/admin.ts";
import { send } from "../support/front-door.ts";
import { realPorts } from "../support/real-ports.ts";
import { waitFor } from "../support/wait.ts";

// Copies are moved by the relay, as the admin API asks it to.

/** A relay with copies of so many videos in its first target. */
async function open(t: TestContext, videos: number) {
  const provider = await openProvider(realPorts());
  t.after(() => provider.close());
  const admin = await startAdmin(t);
  const { get, post, relay } = admin;
  const { random } = realPorts();
  for (let nth = 0; nth < videos; nth++) {
    const video = provider.addVideo(`v${nth}`);
    const event = { random, videoId: `v${nth}`, videoUrl: video.link(), thumbnailUrl: "" };
    await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, makeEvent("video.ready", event).body);
  }
  const mirrored = async () =>
    (await get("/media?state=mirrored&limit=500")).json.data as { key: string; url: string }[];
  const copies = await waitFor(async () => {
    const rows = await mirrored();
    return rows.length === videos && rows;
  });
  return {
    ...{ ...admin, copies },
    reload: (name: string) => relay.reload({ mirror: { target: { type: "local", dir: name } } }),
    isIn: (name: string) => copies.filter(({ key }) => existsSync(join(relay.dir, name, key))).length,
    move: async (body: object) => (await post("/media/move", body)).json.task.id as string,
    ended: (id: string) =>
      waitFor(async () => {
        const { json } = await get(`/tasks/${id}`);
        return json.endedAt !== null && json;
      }),
    async linksAnswer() {
      for (const { url } of copies) assert.equal((await fetch(url)).status, 200, url);
    },
  };
}

test("copies are counted and moved into the target of a reloaded config; their links go on, and it is in the audit", async (t) => {
  const { post, get, reload, move, ended, isIn, linksAnswer } = await open(t, 3);
  const none = await post("/media/move", { dryRun: true });
  assert.deepEqual([none.status, none.json.copies, none.json.from], [200, 0, []]);
  await reload("second");
  const { json } = await post("/media/move", { dryRun: true, bytesPerSecond: 1 });
  assert.deepEqual([json.copies, json.seconds, json.from.length], [3, json.bytes, 1]);
  const more = await post("/media/move", { expect: 2 });
  assert.deepEqual([more.status, more.json.error.code], [409, "count_changed"]);
  const end = await ended(await move({ deleteSource: true, expect: 3 }));
  assert.deepEqual([end.state, end.total, end.done, end.failed, end.skipped], ["done", 3, 3, 0, 0]);
  assert.deepEqual(end.filter, { deleteSource: true });
  await waitFor(() => isIn("data/media") === 0);
  assert.equal(isIn("second"), 3);
  await linksAnswer();
  const [entry] = (await get("/audit?verb=media%20move")).json.data;
  assert.deepEqual([entry.subject, entry.count, entry.outcome], [end.id, 3, "done"]);
});

test("a reload meanwhile has the same task go on into the target that is present then; a second one is refused", async (t) => {
  const { post, get, reload, move, ended, isIn, linksAnswer } = await open(t, 3);
  await reload("second");
  const id = await move({ bytesPerSecond: 1 });
  await waitFor(async () => (await get(`/tasks/${id}`)).json.done > 0);
  assert.deepEqual((await post("/media/move", {})).json.error.code, "task_running");
  assert.equal((await post(`/tasks/${id}/cancel`)).json.state, "canceled");
  const next = await move({ bytesPerSecond: 2 ** 30 });
  await reload("third");
  const { state, failed } = await ended(next);
  assert.deepEqual([state, failed], ["done", 0]);
  const last = await ended(await move({}));
  assert.equal(last.state, "done");
  assert.equal(isIn("third"), 3);
  await linksAnswer();
});
