import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { errorLine } from "../../../src/errors.ts";
import { openS3Target } from "../../../src/targets/s3/open.ts";
import type { S3Target } from "../../../src/targets/s3/options.ts";
import { aboutOf, put } from "../../contracts/mirror-target.ts";
import { tempFolder } from "../../support/folder.ts";
import { listen } from "../../support/listen.ts";
import { s3Target } from "../../support/s3-server.ts";
import { lastingPort } from "../../support/serve-process.ts";

// What a store may answer, played by a server of a few lines: whether the operator is told what to do.

const SECRET = "hunter2hunter2";
const PATIENT = { connect: 10_000, silence: 10_000, attempts: 1 };
/** For stores that are silent. */
const QUICK = { ...PATIENT, silence: 300 };

async function openAt(t: TestContext, members: Partial<S3Target>) {
  const credentials = { accessKeyId: "key", secretAccessKey: SECRET, sessionToken: `${SECRET}-token` };
  const target = await openS3Target(s3Target({ credentials, ...members }), { access: "shared", patience: QUICK });
  t.after(() => target.close());
  return target;
}

/** What a put says whose requests are answered like this; the HEAD before it finds nothing. */
async function lineOf(t: TestContext, answer: RequestListener, members: Partial<S3Target> = {}): Promise<string> {
  const server = createServer((request, response) => {
    if (request.method === "HEAD") return response.writeHead(404).end();
    request.resume();
    answer(request, response);
  });
  const { url: endpoint } = await listen(t, server);
  const target = await openAt(t, { endpoint, ...members });
  return failing(put(target, tempFolder(t), "a/video.mp4", "one"));
}

async function failing(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => error,
  );
  const line = errorLine(error);
  if (process.env.SHOW) console.log(line);
  assert.doesNotMatch(`${line} ${JSON.stringify(error)} ${error instanceof Error ? error.cause : ""}`, /hunter2|X-Amz/);
  assert.doesNotMatch(line, /\n/);
  return line;
}

const says =
  (status: number, code: string, more = ""): RequestListener =>
  (_, response) => {
    response.writeHead(status, { "content-type": "application/xml" });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>said ${SECRET}</Message>${more}</Error>`);
  };

test("what stores say becomes what to do", async (t) => {
  for (const [answer, expected] of [
    [says(403, "SignatureDoesNotMatch"), /secret access key is wrong: check mirror\.target\.secretAccessKey/],
    [says(403, "InvalidAccessKeyId"), /does not know the access key: check mirror\.target\.accessKeyId/],
    [says(403, "AccessDenied"), /not permitted: the key needs s3:PutObject \(AccessDenied\)/],
    [says(404, "NoSuchBucket"), /no such bucket: make it, or check mirror\.target\.bucket/],
    [says(301, "PermanentRedirect"), /another region: set mirror\.target\.region \(PermanentRedirect\)/],
    [
      says(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
      /region \(eu-west-1\): set mirror\.target/,
    ],
    [says(403, "RequestTimeTooSkewed"), /clock and the store's differ too much: set the clock/],
    [says(400, "ExpiredToken"), /credentials have expired: renew them/],
    [says(503, "SlowDown"), /store is in trouble: it answers 503 \(SlowDown\) to PutObject/],
    [says(500, "InternalError"), /it answers 500 \(InternalError\)/],
    [says(507, "InsufficientStorage"), /store is full: make room/],
    [says(403, "QuotaExceeded"), /quota is used up/],
    [says(418, "Teapot"), /\(Teapot, status 418, PutObject\)/],
  ] as [RequestListener, RegExp][]) {
    assert.match(await lineOf(t, answer), expected);
  }
  const page: RequestListener = (_, response) => response.writeHead(400).end("<html><p>Bad Gateway</html>");
  assert.match(await lineOf(t, page), /^s3 bucket media: [^\n]+/);
});

test("a store that breaks the connection, or never answers, is said within the time that it is given", async (t) => {
  assert.match(await lineOf(t, (request) => request.socket.destroy()), /broke the connection \(ECONNRESET\)/);
  const from = performance.now();
  assert.match(await lineOf(t, () => {}), /does not answer in time: it may be down, full or overloaded \(timeout\)/);
  assert.ok(performance.now() - from < 30_000);
});

test("nothing listening, a name that is not known, and no TLS where TLS was asked for", async (t) => {
  const gone = await openAt(t, { endpoint: `http://127.0.0.1:${await lastingPort()}` });
  assert.match(await failing(gone.head("a")), /nothing listens at 127\.0\.0\.1:\d+: .*mirror\.target\.endpoint/);
  const unknown = await openAt(t, { endpoint: "http://nowhere.invalid:9000" });
  assert.match(await failing(unknown.head("a")), /nowhere\.invalid:9000 (is not known|cannot be looked up)/);
  const plain = createServer((_, response) => response.end());
  const tls = await openAt(t, { endpoint: `https://127.0.0.1:${(await listen(t, plain)).port}` });
  assert.match(await failing(tls.head("a")), /^s3 bucket media: /);
});

