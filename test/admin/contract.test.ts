import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { describeApi } from "../../src/admin/document.ts";
import { READER, startAdmin } from "../support/admin.ts";
import { tempFolder } from "../support/folder.ts";
import { type Described, readOpenApi } from "../support/openapi.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

// Every operation of the OpenAPI document is called, and each answer is checked against it.

const document = describeApi(null);
const { operations, checkAnswer } = readOpenApi(document);

type Stage = Awaited<ReturnType<typeof openStage>>;

/** A relay with something of each noun. */
async function openStage(t: TestContext) {
  const app = await openReceiver();
  t.after(() => app.close());
  const admin = await startAdmin(t, {
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { retry: ["1h"] }), endpointTo(app.url, { id: "picky", retry: [] })],
  });
  app.answer(({ json }) => (json.wochitVideoId === "bad" ? 422 : 200));
  const event = await admin.event({ wochitVideoId: "v1", videoContext: "page-1", videoTitle: "A title" });
  const bad = await admin.event({ wochitVideoId: "bad", videoUrl: "https://example.com/a.mp4" });
  const refused = await admin.event({ wochitVideoId: "" });
  const again = await admin.event({ wochitVideoId: "", and: "another" });
  const of = (state: string) =>
    waitFor(async () => (await admin.get(`/deliveries?state=${state}&eventId=${bad}`)).json.data[0]?.id as string);
  const dead = await of("dead");
  const pending = await of("pending");
  const { json } = await admin.get("/media?limit=1");
  return { ...admin, app, event, bad, refused, again, dead, pending, medium: json.data[0].id as string };
}

/** A call of an operation that succeeds: the names in its path, its query, its body, the status of the answer. */
type Call = { path?: string; query?: string; body?: unknown; status?: number };

