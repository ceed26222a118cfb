import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createMover } from "../../../src/mirror/move/mover.ts";
import { openTargets } from "../../../src/mirror/open-targets.ts";
import { createTargetHealth } from "../../../src/mirror/upload/target-health.ts";
import { sha256Of } from "../../support/bytes.ts";
import { nextDue } from "../../support/next-due.ts";
import { noS3, startS3Server } from "../../support/s3-server.ts";
import { waitFor } from "../../support/wait.ts";
import { HOUR, openCopies } from "../copies.ts";

test("copies leave a bucket through the spool; they go there when the last address that readers were sent to has ended", {
  skip: noS3,
}, async (t) => {
  const server = await startS3Server(t);
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const target = { type: "s3" as const, bucket: await server.makeBucket(), endpoint, pathStyle: true };
  const at = await openCopies(t, { target: { ...target, accessKeyId, secretAccessKey } });
  const { store, clock, spoolDir, locks, config, dir, log } = at;
  const content = Buffer.alloc(9 * 2 ** 20, "a film of some length, ");
  const medium = await at.bring("v1", content);
  assert.equal(await at.work("uploads"), 1);
  const ports = { clock, log };
  const newDir = join(dir, "new");
  const mirror = {
    ...{ ...config.mirror, formerTargets: [config.mirror.target] },
    target: { type: "local" as const, dir: newDir },
  };
  const targets = await openTargets({ config: mirror, dataDir: config.dataDir, store });
  t.after(() => targets.close());
  const targetHealth = createTargetHealth({ target: targets.present, ports, spoolDir });
  const parts = { config: mirror, store, targets, ports, spoolDir, targetHealth, locks };
  const mover = createMover({ ...parts, isBusy: () => false });
  t.after(() => mover.stop());
  const { id } = await store.createRun({ verb: "move", options: {}, by: "test" }, clock.now());
  const task = (await store.claimTask({ id, now: clock.now(), leaseFor: 30_000 })).job!;
  const { signal } = new AbortController();

  server.stopGateway();
  const moving = mover.move(task, { deleteSource: true, rate: null }, signal);
  await waitFor(async () => {
    await clock.advance(1_000);
    return (await store.task(id)).error?.startsWith("waits: ");
  });
  assert.equal((await store.task(id)).failed, 0);
  await server.startGateway();
  let end: string | null = null;
  void moving.then((is) => {
    end = is;
  });
  await waitFor(async () => {
    if (end === null) await clock.advance(1_000);
    return end;
  });
  assert.equal(end, "done");
  const { target: now, key } = await store.medium(medium);
  assert.equal(now, targets.presentId);
  assert.equal(sha256Of(await readFile(join(newDir, key!))), sha256Of(content));
  assert.deepEqual(await at.spooled(), []);
  const due = (await nextDue(store, "delete"))! - clock.now();
  assert.ok(due > 5.9 * HOUR && due <= 6 * HOUR, String(due));
});