test("a certificate of an unknown authority names the option that helps", async (t) => {
  const pem = readFileSync("test/fixtures/tls/store.pem");
  const server = createTlsServer({ cert: pem, key: pem }, (_, response) => response.end());
  const target = await openAt(t, { endpoint: `https://127.0.0.1:${(await listen(t, server)).port}` });
  assert.match(await failing(target.head("a")), /certificate of 127\.0\.0\.1:\d+ is not trusted: .*mirror\.target\.ca/);
});

test("where no credentials are to be found, that is said", async (t) => {
  const kept = { ...process.env };
  t.after(() => Object.assign(process.env, kept));
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  Object.assign(process.env, { HOME: tempFolder(t), AWS_EC2_METADATA_DISABLED: "true" });
  const target = await openAt(t, { credentials: null });
  assert.match(await failing(target.head("a")), /no credentials were found: set mirror\.target\.accessKeyId/);
  const regionless = await openAt(t, { endpoint: null, pathStyle: false });
  assert.match(await failing(regionless.head("a")), /no region is known: set mirror\.target\.region or AWS_REGION/);
});

test("the credentials of the environment are found, and named when they are wrong", async (t) => {
  const kept = { ...process.env };
  t.after(() => {
    delete process.env.AWS_ACCESS_KEY_ID;
    delete process.env.AWS_SECRET_ACCESS_KEY;
    Object.assign(process.env, kept);
  });
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: SECRET });
  const line = await lineOf(t, says(403, "SignatureDoesNotMatch"), { credentials: null });
  assert.match(line, /secret access key is wrong: check the credentials of this machine/);
});

test("a missing bucket is told from a missing copy", async (t) => {
  let code = "NoSuchKey";
  const server = createServer((request, response) => {
    if (request.method === "HEAD") return response.writeHead(404).end();
    says(404, code)(request, response as Parameters<RequestListener>[1]);
  });
  const target = await openAt(t, { endpoint: (await listen(t, server)).url });
  assert.equal(await target.head("a/video.mp4"), null);
  assert.equal(await target.read("a/video.mp4", AbortSignal.timeout(5_000)), null);
  await target.delete("a/video.mp4");
  code = "NoSuchBucket";
  assert.match(await failing(target.head("a/video.mp4")), /no such bucket/);
  assert.match(await failing(target.read("a/video.mp4", AbortSignal.timeout(5_000))), /no such bucket/);
  assert.match(await failing(target.delete("a/video.mp4")), /no such bucket/);
});

test("a copy that ends too early, or stops coming, is an error and not a short copy", async (t) => {
  let hangs = false;
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-length": "1000" });
    response.write("x".repeat(100));
    if (!hangs) setTimeout(() => response.destroy(), 20);
  });
  const target = await openAt(t, { endpoint: (await listen(t, server)).url });
  const readIt = async () => {
    let bytes = 0;
    for await (const chunk of (await target.read("a/video.mp4", AbortSignal.timeout(9_000)))!) bytes += chunk.length;
    return bytes;
  };
  assert.match(await failing(readIt()), /a\/video\.mp4: the connection broke after 100 bytes/);
  hangs = true;
  assert.match(await failing(readIt()), /a\/video\.mp4: nothing came for 0\.3 s/);
});

test("a store that takes a copy and then has another is not believed", async (t) => {
  let head = 404;
  const server = createServer((request, response) => {
    request.resume();
    if (request.method === "PUT") {
      head = 200;
      return request.on("end", () => response.writeHead(200, { etag: '"x"' }).end());
    }
    response.writeHead(head, { "content-length": "2", "x-amz-meta-sha256": aboutOf("one").sha256 }).end();
  });
  const target = await openAt(t, { endpoint: (await listen(t, server)).url });
  const line = await failing(put(target, tempFolder(t), "a/video.mp4", "one"));
  assert.match(line, /a\/video\.mp4 was uploaded, and the store has 2 bytes/);
});