/** In the order in which they are made: what one does the next may rely on. */
const CALLS: Record<string, (stage: Stage) => Call[]> = {
  listEvents: () => [
    {},
    { query: "limit=1&type=video.ready&since=1h" },
    { query: "after=&include=body&limit=2" },
    { query: "after=now&wait=10ms&ready=true&type=draft.*" },
  ],
  showEvent: ({ event }) => [{ path: event }],
  readEventBody: ({ event }) => [{ path: event }],
  previewEvent: ({ event }) => [{ path: event, query: "endpoint=picky" }],
  replayEvent: ({ event }) => [{ path: event }, { path: event, body: { endpoint: "app", newId: true } }],
  replayEvents: () => [
    { body: { videoId: "v1", dryRun: true } },
    { body: { type: ["video.*"], since: "1h", endpoint: "app", ratePerSecond: 100, expect: 99 }, status: 202 },
  ],
  listDeliveries: () => [{}, { query: "state=dead&total=true" }, { query: "state=dead&endpoint=picky&limit=500" }],
  listDeliveryReasons: () => [{}, { query: "state=dead&endpoint=picky" }],
  showDelivery: ({ dead, pending }) => [{ path: dead }, { path: pending }],
  retryDelivery: ({ pending }) => [{ path: pending }],
  cancelDelivery: ({ pending }) => [{ path: pending }],
  retryDeliveries: ({ dead }) => [
    { body: { endpoint: "picky", dryRun: true } },
    { body: { ids: [dead], dryRun: true } },
    { body: { ids: [dead, "dlv_nowhere"] }, status: 404 },
    { body: { ids: [dead], state: "dead", endpoint: "picky", expect: 1 }, status: 202 },
  ],
  cancelDeliveries: ({ pending }) => [
    { body: { videoId: "bad", dryRun: true } },
    { body: { ids: [pending], dryRun: true } },
    { body: { endpoint: "app" }, status: 202 },
  ],
  listEndpoints: () => [{}, { query: "state=active&hours=168" }],
  showEndpoint: () => [{ path: "app" }, { path: "app", query: "hours=1" }],
  pauseEndpoint: () => [{ path: "app", body: { reason: "a test" } }, { path: "app" }],
  resumeEndpoint: () => [{ path: "app" }],
  probeEndpoint: () => [{ path: "app", status: 409 }],
  testEndpoint: () => [{ path: "app" }],
  listVideos: () => [{}, { query: "total=true" }, { query: "state=ready" }],
  showVideo: () => [{ path: "v1" }, { path: "bad" }],
  forgetVideo: () => [{ path: "bad", body: { confirm: "bad" } }],
  listVideosOfContext: () => [{ query: "context=page-1&limit=1" }],
  importContexts: () => [{ body: { rows: [{ videoId: "v2", context: "page-2" }] } }],
  listMedia: () => [{}, { query: "total=true&by=deadline" }, { query: "by=deadline" }],
  showMedium: ({ medium }) => [{ path: medium }],
  retryMedium: ({ medium }) => [{ path: medium, status: 409 }],
  verifyMedia: () => [
    { body: { kind: "video", mend: false, bytesPerSecond: 1_000_000, since: "1d" }, status: 202 },
    { body: {}, status: 409 },
  ],
  rotateLinks: () => [{ body: { keep: "12h" } }, {}],
  moveMedia: () => [
    { body: { dryRun: true, bytesPerSecond: 1_000 } },
    { body: { deleteSource: true, bytesPerSecond: 1_000_000, expect: 99 }, status: 202 },
  ],
  listQuarantine: () => [{}, { query: "total=true" }, { query: "reason=invalid_event" }],
  showQuarantined: ({ refused }) => [{ path: refused }],
  readQuarantinedBody: ({ refused }) => [{ path: refused }],
  reprocess: ({ refused }) => [{ path: refused, status: 400 }],
  reprocessMany: () => [
    { body: { reason: "invalid_event", dryRun: true } },
    { body: { reason: "invalid_event" }, status: 202 },
  ],
  listTasks: () => [{}, { query: "verb=replay" }],
  showTask: () => [],
  cancelTask: () => [],
  listAudit: () => [{}, { query: "verb=endpoints pause&limit=1".replaceAll(" ", "%20") }],
  listAlerts: () => [{}],
  testAlerts: () => [{ status: 404 }],
  silenceAlarm: () => [
    { path: "MediaLost", body: { for: "2h", reason: "a test" } },
    { path: "MediaLots", body: { for: "2h" }, status: 404 },
    { path: "MediaLost", body: { for: "31d" }, status: 400 },
  ],
  endSilence: () => [{ path: "MediaLost" }, { path: "MediaLost", status: 409 }],
  readStatus: () => [{}],
  readConfig: () => [{}],
  readDoctor: () => [{}],
  runDoctor: () => [{}, {}],
  makeBackup: () => [{ status: 202 }],
  listBackups: () => [{}],
  listArchive: () => [{}, { query: "videoId=v1&limit=1" }],
  verifyArchive: () => [
    { body: { day: "2026-11-30" }, status: 202 },
    { body: { day: "soon" }, status: 400 },
  ],
  restoreArchive: () => [
    { body: {}, status: 400 },
    { body: { videoId: "v1" }, status: 202 },
  ],
  prune: () => [{ body: { dryRun: true } }, { body: {}, status: 202 }],
};

const fill = (one: Described, name: string) => one.path.replace(/\{\w+\}/, encodeURIComponent(name));

test("the document is one that a linter of OpenAPI finds nothing in", async (t) => {
  const path = join(tempFolder(t), "openapi.json");
  writeFileSync(path, JSON.stringify(document));
  const env = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
  const cli = resolve("node_modules/@redocly/cli/bin/cli.js");
  const args = [...("Deno" in globalThis ? ["run", "-A"] : []), cli, "lint", "--format", "json", path];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  assert.deepEqual(JSON.parse(stdout).totals, { errors: 0, warnings: 0, ignored: 0 });
});

