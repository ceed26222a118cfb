import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { startWorker } from "../../../src/jobs/worker.ts";
import { createCopyLocks } from "../../../src/mirror/copy-locks.ts";
import { deletionQueue } from "../../../src/mirror/delete/queue.ts";
import { openTargets } from "../../../src/mirror/open-targets.ts";
import { spoolPaths } from "../../../src/mirror/spool/spool.ts";
import { uploadQueue } from "../../../src/mirror/upload/queue.ts";
import { createTargetHealth } from "../../../src/mirror/upload/target-health.ts";
import { sha256Of } from "../../support/bytes.ts";
import { realPorts } from "../../support/real-ports.ts";
import { noS3, startS3Server } from "../../support/s3-server.ts";
import { openSeeded, ready } from "../../support/seeded.ts";
import { waitFor } from "../../support/wait.ts";

test("a bucket that is down while 50 events come gets every file once it is back; forgotten ones leave it again", {
  skip: noS3,
}, async (t) => {
  const server = await startS3Server(t);
  const { store, take, config } = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 }, endpoints: [] });
  const ports = realPorts();
  const { clock, log } = ports;
  const spoolDir = join(config.dataDir, "spool");
  await mkdir(spoolDir, { recursive: true });
  const mirror = { ...config.mirror, target: await server.makeTarget({ prefix: "films" }) };
  const targets = await openTargets({ config: mirror, dataDir: config.dataDir, store, clock, log });
  t.after(() => targets.close());
  const { present: target, presentId: targetId } = targets;
  const targetHealth = createTargetHealth({ target, ports, spoolDir, every: 200 });
  const locks = createCopyLocks();
  const waits = { first: 200, longest: 1_000 };
  const given = { config: mirror, store, target, targetId, ports, spoolDir, targetHealth, locks, waits };
  const workers = [
    startWorker(uploadQueue(given), store, ports),
    startWorker(deletionQueue({ store, targets, ports, spoolDir, locks }), store, ports),
  ];
  t.after(() => Promise.all(workers.map((worker) => worker.stop(0))));
  const wake = () => workers.forEach((worker) => void worker.wake());

  server.stopGateway();
  for (let video = 0; video < 50; video++) await take(ready(`v${video}`, { videoUrl: `https://h/${video}.mp4` }));
  const jobs = (
    await store.claimDownloads({
      now: clock.now(),
      limit: 100,
      leaseFor: 30_000,
      busyHosts: [],
    })
  ).jobs;
  for (const job of jobs) {
    const content = `film ${job.videoId}`;
    await writeFile(spoolPaths(spoolDir, job.mediumId).file, content);
    const sha256 = sha256Of(content);
    const about = { contentType: "video/mp4", ext: ".mp4", suspect: null, etag: null, lastModified: null };
    await store.settleDownload(job, { is: "spooled", file: { ...about, bytes: content.length, sha256 } }, clock.now());
  }
  wake();
  await waitFor(() =>
    log.facts.some(({ level, fact }) => level === "error" && fact === "the mirror target is down: uploads wait"),
  );
  await server.startGateway();
  await waitFor(async () => (await store.counts()).media.mirrored === 50);
  // A file leaves the spool once its upload is settled.
  await waitFor(async () => (await readdir(spoolDir)).length === 0);
  const lines = log.facts.filter(({ level, fact }) => /mirror target|not uploaded/.test(fact) && level !== "debug");
  assert.deepEqual(
    lines.map(({ level, fact }) => `${level}: ${fact}`),
    ["error: the mirror target is down: uploads wait", "info: the mirror target works again"],
  );
  for (const medium of await store.media({ limit: 100 })) {
    const hash = createHash("sha256");
    for await (const chunk of (await target.read(medium.key!, AbortSignal.timeout(5_000)))!) hash.update(chunk);
    assert.equal(hash.digest("hex"), medium.sha256);
  }

  await store.forgetVideo("v7", clock.now());
  wake();
  await waitFor(() => log.facts.some(({ fact }) => fact === "media deleted"));
  assert.equal(await target.head("v7/video.mp4"), null);
  assert.equal((await target.head("v8/video.mp4"))?.bytes, "film v8".length);
});
