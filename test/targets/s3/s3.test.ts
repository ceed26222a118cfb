import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { Patience } from "../../../src/targets/s3/connection.ts";
import { openS3Target } from "../../../src/targets/s3/open.ts";
import type { S3Target } from "../../../src/targets/s3/options.ts";
import { aboutOf, put, readAll } from "../../contracts/mirror-target.ts";
import { noise, sha256Of } from "../../support/bytes.ts";
import { testLog } from "../../support/ports.ts";
import { noS3, type S3Server, shareS3Server, startS3Server } from "../../support/s3-server.ts";
import { waitFor } from "../../support/wait.ts";
import { faultyProxy } from "./proxy.ts";

const MIB = 2 ** 20;
const QUICK = { connect: 500, silence: 1_000, attempts: 2 };
const never = () => new AbortController().signal;

const s3 = shareS3Server();
let server: S3Server;
const folder = mkdtempSync(join(tmpdir(), "relay-s3-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
before(async () => {
  if (noS3 === false) server = await s3();
});

const skip = noS3;

async function open(t: Pick<TestContext, "after">, members: Partial<S3Target> = {}, patience?: Patience) {
  const config = await server.makeTarget(members);
  const target = await openS3Target(config, { patience });
  t.after(() => target.close());
  return { target, config, bucket: config.bucket };
}

const FILM = noise(17 * MIB + 12_345);

async function fileOf(name: string, content: Uint8Array): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, content);
  return file;
}

/** `name#upload id` is too much to compare: the names of the uploads that are under way. */
async function uploadsIn(bucket: string): Promise<string[]> {
  const { Uploads = [] } = await server.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads.map(({ Key }) => Key!).sort();
}

async function objectsIn(bucket: string): Promise<string[]> {
  const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key }) => Key!).sort();
}

async function beginUpload(bucket: string, key: string): Promise<void> {
  const { UploadId } = await server.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }));
  const part = { Bucket: bucket, Key: key, UploadId, PartNumber: 1, Body: Buffer.alloc(1_000) };
  await server.client.send(new UploadPartCommand(part));
}

test("a large file goes in parts and comes back whole, with its type, its metadata and what the config says", {
  skip,
}, async (t) => {
  const { target, bucket } = await open(t, { prefix: "relay/one", cacheControl: "private, max-age=60" });
  const file = await fileOf("large", FILM);
  const about = aboutOf(FILM, { eventId: "evt_7", videoId: "60940" });
  assert.equal(await target.put("60940/video.mp4", file, about, never()), "stored");
  const at = { Bucket: bucket, Key: "relay/one/60940/video.mp4" };
  const { ContentType, ContentLength, ContentDisposition, CacheControl, Metadata, ETag } = await server.client.send(
    new HeadObjectCommand(at),
  );
  assert.deepEqual(
    { ContentType, ContentLength, ContentDisposition, CacheControl, Metadata },
    {
      ContentType: "video/mp4",
      ContentLength: FILM.length,
      ContentDisposition: undefined,
      CacheControl: "private, max-age=60",
      Metadata: { "event-id": "evt_7", "video-id": "60940", sha256: sha256Of(FILM) },
    },
  );
  assert.match(ETag ?? "", /-3"$/, "8 MiB, 8 MiB and the rest");
  assert.deepEqual(await readAll(target, "60940/video.mp4"), FILM);
  assert.deepEqual(await uploadsIn(bucket), []);
  assert.equal(await target.put("60940/video.mp4", file, about, never()), "exists-same");
});

test("whatever an id is made of, it is in the metadata, percent-encoded; nothing that runs is for showing", {
  skip,
}, async (t) => {
  const { target, bucket } = await open(t);
  const file = await fileOf("odd", Buffer.from("<svg/>"));
  for (const videoId of ["plain-1", "a  b", "100%", "日本 💚", "é".repeat(128), '"q", r=s']) {
    const about = aboutOf("<svg/>", { videoId, contentType: "image/svg+xml", replace: true });
    assert.equal(await target.put("a/x", file, about, never()), "stored");
    const head = await server.client.send(new HeadObjectCommand({ Bucket: bucket, Key: "a/x" }));
    assert.equal(decodeURIComponent(head.Metadata?.["video-id"] ?? ""), videoId);
    assert.equal(head.ContentDisposition, "attachment");
  }
  await target.put("a/y", file, aboutOf("<svg/>", { contentType: "video/\u0000mp4" }), never());
  const head = await server.client.send(new HeadObjectCommand({ Bucket: bucket, Key: "a/y" }));
  assert.equal(head.ContentType, "application/octet-stream");
});

test("a copy without metadata is read to be compared, one with it is not", { skip }, async (t) => {
  const { target, bucket } = await open(t);
  const place = (key: string, body: string, metadata?: Record<string, string>) =>
    server.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata: metadata }));
  await place("same", "one");
  await place("other", "two");
  await place("longer", "three");
  await place("claims", "two", { sha256: sha256Of("one") });
  await place("disclaims", "one", { sha256: sha256Of("two") });
  assert.equal(await put(target, folder, "same", "one"), "exists-same");
  assert.equal(await put(target, folder, "other", "one"), "exists-different");
  assert.equal(await put(target, folder, "longer", "one"), "exists-different");
  assert.equal(await put(target, folder, "claims", "one"), "exists-same");
  assert.equal(await put(target, folder, "disclaims", "one"), "exists-different");
});