test("every operation answers what the document says", async (t) => {
  const stage = await openStage(t);
  const served = (await stage.ask("GET", "/openapi.json")).json;
  assert.deepEqual(served.paths, JSON.parse(JSON.stringify((document as { paths: object }).paths)));
  assert.deepEqual(Object.keys(CALLS).sort(), operations.map(({ operationId }) => operationId).sort());
  const call = async (id: string, { path = "", query = "", body, status = 200 }: Call) => {
    const one = operations.find(({ operationId }) => operationId === id)!;
    const answer = await stage.ask(one.method, `${fill(one, path)}${query && `?${query}`}`, { body });
    checkAnswer(one, answer);
    assert.equal(answer.status, status, `${id}: ${answer.text}`);
    return answer;
  };
  let task = "";
  for (const [id, calls] of Object.entries(CALLS)) {
    for (const one of calls(stage)) {
      const { status, json } = await call(id, one);
      if (status === 202) task = json.task.id;
    }
  }
  await waitFor(async () => (await call("showTask", { path: task })).json.endedAt !== null);
  await call("cancelTask", { path: task, status: 409 });
});

test("no operation answers without a token, under a foreign Host, or changes anything for one who may read", async (t) => {
  const stage = await openStage(t);
  for (const one of operations) {
    const path = fill(one, "x");
    const without = await stage.ask(one.method, path, { token: null });
    assert.equal(without.status, 401, one.operationId);
    checkAnswer(one, without);
    const foreign = await stage.ask(one.method, path, { headers: { host: "evil.example" } });
    assert.equal(foreign.status, 403, one.operationId);
    checkAnswer(one, foreign);
    const reader = await stage.ask(one.method, path, { token: READER });
    if (one.method === "POST") assert.equal(reader.status, 403, one.operationId);
    else assert.notEqual(reader.status, 403, one.operationId);
    checkAnswer(one, reader);
  }
});

test("hostile names, wrong types and huge limits are refused in the words of the document, and none is a fault of the relay", async (t) => {
  const stage = await openStage(t);
  const names = [
    "/",
    "?",
    "#",
    "%",
    "%2F",
    "a/b?c#d%e",
    "é".repeat(128),
    "x".repeat(256),
    "\u0000",
    "\n",
    "‮",
    "' OR 1=1 --",
  ];
  const values = [
    "",
    "0",
    "-1",
    "501",
    "1e9",
    "999999999999999999999",
    "NaN",
    "true",
    "[]",
    "\u0000",
    "x".repeat(5_000),
    "bmV4dA",
  ];
  const bodies: unknown[] = [
    null,
    [],
    "text",
    1,
    true,
    { ids: [] },
    { ids: "x" },
    { limit: 1 },
    { __proto__: null, constructor: 1 },
  ];
  const judge = async (one: Described, path: string, options: object = {}) => {
    const answer = await stage.ask(one.method, path, options);
    assert.ok(answer.status < 500, `${one.operationId} ${path}: ${answer.text}`);
    checkAnswer(one, answer);
    return answer.status;
  };
  for (const one of operations) {
    for (const name of one.path.includes("{") ? names : [])
      await judge(one, fill(one, name), { body: { confirm: name } });
    for (const { name } of one.parameters.filter((parameter) => parameter.in === "query")) {
      for (const value of values) await judge(one, `${fill(one, "x")}?${name}=${encodeURIComponent(value)}`);
    }
    assert.equal(await judge(one, `${fill(one, "x")}?nothing=1`), 400, one.operationId);
    for (const body of one.requestBody ? bodies : []) {
      const status = await judge(one, fill(one, "x"), { raw: JSON.stringify(body) });
      assert.ok(status >= 400, `${one.operationId}: ${JSON.stringify(body)}`);
    }
  }
});

test("a video is found by its id, whatever that is", async (t) => {
  const { get, post, event } = await startAdmin(t);
  for (const videoId of ["a/b?c#d%e", "%2F", "é".repeat(128), "x".repeat(256), "..%2f", "a b+c", "‮"]) {
    await event({ wochitVideoId: videoId });
    const path = `/videos/${encodeURIComponent(videoId)}`;
    assert.equal((await get(path)).json.videoId, videoId);
    assert.equal((await post(`${path}/forget`, { confirm: "other" })).status, 400);
    assert.equal((await post(`${path}/forget`, { confirm: videoId })).json.videoId, videoId);
  }
});
