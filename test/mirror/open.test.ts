import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openMirror } from "../../src/mirror/open.ts";
import { spoolPaths } from "../../src/mirror/spool/spool.ts";
import { openStore } from "../../src/store/open.ts";
import { bench, video } from "../contracts/store.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock, testPorts } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

test("before a spool of one of several relays is swept, media that came to nothing and have a whole file there are taken up", async (t) => {
  const dir = tempFolder(t);
  const config = configIn(dir, { mirror: { minFreeDisk: 0 } });
  const clock = testClock();
  const ports = testPorts(clock);
  const real = await openStore(config, ports, { role: "relay" });
  const store = { ...real, shared: { clock, onJump() {} } };
  t.after(() => store.close());
  const { post, download } = bench(store, clock, config, () => Promise.reject(new Error("it is opened once")));
  for (const name of ["v1", "v2"]) await post(video(name, `https://127.0.0.1:1/${name}.mp4`));
  const jobs = await download();
  const spoolDir = join(config.dataDir, "spool");
  const mirror = await openMirror({ config, store, ports, connectTimeout: 1_000 });
  t.after(() => mirror.close());
  // Another relay could not get it any more; this one has it, from before a failover.
  for (const job of jobs) await store.settleDownload(job, { is: "expired", error: "HTTP 403" }, clock.now());
  const [kept, swept] = jobs.map(({ mediumId }) => spoolPaths(spoolDir, mediumId));
  await writeFile(kept!.file, "a film");
  await writeFile(swept!.best, "half a film");
  mirror.start();
  t.after(() => mirror.stop(0));
  await clock.advance(10 * 60_000);
  await waitFor(() => !existsSync(swept!.best));
  assert.equal(existsSync(kept!.file) || existsSync(kept!.part), true);
  assert.notEqual((await store.medium(jobs[0]!.mediumId)).state, "expired");
});

test("a mirror that cannot open leaves no target open", async (t) => {
  const dir = tempFolder(t);
  const config = configIn(dir);
  const ports = testPorts();
  const real = await openStore(config, ports, { role: "relay" });
  t.after(() => real.close());
  let asked = 0;
  // A target is opened once the store has given it an id.
  const store = {
    ...real,
    targetId: (...given: Parameters<typeof real.targetId>) => {
      asked++;
      return real.targetId(...given);
    },
  };
  const mirror = { ...config.mirror, allowPrivateAddresses: ["no address, no name"] };
  await assert.rejects(
    openMirror({ config: { ...config, mirror }, store, ports, connectTimeout: 1_000 }),
    /no address/,
  );
  assert.equal(asked, 0);

  const broken = { ...real, targetId: () => Promise.reject(new Error("the disk is gone")) };
  await assert.rejects(openMirror({ config, store: broken, ports, connectTimeout: 1_000 }), /the disk is gone/);
});

test("only the queues that are fed are asked for jobs", async (t) => {
  const config = configIn(tempFolder(t), { mirror: { minFreeDisk: 0 } });
  const clock = testClock();
  const ports = testPorts(clock);
  const real = await openStore(config, ports, { role: "relay" });
  t.after(() => real.close());
  const asked: string[] = [];
  const asking =
    <A extends unknown[], R>(name: string, claim: (...given: A) => R) =>
    (...given: A) => {
      asked.push(name);
      return claim(...given);
    };
  const store = {
    ...real,
    claimDownloads: asking("download", real.claimDownloads),
    claimUploads: asking("upload", real.claimUploads),
    claimDeletions: asking("delete", real.claimDeletions),
  };
  const mirror = await openMirror({ config, store, ports, connectTimeout: 1_000 });
  t.after(() => mirror.close());
  mirror.start();
  t.after(() => mirror.stop(0));
  await waitFor(() => asked.length === 3);
  const askedOnce = async (...queues: Parameters<typeof mirror.wake>) => {
    asked.length = 0;
    mirror.wake(...queues);
    await waitFor(() => asked.length > 0);
    await clock.advance(0);
    return asked.toSorted();
  };
  assert.deepEqual(await askedOnce(["download"]), ["download"]);
  assert.deepEqual(await askedOnce(["download", "delete"]), ["delete", "download"]);
  assert.deepEqual(await askedOnce(), ["delete", "download", "upload"]);
});