test("an upload that is aborted in the middle leaves no object and no part", { skip }, async (t) => {
  const { target, bucket } = await open(t);
  const file = await fileOf("aborted", FILM);
  const stop = new AbortController();
  const putting = target.put("a/video.mp4", file, aboutOf(FILM), stop.signal);
  putting.catch(() => {});
  await waitFor(async () => (await uploadsIn(bucket)).length === 1);
  stop.abort(new Error("stop"));
  await assert.rejects(putting, /stop/);
  assert.deepEqual(await uploadsIn(bucket), []);
  assert.deepEqual(await objectsIn(bucket), []);
  assert.equal(await target.put("a/video.mp4", file, aboutOf(FILM), never()), "stored");
});

test("a delete that is given up ends at once, and does nothing later", { skip }, async (t) => {
  const { target, bucket } = await open(t);
  await put(target, folder, "a/video.mp4", "one");
  server.hang(true);
  const stop = new AbortController();
  const deleting = target.delete("a/video.mp4", stop.signal);
  deleting.catch(() => {});
  const queued = target.delete("a/video.mp4", stop.signal);
  queued.catch(() => {});
  await sleep(500);
  stop.abort(new Error("given up"));
  try {
    await assert.rejects(deleting, /given up/);
    await assert.rejects(queued, /given up/);
  } finally {
    server.hang(false);
  }
  // What had reached the server's socket, where nobody can take it back, had only asked what hangs there.
  assert.deepEqual(await objectsIn(bucket), ["a/video.mp4"]);
  await put(target, folder, "a/video.mp4", "two", true);
  assert.deepEqual(await objectsIn(bucket), ["a/video.mp4"]);
});

test("what a killed attempt left is cleared by the next one of the same key, and nothing else is", {
  skip,
}, async (t) => {
  const { target, bucket } = await open(t);
  const others = ["a/video.mp4.old", "a/video.mp", "b/video.mp4"];
  for (const key of ["a/video.mp4", "a/video.mp4", ...others]) await beginUpload(bucket, key);
  const file = await fileOf("again", FILM);
  await target.put("a/video.mp4", file, aboutOf(FILM, { again: true }), never());
  assert.deepEqual(await uploadsIn(bucket), others.sort());
  await beginUpload(bucket, "b/video.mp4");
  await target.delete("b/video.mp4");
  assert.deepEqual(await uploadsIn(bucket), ["a/video.mp", "a/video.mp4.old"]);
});

