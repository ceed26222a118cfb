import assert from "node:assert/strict";
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { ListMultipartUploadsCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { writableJudge } from "../../src/doctor/files/writable.ts";
import type { Dates } from "../../src/doctor/network/clock.ts";
import { failed, probe, TooLate, warning } from "../../src/doctor/probe.ts";
import { judgeTarget, type TargetGiven } from "../../src/doctor/target/target.ts";
import { openTarget, type Target } from "../../src/targets/table.ts";
import { findingsOf, inWords } from "../support/doctor.ts";
import { tempFolder } from "../support/folder.ts";
import { openForgetfulStore } from "../support/forgetful-store.ts";
import { listen } from "../support/listen.ts";
import { realPorts } from "../support/real-ports.ts";
import { noS3, s3Target, startS3Server } from "../support/s3-server.ts";

const { clock } = realPorts();

/** Tries a target, opened as the doctor opens it. */
async function tryTarget(target: Target, more: Partial<TargetGiven> = {}) {
  const dates: Dates = [];
  const open = (one: Target) => openTarget(one, { access: "shared", clock });
  const user = process.geteuid?.() ?? null;
  const given: TargetGiven = {
    target,
    open,
    mark: "0123abcd",
    tempDir: tmpdir(),
    user,
    judge: writableJudge({ data: null, user, sandbox: async () => null }),
    clock,
    dates,
    ...more,
  };
  return { found: await findingsOf([probe("target", (_, progress) => judgeTarget(given, progress))]), dates };
}

test("a folder: put, looked at, read back and deleted, and nothing is left behind", async (t) => {
  const dir = tempFolder(t);
  mkdirSync(join(dir, "v1"));
  const { found } = await tryTarget({ type: "local", dir });
  assert.match(inWords(found["target.copy"]), /^ok: .*: put \d+ ms, head \d+ ms, get \d+ ms, delete \d+ ms$/);
  assert.deepEqual(readdirSync(dir), ["v1"]);
});

test("copies that may not be read by whom the folder lets look in are named, with what to do", async (t) => {
  const dir = tempFolder(t);
  mkdirSync(join(dir, "v1"));
  mkdirSync(join(dir, "~backups"));
  const copy = join(dir, "v1/video.mp4");
  for (const path of [copy, join(dir, "~backups/relay-1.db")]) writeFileSync(path, "", { mode: 0o600 });
  const rights = async (mode: number) => {
    chmodSync(dir, mode);
    const { found } = await tryTarget({ type: "local", dir });
    const [rights] = found["target.rights"] ?? [];
    return rights === undefined ? null : `${rights.state}: ${rights.detail} | ${rights.advice}`;
  };
  chmodSync(join(dir, "v1"), 0o700);
  assert.equal(await rights(0o700), null);
  assert.match(
    (await rights(0o2750))!,
    /^warning: .* is open to group \d+, 2 of 2 files and folders in it are not, .*\/v1 for one: a web server .*chgrp -R \d+ .*, and chmod -R g\+rX /,
  );
  chmodSync(join(dir, "v1"), 0o755);
  assert.match((await rights(0o755))!, /is open to others, 1 of 2 .*video\.mp4 for one.*chmod -R a\+rX/);
  chmodSync(copy, 0o640);
  assert.equal(await rights(0o2750), null);
  // Only root gives a file to a group that it is no member of.
  if (process.geteuid?.() === 0) {
    const { gid } = statSync(dir);
    chownSync(copy, 0, gid + 1);
    assert.match((await rights(0o2750))!, /is open to group \d+, 1 of 2 .*video\.mp4 for one/, "another group's");
    chownSync(copy, 0, gid);
  }
  assert.match((await rights(0o755))!, /1 of 2/);
  chmodSync(copy, 0o644);
  assert.equal(await rights(0o755), null);
});

test("a bucket whose store forgets metadata is good, and is said to be so", async (t) => {
  const { config } = await openForgetfulStore(t);
  const { found } = await tryTarget(config);
  for (const part of ["copy", "multipart"]) {
    assert.match(inWords(found[`target.${part}`]), /^ok: bucket media: .*; this store forgets metadata/);
  }
});

test("what a killed doctor left in a folder is found and removed", async (t) => {
  const dir = tempFolder(t);
  writeFileSync(join(dir, "~doctor-0123abcd-small"), "left over");
  writeFileSync(join(dir, ".doctor-0123abcd"), "left over");
  const { found } = await tryTarget({ type: "local", dir });
  assert.match(inWords(found["target.copy"]), /^ok: .*: put \d+ ms/);
  assert.deepEqual(readdirSync(dir), []);
});

test("a folder that is not there yet is a warning, and is not made", async (t) => {
  const dir = join(tempFolder(t), "media");
  const { found } = await tryTarget({ type: "local", dir });
  assert.match(inWords(found["target.copy"]), /^warning: .*media is not there yet: the relay makes it$/);
  assert.equal(lstatSync(dir, { throwIfNoEntry: false }), undefined);
});

test("the step that fails is named, as is a target that gives back something else", async (t) => {
  const dir = tempFolder(t);
  const broken = (verbs: object) =>
    tryTarget(
      { type: "local", dir },
      {
        open: async (one) => ({ ...(await openTarget(one, { access: "shared" })), ...verbs }),
      },
    );
  const denied = await broken({
    async put() {
      throw Object.assign(new Error("permission denied"), { code: "EACCES" });
    },
  });
  const [finding] = denied.found["target.copy"]!;
  assert.match(finding!.detail, /: put failed: permission denied \(EACCES\)$/);
  assert.match(finding!.advice!, /must own the folder/);
  const other = await broken({
    async read() {
      return [Buffer.from("something else")];
    },
  });
  assert.match(inWords(other.found["target.copy"]), /^failed: .*what is read is not what was put$/);
  const blind = await broken({ head: async () => null });
  assert.match(inWords(blind.found["target.copy"]), /^failed: .*of 1000 bytes that were put a HEAD finds none$/);
});

test("a folder that the relay's user cannot write to is a failure, though root can, and nothing is put there", async (t) => {
  const dir = tempFolder(t);
  const refused = { ...failed("the relay's user may not write to it", "chown"), isThere: true };
  const { found } = await tryTarget({ type: "local", dir }, { judge: async () => refused, open: () => assert.fail() });
  assert.deepEqual(found["target.copy"], [{ ...failed(refused.detail, "chown"), of: "copy" }]);
  assert.deepEqual(readdirSync(dir), []);
  const doubtful = { ...warning("only a list may let him"), isThere: true };
  const { found: both } = await tryTarget({ type: "local", dir }, { judge: async () => doubtful });
  assert.match(inWords(both["target.folder"]), /^warning: only a list/);
  assert.match(inWords(both["target.copy"]), /^ok/);
});

test("a target that does not answer is named with its address, and with what to do", async (t) => {
  const open = async () => {
    throw new TooLate("no answer within 30 s");
  };
  const bucket = await tryTarget(s3Target({ endpoint: "http://user:hush@127.0.0.1:9/x?k=hush" }), { open });
  const [finding] = bucket.found["target.copy"]!;
  assert.match(finding!.detail, /^bucket \S+ at http:\/\/127\.0\.0\.1:9: open failed: no answer within 30 s$/);
  assert.match(finding!.advice!, /mirror\.target\.endpoint/);
  const folder = await tryTarget({ type: "local", dir: tempFolder(t) }, { open });
  assert.match(folder.found["target.copy"]![0]!.advice!, /whether its disk answers/);
});

test("a store that hangs on the first question is said to have done so there", async (t) => {
  const silent = createServer((socket) => void socket.on("error", () => {}));
  const { url: endpoint } = await listen(t, silent);
  const quick = { ...clock, after: (ms: number, then: () => void) => clock.after(Math.min(ms, 300), then) };
  const { found } = await tryTarget(s3Target({ endpoint }), { clock: quick });
  assert.match(
    inWords(found["target.copy"]),
    new RegExp(`^failed: bucket \\S+ at ${endpoint}: delete failed: no answer`),
  );
});

test("a bucket's server that speaks no TLS is told so, in no words of a library's", async (t) => {
  const server = createHttpServer((_, response) => response.end());
  const { port } = await listen(t, server);
  const open = () => assert.fail("not before TLS is known") as never;
  const { found } = await tryTarget(s3Target({ endpoint: `https://127.0.0.1:${port}` }), { open });
  const [finding] = found["target.certificate"]!;
  assert.equal(finding!.detail, `TLS with 127.0.0.1:${port}: it does not speak TLS`);
  assert.match(finding!.advice!, /^is mirror\.target\.endpoint meant to be http, not https\?$/);
});

test("a bucket: small and in parts, its clock noted, and nothing left behind", { skip: noS3 }, async (t) => {
  const server = await startS3Server(t);
  const target = await server.makeTarget({ prefix: "relay" });
  const left = { Bucket: target.bucket, Key: "relay/~doctor-0123abcd-parts", Body: "left over" };
  await server.client.send(new PutObjectCommand(left));
  const { found, dates } = await tryTarget(target);
  assert.match(inWords(found["target.copy"]), /^ok: bucket bucket-1: put \d+ ms/);
  assert.match(inWords(found["target.multipart"]), /^ok: bucket bucket-1: put \d+ ms/);
  assert.deepEqual(
    dates.map(({ source }) => source),
    ["the bucket"],
  );
  const bucket = { Bucket: target.bucket };
  assert.equal((await server.client.send(new ListObjectsV2Command(bucket))).KeyCount, 0);
  assert.equal((await server.client.send(new ListMultipartUploadsCommand(bucket))).Uploads?.length ?? 0, 0);

  const wrong = await tryTarget({
    ...target,
    credentials: { ...target.credentials!, secretAccessKey: "hunter2hunter2" },
  });
  assert.match(inWords(wrong.found["target.copy"]), /^failed: .*the secret access key is wrong/);
  assert.doesNotMatch(JSON.stringify(wrong), /hunter2/);
  server.stopGateway();
  const down = await tryTarget(target);
  assert.match(inWords(down.found["target.copy"]), /^failed: .*nothing listens at 127\.0\.0\.1/);
  assert.equal(down.found["target.multipart"], undefined);
  assert.deepEqual(down.dates, []);
});

test("a bucket whose server shows no certificate is told so before anything is put", async () => {
  const { found } = await tryTarget(s3Target({ endpoint: "https://127.0.0.1:9" }));
  assert.match(
    inWords(found["target.certificate"]),
    /^failed: TLS with 127\.0\.0\.1:9: nothing listens there \(ECONNREFUSED\)$/,
  );
});
