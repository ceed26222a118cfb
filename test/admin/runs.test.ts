import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeEvent } from "../../src/simulator/events.ts";
import { openProvider } from "../../src/simulator/provider.ts";
import { startAdmin } from "../support/admin.ts";
import { send } from "../support/front-door.ts";
import { realPorts } from "../support/real-ports.ts";
import { waitFor } from "../support/wait.ts";

// What takes long: the relay does it as a task, in processes of its own.

type Admin = Awaited<ReturnType<typeof startAdmin>>;

async function untilEnded({ get }: Admin, made: { status: number; json: { task: { id: string } } }) {
  assert.equal(made.status, 202, JSON.stringify(made.json));
  const { id } = made.json.task;
  return waitFor(async () => {
    const { json } = await get(`/tasks/${id}`);
    return json.endedAt !== null && json;
  });
}

test("copies are verified, a backup is made, and doctor runs, as commands do it; each is in the audit", async (t) => {
  const provider = await openProvider(realPorts());
  t.after(() => provider.close());
  const admin = await startAdmin(t);
  const { get, post, relay } = admin;
  const video = provider.addVideo("v1");
  const { random } = realPorts();
  const { body } = makeEvent("video.ready", { random, videoId: "v1", videoUrl: video.link(), thumbnailUrl: "" });
  await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, body);
  const copy = await waitFor(async () => (await get("/media?state=mirrored")).json.data[0]);

  const good = await untilEnded(admin, await post("/media/verify", { kind: "video", videoId: "v1" }));
  assert.deepEqual([good.state, good.total, good.done, good.failed, good.error], ["done", 1, 1, 0, null]);
  rmSync(join(relay.config.dataDir, "media", copy.key));
  const wrong = await untilEnded(admin, await post("/media/verify", { mend: true }));
  assert.deepEqual([wrong.state, wrong.total, wrong.done, wrong.failed], ["done", 1, 0, 1]);
  assert.match(wrong.error, /^1 missing, 1 mended/);
  await waitFor(async () => (await get(`/media/${copy.id}`)).json.state === "mirrored");

  const backup = await untilEnded(admin, await post("/backups"));
  assert.deepEqual([backup.state, backup.error], ["done", null]);
  const { data } = (await get("/backups")).json;
  assert.deepEqual([data.length, data[0].place, data[0].events, data[0].planned], [1, "dir", 1, false]);

  const pruned = await untilEnded(admin, await post("/prune", {}));
  assert.deepEqual([pruned.state, pruned.failed], ["done", 0]);

  assert.equal((await get("/doctor")).json.state, "never");
  assert.equal((await post("/doctor")).json.state, "running");
  assert.equal((await post("/doctor")).json.state, "running");
  const report = await waitFor(async () => {
    const { json } = await get("/doctor");
    return json.state === "done" && json;
  });
  assert.equal(report.error, null);
  assert.ok(report.lines.some(({ probe }: { probe: string }) => probe === "database.integrity" || probe === "relay"));

  const { json } = await get("/audit");
  assert.deepEqual(
    json.data.map(({ verb }: { verb: string }) => verb),
    ["doctor", "prune", "backup", "media verify", "media verify"],
  );
});

test("a task that is canceled ends the work; one that the relay's stop interrupts begins anew with its next start", async (t) => {
  const admin = await startAdmin(t, { mirror: { enabled: false } });
  const { relay, get, post, listening } = admin;
  const verb = async () => (await post("/media/verify", {})).json.task.id as string;
  const canceled = await verb();
  assert.equal((await post(`/tasks/${canceled}/cancel`)).json.state, "canceled");
  const interrupted = await verb();
  await relay.restart();
  await listening(2);
  const task = await waitFor(async () => {
    const { json } = await get(`/tasks/${interrupted}`);
    return json.endedAt !== null && json;
  });
  assert.equal(task.state, "done");
  assert.equal((await get(`/tasks/${canceled}`)).json.state, "canceled");
});