test("where other relays put copies, too, what hangs at a key is ended before anything is put there, and a small film can be ended as well", {
  skip,
}, async (t) => {
  const { target, config, bucket } = await open(t);
  for (const key of ["a/video.mp4", "b/video.mp4"]) await beginUpload(bucket, key);
  const file = await fileOf("small", Buffer.from("a small film"));
  assert.equal(await target.put("a/video.mp4", file, aboutOf("a small film", { isShared: true }), never()), "stored");
  assert.deepEqual(await uploadsIn(bucket), ["b/video.mp4"]);
  const { ETag } = await server.client.send(new HeadObjectCommand({ Bucket: bucket, Key: "a/video.mp4" }));
  assert.match(ETag!, /-1"$/, "it was put in parts");
  assert.equal(
    await target.put("a/video.mp4", file, aboutOf("a small film", { isShared: true }), never()),
    "exists-same",
  );

  // Another relay that starts has nothing to clear.
  await sleep(3_100);
  const joint = await openS3Target(config, { access: "joint" });
  t.after(() => joint.close());
  await put(joint, folder, "x", "one");
  await joint.close();
  assert.deepEqual(await uploadsIn(bucket), ["b/video.mp4"]);
});

test("what hangs at a key is ended before its object is deleted: it brings nothing back", { skip }, async (t) => {
  const proxy = await faultyProxy(t, server.endpoint);
  const { target, bucket } = await open(t, { endpoint: proxy.endpoint });
  await put(target, folder, "a/video.mp4", "one");
  await beginUpload(bucket, "a/video.mp4");
  const asked: string[] = [];
  proxy.fault = ({ method, url = "" }) => {
    if (method === "DELETE") asked.push(/uploadId=/.test(url) ? "abort" : "delete");
    return null;
  };
  await target.delete("a/video.mp4");
  assert.deepEqual(asked, ["abort", "delete"]);
});

test("a relay's start clears what its earlier runs left below its prefix, and never what is others' or new", {
  skip,
}, async (t) => {
  const bucket = await server.makeBucket();
  for (const key of ["relay/one/a", "relay/one/b/c", "relay/one", "relay/onely/a", "relay/two/a"]) {
    await beginUpload(bucket, key);
  }
  await sleep(3_100);
  const config = await server.makeTarget({ bucket, prefix: "relay/one" });
  const shared = await openS3Target(config, { access: "shared" });
  t.after(() => shared.close());
  await put(shared, folder, "x", "one");
  assert.equal((await uploadsIn(bucket)).length, 5, "a command beside the relay clears nothing");

  await beginUpload(bucket, "relay/one/new");
  const log = testLog();
  const own = await openS3Target(config, { access: "own", log });
  t.after(() => own.close());
  await waitFor(async () => (await uploadsIn(bucket)).length === 4);
  assert.deepEqual(await uploadsIn(bucket), ["relay/one", "relay/one/new", "relay/onely/a", "relay/two/a"]);
  await waitFor(() => log.facts.some(({ fields }) => fields.count === 2));
});

test("a file that is not what was downloaded is not stored, small or large", { skip }, async (t) => {
  const { target, bucket } = await open(t);
  const refused = (error: Error) => error.name === "SpoolChanged" && /is not what was downloaded/.test(error.message);
  for (const content of [Buffer.from("one"), FILM]) {
    const file = await fileOf("changed", content);
    const other = { sha256: sha256Of("other"), again: true };
    await assert.rejects(target.put("a/video.mp4", file, aboutOf(content, other), never()), refused);
    const longer = { bytes: content.length + 1 };
    await assert.rejects(target.put("a/video.mp4", file, aboutOf(content, longer), never()), refused);
  }
  assert.deepEqual(await uploadsIn(bucket), []);
  assert.deepEqual(await objectsIn(bucket), []);
});

test("an address leads a browser to the copy: GET, HEAD and ranges, each method its own, for some hours", {
  skip,
}, async (t) => {
  const { target } = await open(t, { prefix: "relay" });
  await put(target, folder, "~x-1/video.mp4", "0123456789");
  const urlFor = async (method: "GET" | "HEAD") => {
    const opened = await target.open("~x-1/video.mp4", method);
    assert.ok(opened?.is === "elsewhere");
    return opened.url;
  };
  const url = await urlFor("GET");
  assert.ok(url.startsWith(`${server.endpoint}/`));
  assert.equal(new URL(url).searchParams.get("X-Amz-Expires"), "21600");
  const whole = await fetch(url);
  assert.equal(whole.headers.get("cache-control"), "private, max-age=3600");
  assert.equal(whole.headers.get("content-type"), "video/mp4");
  assert.equal(await whole.text(), "0123456789");
  const piece = await fetch(url, { headers: { range: "bytes=2-5" } });
  assert.deepEqual([piece.status, piece.headers.get("content-range")], [206, "bytes 2-5/10"]);
  assert.equal(await piece.text(), "2345");
  assert.equal(piece.headers.get("cache-control"), "private, max-age=3600");
  const said = await open(t, { cacheControl: "private, max-age=60" });
  await put(said.target, folder, "a/video.mp4", "0123456789");
  const opened = await said.target.open("a/video.mp4", "GET");
  assert.ok(opened?.is === "elsewhere");
  const own = await fetch(opened.url);
  assert.equal(own.headers.get("cache-control"), "private, max-age=60", "the config's own word stands");
  await own.text();
  const head = await fetch(await urlFor("HEAD"), { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "10"]);
  assert.equal((await fetch(url.replace(/Signature=..../, "Signature=0000"))).status, 403);
  await new Promise<void>((resolve, reject) => {
    httpRequest(url, { method: "DELETE" }, (response) => {
      response.resume();
      assert.equal(response.statusCode, 403);
      resolve();
    })
      .on("error", reject)
      .end();
  });
});

test("a wrong secret, an unknown key and a missing bucket are told apart", { skip }, async (t) => {
  const { accessKeyId, secretAccessKey } = server;
  const failing = async (members: Partial<S3Target>, expected: RegExp) => {
    const target = await openS3Target(await server.makeTarget(members));
    t.after(() => target.close());
    for (const work of [
      () => put(target, folder, "a/video.mp4", "one"),
      () => target.head("a/video.mp4"),
      () => target.delete("a/video.mp4"),
      () => target.read("a/video.mp4", never()),
    ]) {
      await assert.rejects(work, expected);
    }
  };
  await failing(
    { credentials: { accessKeyId, secretAccessKey: "wrong", sessionToken: null } },
    /secret access key is wrong: check mirror\.target\.secretAccessKey/,
  );
  await failing(
    { credentials: { accessKeyId: "nobody", secretAccessKey, sessionToken: null } },
    /does not know the access key/,
  );
  await failing({ bucket: "there-is-none" }, /no such bucket/);
});

test("what the key may not do is named", { skip }, async (t) => {
  const { target, bucket } = await open(t);
  const Statement = [
    { Effect: "Deny", Principal: "*", Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/*` },
    { Effect: "Deny", Principal: "*", Action: "s3:ListBucketMultipartUploads", Resource: `arn:aws:s3:::${bucket}` },
  ];
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
  await server.client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  await assert.rejects(put(target, folder, "a", "one"), /not permitted: the key needs s3:PutObject/);
  const file = await fileOf("denied", FILM);
  await assert.rejects(target.put("a", file, aboutOf(FILM), never()), /not permitted: the key needs s3:PutObject/);
  await target.delete("a"); // It may not look for leftovers, and does without.
});

test("one request in three breaks or is refused, and the copy is whole all the same", { skip }, async (t) => {
  const proxy = await faultyProxy(t, server.endpoint);
  const { target, bucket } = await open(t, { endpoint: proxy.endpoint });
  const file = await fileOf("faulty", FILM);
  let asked = 0;
  proxy.fault = ({ method, url }) => {
    if (method !== "PUT" || !url?.includes("partNumber=")) return null;
    asked++;
    return asked % 3 === 0 ? "reset" : asked % 3 === 1 ? "503" : null;
  };
  assert.equal(await target.put("a/video.mp4", file, aboutOf(FILM), never()), "stored");
  assert.ok(asked > 6, `${asked} tries of three parts`);
  assert.deepEqual(await readAll(target, "a/video.mp4"), FILM);
  assert.deepEqual(await uploadsIn(bucket), []);
});

test("an answer that is lost costs nothing: the copy is looked for before it is called a failure", {
  skip,
}, async (t) => {
  const proxy = await faultyProxy(t, server.endpoint);
  const { target, bucket } = await open(t, { endpoint: proxy.endpoint });
  const file = await fileOf("lost", FILM);
  proxy.fault = ({ method, url }) => (method === "POST" && /uploadId=/.test(url ?? "") ? "lost" : null);
  assert.equal(await target.put("a/video.mp4", file, aboutOf(FILM), never()), "stored");
  assert.deepEqual(await uploadsIn(bucket), []);
  // Every answer to "begin" is lost but the last one: the store has begun two, and one stays.
  let begun = 0;
  proxy.fault = ({ method, url }) => (method === "POST" && /uploads/.test(url ?? "") && begun++ === 0 ? "lost" : null);
  assert.equal(await target.put("b/video.mp4", file, aboutOf(FILM), never()), "stored");
  assert.ok(begun > 1);
  assert.deepEqual(await uploadsIn(bucket), []);
});

test("a part that cannot be had at all ends the upload, and nothing of it stays", { skip }, async (t) => {
  const proxy = await faultyProxy(t, server.endpoint);
  const { target, bucket } = await open(t, { endpoint: proxy.endpoint });
  const file = await fileOf("hopeless", FILM);
  proxy.fault = ({ url }) => (url?.includes("partNumber=2") ? "400" : null);
  await assert.rejects(target.put("a/video.mp4", file, aboutOf(FILM), never()), /status 400, UploadPart/);
  assert.deepEqual(await uploadsIn(bucket), []);
  assert.deepEqual(await objectsIn(bucket), []);
});

test("a store that goes away, or hangs, is an error in time, and no hindrance once it is back", { skip }, async (t) => {
  const { target, config } = await open(t);
  const hasty = await openS3Target(config, { access: "shared", patience: QUICK });
  t.after(() => hasty.close());
  const place = (key: string) => put(target, folder, key, "one");
  assert.equal(await place("before"), "stored");
  server.stopGateway();
  await assert.rejects(put(hasty, folder, "during", "one"), /nothing listens at 127\.0\.0\.1/);
  await (await openS3Target({ ...config, prefix: "relay" }, { patience: QUICK })).close();
  await server.startGateway();
  assert.equal(await place("during"), "stored");
  server.hang(true);
  const from = performance.now();
  await assert.rejects(put(hasty, folder, "hanging", "one"), /does not answer in time/);
  assert.ok(performance.now() - from < 30_000);
  server.hang(false);
  assert.equal(await place("hanging"), "stored");
});

test("https with an authority of one's own, which comes on top of the known ones", { skip }, async (t) => {
  const own = await startS3Server(t, { pem: "test/fixtures/tls/store.pem" });
  const members = { endpoint: own.tlsEndpoint, bucket: await own.makeBucket() };
  const file = await fileOf("tls", FILM);
  const trusting = await openS3Target(await own.makeTarget({ ...members, ca: "test/fixtures/tls/authority.pem" }));
  t.after(() => trusting.close());
  assert.equal(await trusting.put("a/video.mp4", file, aboutOf(FILM), never()), "stored");
  assert.deepEqual(await readAll(trusting, "a/video.mp4"), FILM);
  const strict = await openS3Target(await own.makeTarget(members));
  t.after(() => strict.close());
  await assert.rejects(strict.head("a/video.mp4"), /certificate of 127\.0\.0\.1:\d+ is not trusted/);
});

test("many large files at once go through a bounded memory, each in turn", { skip }, async (t) => {
  const { target, bucket } = await open(t);
  const names = Array.from({ length: 5 }, (_, at) => `v${at}/video.mp4`);
  const file = await fileOf("many", FILM);
  const placed = await Promise.all(names.map((name) => target.put(name, file, aboutOf(FILM), never())));
  assert.deepEqual(new Set(placed), new Set(["stored"]));
  assert.deepEqual(await objectsIn(bucket), names);
  const { Body } = await server.client.send(new GetObjectCommand({ Bucket: bucket, Key: names[4]! }));
  assert.equal(sha256Of(await Body!.transformToByteArray()), sha256Of(FILM));
});
