import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { deletionQueue } from "../../../src/mirror/delete/queue.ts";
import { openTargets } from "../../../src/mirror/open-targets.ts";
import { uploadQueue } from "../../../src/mirror/upload/queue.ts";
import type { S3Target } from "../../../src/targets/s3/options.ts";
import { openCopies } from "../../mirror/copies.ts";
import { noS3, shareS3Server } from "../../support/s3-server.ts";

const s3 = shareS3Server();

/** A relay's queues over a bucket that its config names by one address, and then by another. */
async function open(t: TestContext) {
  const server = await s3();
  const at = await openCopies(t);
  const {
    store,
    ports,
    spoolDir,
    locks,
    health: targetHealth,
    clock,
  } = { ...at, ports: { clock: at.clock, log: at.log } };
  const config = await server.makeTarget();

  async function useEndpoint(endpoint: string | null, members: Partial<S3Target> = {}) {
    const target = { ...config, endpoint, ...members };
    const targets = await openTargets({ config: { target }, dataDir: at.config.dataDir, store });
    t.after(() => targets.close());
    const { present, presentId: targetId } = targets;
    const given = { config: at.config.mirror, store, target: present, targetId, ports, spoolDir, targetHealth, locks };
    const uploads = uploadQueue(given);
    const deletions = deletionQueue({ store, targets, ports, spoolDir, locks });
    const wish = () => ({ limit: 9, now: clock.now(), leaseFor: 30_000 });
    const work = async () => {
      for (const job of (await uploads.claim(wish())).jobs) await uploads.run(job, at.lease);
      for (const job of (await deletions.claim(wish())).jobs) await deletions.run(job, at.lease);
    };
    return { targets, present, targetId, work };
  }

  /** A thumbnail is announced and downloaded. */
  async function bringThumbnail(content: string): Promise<void> {
    await at.post({ type: "draft.create", wochitVideoId: "v1", thumbnailUrl: `https://h/${content}.jpg` });
    await at.spool((await at.downloads())[0]!, content);
  }
  return { ...at, server, useEndpoint, bringThumbnail };
}

test("a bucket under another address is the same bucket: what is newly put into it is not deleted as the former copy", {
  skip: noS3,
}, async (t) => {
  const { server, useEndpoint, bringThumbnail, bring, store, clock, downloads, spool, facts } = await open(t);
  const first = await useEndpoint(server.endpoint);
  await bringThumbnail("first");
  await bring("v2", "the film");
  await first.work();
  const second = await useEndpoint(server.endpoint.replace("127.0.0.1", "localhost"));
  assert.notEqual(second.targetId, first.targetId);
  await bringThumbnail("second one");
  await second.work();
  const [film] = await store.media({ limit: 9, videoId: "v2" });
  await store.mendMedium(film!.id, clock.now());
  await spool((await downloads())[0]!, "the film");
  await second.work();
  await clock.advance(10_000);
  await second.work();

  const sizes = async () => [await second.present.head("v1/thumbnail.jpg"), await second.present.head("v2/video.mp4")];
  assert.deepEqual(await sizes(), [{ bytes: 10 }, { bytes: 8 }]);
  assert.equal(facts("media kept for now").length, 2);
  const rows = await store.media({ limit: 9, state: "mirrored" });
  assert.deepEqual([...new Set(rows.map(({ target }) => target))], [second.targetId]);

  // Erased, nothing of it is left under any name, and no deletion.
  for (const video of ["v1", "v2"]) await store.forgetVideo(video, clock.now());
  await second.work();
  await clock.advance(3_600_000);
  await second.work();
  assert.deepEqual(await sizes(), [null, null]);
  assert.equal((await store.counts()).deletions, 0);
});

test("a slash, a capital or a longer prefix make no other bucket either", { skip: noS3 }, async (t) => {
  const { server, useEndpoint, bringThumbnail } = await open(t);
  const first = await useEndpoint(server.endpoint, { prefix: "relay" });
  const spelled = server.endpoint.replace("http:", "HTTP:");
  assert.equal((await useEndpoint(`${spelled}/`, { prefix: "relay" })).targetId, first.targetId);
  await bringThumbnail("first");
  await first.work();
  const { targets } = await useEndpoint(server.endpoint.replace("127.0.0.1", "localhost"));
  const names = await targets.namesOf({ target: targets.presentId, key: "relay/v1/thumbnail.jpg" });
  assert.deepEqual(names[1], { target: first.targetId, key: "v1/thumbnail.jpg", isCertain: false });
  assert.deepEqual(await targets.present.head("relay/v1/thumbnail.jpg"), { bytes: 5 });
});

test("what was put into a bucket under its former address is read with the present keys, unless the store does not know them", {
  skip: noS3,
}, async (t) => {
  const { server, useEndpoint, bringThumbnail } = await open(t);
  const first = await useEndpoint(server.endpoint);
  await bringThumbnail("first");
  await first.work();
  const elsewhere = server.endpoint.replace("127.0.0.1", "localhost");
  const second = await useEndpoint(elsewhere);
  const former = await second.targets.at(first.targetId);
  assert.deepEqual(await former?.head("v1/thumbnail.jpg"), { bytes: 5 });

  const credentials = { accessKeyId: "of another store", secretAccessKey: "x", sessionToken: null };
  const third = await useEndpoint(elsewhere, { credentials });
  process.env.AWS_ACCESS_KEY_ID = server.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = server.secretAccessKey;
  try {
    assert.deepEqual(await (await third.targets.at(first.targetId))?.head("v1/thumbnail.jpg"), { bytes: 5 });
  } finally {
    delete process.env.AWS_ACCESS_KEY_ID;
    delete process.env.AWS_SECRET_ACCESS_KEY;
  }

  const fourth = await useEndpoint(elsewhere);
  server.stopGateway();
  await assert.rejects(fourth.targets.at(first.targetId), { code: "target_unavailable" });
  await server.startGateway();
  assert.deepEqual(await (await fourth.targets.at(first.targetId))?.head("v1/thumbnail.jpg"), { bytes: 5 });
});
