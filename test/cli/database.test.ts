import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import stringWidth from "string-width";
import { signKey } from "../../src/links/durable-link.ts";
import { endpoint } from "../support/config.ts";
import { openSeeded, ready, type Seeded } from "../support/seeded.ts";
import { callCli, callJson, runCli } from "../support/spawn.ts";

/** A command line against this database. */
function on({ configPath }: Pick<Seeded, "configPath">) {
  const config = ["--config", configPath];
  return {
    run: (line: string, options?: Parameters<typeof callCli>[1]) => callCli([...line.split(" "), ...config], options),
    json: (line: string, options?: Parameters<typeof callCli>[1]) => callJson([...line.split(" "), ...config], options),
  };
}

test("events list: newest first, as a table or as JSON lines, filtered and limited", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  const first = await seeded.take(ready("v1", { videoContext: "page 1" }));
  await seeded.take({ type: "draft.new", wochitVideoId: "v2" });
  const third = await seeded.take({ type: "draft.exit", wochitVideoId: "v2" });

  const rows = await json("events list");
  assert.deepEqual(
    rows.map(({ id, type, videoId }) => [id, type, videoId]),
    [
      [third, "draft.exit", "v2"],
      [rows[1].id, "draft.new", "v2"],
      [first, "video.ready", "v1"],
    ],
  );
  assert.match(rows[0].receivedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const ids = async (line: string) => (await json(line)).map(({ id }) => id);
  assert.deepEqual(await ids("events list --limit 1"), [third]);
  assert.deepEqual(await ids(`events list --limit 1 --before ${rows[1].id}`), [first]);
  assert.deepEqual(await ids("events list --type video.ready"), [first]);
  assert.deepEqual(await ids("events list --video-id v1"), [first]);
  assert.deepEqual((await callJson(["events", "list", "--context", "page 1", "-c", seeded.configPath])).length, 1);
  assert.deepEqual(await ids("events list --since 1h --until 1m"), []);
  assert.equal((await ids("events list --since 1h")).length, 3);

  const { stdout } = await run("events list");
  const [titles, ...lines] = stdout.trimEnd().split("\n");
  assert.match(titles!, /^ID +RECEIVED +TYPE +VIDEO +SEQ +CONTEXT +DUP +STATUS$/);
  assert.equal(lines.length, 3);
  assert.match(lines[2]!, new RegExp(`^${first} .* video\\.ready +v1 +1 +page 1 +0 +waiting$`));
});

test("events and deliveries by type, status, app and error: patterns work, and unknown words name the nearest known one", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  const film = await seeded.take(ready("v1"));
  const draft = await seeded.take({ type: "draft.new", wochitVideoId: "v2" });
  const odd = await seeded.take({ type: "draft.odd", wochitVideoId: "v3" });
  await seeded.deliver("archive", "dead", 503);
  const ids = async (line: string) => (await json(line)).map(({ id }) => id);
  assert.deepEqual(await ids("events list --type draft.*"), [odd, draft]);
  assert.deepEqual(await ids("events list --type draft.odd,video.ready"), [odd, film]);
  assert.deepEqual(await ids("events list --type video.delete"), [], "known, and none came");
  assert.deepEqual(await ids("events list --status dead"), [film]);
  assert.deepEqual(await ids("events list --status dead --endpoint app"), []);
  assert.deepEqual(await ids("events list --endpoint archive"), [film]);
  const events = async (line: string) => (await json(line)).map(({ eventId }) => eventId);
  assert.deepEqual(await events("deliveries list --type draft.* --endpoint app"), [odd, draft]);
  const failed = ["deliveries", "list", "--error", "answered 503", "-c", seeded.configPath];
  assert.deepEqual(
    (await callJson(failed)).map(({ eventId }) => eventId),
    [film],
  );
  const [matching] = await json("deliveries retry --type video.* --dry-run");
  assert.equal(matching.count, 1);
  for (const line of ["events list", "deliveries list", "deliveries retry", "events replay"]) {
    const { code, stderr } = await run(`${line} --type draft.od`);
    assert.equal(code, 2, line);
    assert.match(stderr, /no event is of type "draft\.od": did you mean "draft\.odd"\?/, line);
  }
});

test("a table on a terminal is no wider than it, and hostile text in it is shown, not obeyed", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1", { videoContext: "\x1b]0;owned\x07\x9b2J\u202e", title: "t".repeat(300) }));
  for (const line of ["events list", "videos list", "videos show v1", "deliveries list"]) {
    const { stdout, code } = await on(seeded).run(line, { width: 100, env: { NO_COLOR: "1" } });
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/, line);
    if (line.endsWith("list")) for (const row of stdout.split("\n")) assert.ok(stringWidth(row) <= 100, row);
  }
  const piped = await on(seeded).run("videos list");
  assert.match(piped.stdout, /t{300}/);
});

test("events show: fields, media, deliveries; --body gives the very bytes", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  const event = { wochitVideoId: "v1", videoUrl: "https://cdn.example.com/v.mp4?Signature=hush", big: "é\u0000" };
  const id = await seeded.take(event);
  const [shown] = await json(`events show ${id}`);
  assert.deepEqual(
    [shown.dialect, shown.media.length, shown.deliveries.length, shown.media[0].sourceUrl],
    ["legacy", 1, 2, "https://cdn.example.com/v.mp4"],
  );
  const human = await run(`events show ${id}`);
  assert.match(human.stdout, /^sequence +1$/m);
  assert.doesNotMatch(human.stdout, /hush/);
  const { bytes } = await run(`events show ${id} --body`);
  assert.deepEqual(bytes, Buffer.from(JSON.stringify(event)));

  const missing = await run("events show evt_00000000000");
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
  assert.match(missing.stderr, /^wochit-relay: no event "evt_00000000000"\n$/);
});

test("events replay: one, a range, only the dead; what was asked for is judged before anything is opened", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  const id = await seeded.take(ready("v1"));
  await seeded.take(ready("v2"));
  assert.match((await run(`events replay ${id} --endpoint app`)).stdout, /^1 queued: dlv_\w+ to app; /);
  assert.match((await run("events replay --since 1h")).stdout, /^4 replayed\n$/);
  assert.equal((await json("events replay --since 1h --only-dead"))[0].count, 0);
  assert.equal((await run("events replay")).code, 2);
  assert.equal((await run(`events replay ${id} --since 1h`)).code, 2);
  const { code, stderr } = await run(`events replay ${id} --endpoint nobody`);
  assert.equal(code, 1);
  assert.match(stderr, /no endpoint "nobody"/);
});

test("deliveries: listed by state, shown with attempts, retried, canceled", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  await seeded.take(ready("v1"));
  await seeded.take(ready("v2"));
  await seeded.deliver("app", "dead");
  const dead = await json("deliveries list --state dead");
  assert.deepEqual(
    dead.map(({ endpoint, attempts, lastError }) => [endpoint, attempts, lastError]),
    Array(2).fill(["app", 1, "answered 500"]),
  );
  const shown = await run(`deliveries show ${dead[0].id}`);
  assert.match(shown.stdout, /^state +dead$/m);
  assert.match(shown.stdout, /^ATTEMPTED .*\n.* 12 +500 +answered 500 +- +\\u\{1b\}\[31mno$/m);

  assert.match((await run(`deliveries retry ${dead[0].id}`)).stdout, /^dlv_\w+ queued: /);
  assert.match((await run("deliveries retry --endpoint app --state dead")).stdout, /^1 retried\n$/);
  assert.equal((await json("deliveries list --state dead")).length, 0);
  assert.equal((await json("deliveries list --video-id v1")).length, 2);
  for (const state of ["delivered", "superseded", "running"]) {
    const refused = await run(`deliveries retry --state ${state}`);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, new RegExp(`of ${state} deliveries none can be retried, only of dead, canceled,`));
  }
  assert.match((await run("deliveries cancel --endpoint archive")).stdout, /^2 canceled\n$/);
  const again = await run(`deliveries cancel ${(await json("deliveries list --endpoint archive"))[0].id}`);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /canceled already/);
  assert.equal((await run("deliveries retry")).code, 2);

  const wish = { endpoint: "app", now: Date.now(), limit: 1, leaseFor: 60_000 };
  const [running] = (await seeded.store.claimDeliveries(wish)).jobs;
  const { stdout } = await run(`deliveries cancel ${running!.id}`);
  assert.equal(stdout, `${running!.id} canceled as soon as its attempt ends, unless that succeeds\n`);
});

test("endpoints: listed with what waits, paused and resumed, also when the service's secrets are not at hand", async (t) => {
  const seeded = await openSeeded(t);
  // The secrets are in the service's environment, not in that of whoever operates it.
  const config = join(seeded.dir, "operator.json");
  const secret = { env: "ONLY_IN_THE_SERVICE" };
  const endpoints = [endpoint("app", { secret, url: "https://u:p@app.example.com/x?token=hush" })];
  writeFileSync(config, JSON.stringify({ dataDir: seeded.config.dataDir, receive: { token: secret }, endpoints }));
  const { run, json } = on({ configPath: config });
  assert.equal((await run("serve")).code, 2);
  await seeded.take(ready("v1"));
  const [app, archive] = await json("endpoints list");
  assert.deepEqual(
    [app.id, app.url, app.state, app.pending],
    ["app", "https://(set)@app.example.com/x?(set)", "active", 1],
  );
  assert.deepEqual([archive.id, archive.state], ["archive", "removed"]);
  assert.deepEqual(await json("endpoints list --limit 1"), [app]);
  assert.deepEqual(await json("endpoints list --state removed"), [archive]);
  assert.match(
    (await run("endpoints pause app --reason maintenance")).stdout,
    /^app is paused since \d.*: maintenance\n$/,
  );
  assert.equal(await seeded.deliver("app", "delivered"), 0);
  assert.equal((await run("endpoints resume app")).stdout, "app is active\n");
  assert.equal(await seeded.deliver("app", "delivered"), 1);
  assert.match((await run("endpoints pause ap")).stderr, /no endpoint "ap": did you mean "app"\?/);
});

test("an endpoint that the config pauses is shown so, is not resumed by a command, and can be paused beside it", async (t) => {
  const seeded = await openSeeded(t, { endpoints: [endpoint("app", { paused: true }), endpoint("archive")] });
  const { run, json } = on(seeded);
  const [app, archive] = await json("endpoints list");
  assert.deepEqual([app.state, app.reason, app.pausedAt], ["paused", "by the config", null]);
  assert.deepEqual([archive.state, archive.reason], ["active", null]);
  assert.deepEqual(await json("endpoints list --state paused"), [app]);
  assert.match((await run("endpoints list")).stdout, /^app +paused .*by the config$/m);

  const refused = await run("endpoints resume app");
  assert.equal(refused.code, 1);
  assert.equal(
    refused.stderr,
    `wochit-relay: app is paused by the config: take "paused" out of ${seeded.configPath}, and reload\n`,
  );
  assert.match(
    (await run("endpoints pause app --reason maintenance")).stdout,
    /^app is paused since \d.*: by the config; maintenance\n$/,
  );
  assert.equal((await run("endpoints resume app")).code, 1);
  assert.equal((await seeded.store.endpoints())[0]?.reason, "maintenance", "a refused command changes nothing");

  const without = join(seeded.dir, "without.json");
  writeFileSync(without, JSON.stringify({ dataDir: seeded.config.dataDir, endpoints: [endpoint("app")] }));
  const after = on({ configPath: without });
  assert.deepEqual(
    (await after.json("endpoints list")).slice(0, 1).map(({ state, reason }) => [state, reason]),
    [["paused", "maintenance"]],
    "the operator's pause stands when the config's has ended",
  );
  assert.equal((await after.run("endpoints resume app")).stdout, "app is active\n");
});

test("contexts import says how many events were sent without what is known now, and events list finds them", async (t) => {
  const seeded = await openSeeded(t, { endpoints: [endpoint("app")] });
  const { run, json } = on(seeded);
  const sent = await seeded.take({ type: "draft.delete", wochitVideoId: "v1" });
  await seeded.take({ type: "draft.delete", wochitVideoId: "v2" });
  await seeded.deliver("app", "delivered");
  const input = '{"videoId":"v1","context":"page 1"}';
  assert.equal(
    (await run("contexts import", { input })).stdout,
    `1 imported, 0 known already
1 event had been sent without the context that is known now: events list --context-missing
`,
  );
  const listed = await json("events list --context-missing");
  assert.deepEqual(
    listed.map(({ id, context, contextFrom }) => [id, context, contextFrom]),
    [[sent, "page 1", "mapping"]],
  );
  assert.equal((await json("events list")).length, 2);
  await run(`events replay ${sent} --endpoint app`);
  await seeded.deliver("app", "delivered");
  assert.deepEqual(await json("events list --context-missing"), []);
});

test("videos and contexts: found both ways, and imported from JSON lines, JSON and CSV", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  await seeded.take(ready("v1", { videoContext: "old" }));
  await seeded.take(ready("v1", { videoContext: "new", title: "Title" }));
  const [video] = await json("videos show v1");
  assert.deepEqual([video.context, video.state, video.title], ["new", "ready", "Title"]);
  assert.deepEqual(
    video.contextHistory.map(({ context }: { context: string }) => context),
    ["old", "new"],
  );
  assert.deepEqual((await json("contexts show old"))[0]?.videoId, "v1");
  assert.equal((await run("contexts show never")).code, 1);
  assert.equal((await json("videos list --state ready")).length, 1);
  assert.equal((await json("videos list --state deleted")).length, 0);

  const lines = `{"videoId":"v1","context":"old"}\n\n{"wochitVideoId":"v7","videoContext":"{\\"page\\": 1}"}\n`;
  assert.equal(
    (await run("contexts import", { input: lines })).stdout,
    "1 imported, 1 known already, or named otherwise by an event\n",
  );
  assert.equal((await json("videos show v7"))[0]?.context, '{"page": 1}');
  const csv = 'context,videoId\r\n"a ""quoted"", one",v8\r\nplain,v9\r\n';
  assert.match((await run("contexts import -", { input: csv })).stdout, /^2 imported/);
  assert.equal((await json("videos show v8"))[0]?.context, 'a "quoted", one');
  const file = join(seeded.dir, "list.json");
  writeFileSync(file, JSON.stringify([{ videoId: "v9", context: "plain" }]));
  assert.deepEqual(await json(`contexts import ${file}`), [{ rows: 1, imported: 0, contextMissing: 0 }]);
  assert.equal((await json("videos show v1"))[0]?.context, "new");
  assert.match((await run("contexts import --override", { input: lines })).stdout, /^1 imported, 1 known already/);
  assert.equal((await json("videos show v1"))[0]?.context, "old");
  for (const [input, expected] of [
    ['{"videoId":"v1"}', /line 1 has no context/],
    ['{"videoId":"","context":"x"}', /line 1 has no usable videoId: it is empty/],
    [`{"videoId":"${"x".repeat(257)}","context":"x"}`, /line 1 has no usable videoId: it is longer than 256 bytes/],
    ['{"videoId":"v1","context":"x"}\n{', /line 2 is not JSON/],
    ['videoId,context\nv1,"x', /is neither JSON nor CSV/],
    [Buffer.from([0xff]), /not UTF-8/],
  ] as const) {
    const { code, stderr } = await run("contexts import", { input });
    assert.equal(code, 2);
    assert.match(stderr, expected);
  }
});

test("media: listed with their durable address, failed ones downloaded again", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true } });
  const { run, json } = on(seeded);
  await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v.mp4?sig=hush" }));
  await seeded.download("mirrored");
  await seeded.take(ready("v2", { videoUrl: "https://cdn.example.com/w.mp4?sig=hush" }));
  await seeded.download("failed");
  const [failed, mirrored] = await json("media list");
  assert.deepEqual([failed.state, failed.url, failed.lastError], ["failed", null, "answered 403"]);
  const sig = signKey((await seeded.store.linkSecrets())[0]!.secret, "v1/video.bin");
  assert.equal(mirrored.url, `https://relay.example.com/media/v1/video.bin?sig=${sig}`);
  assert.doesNotMatch((await run("media list")).stdout, /hush/);
  assert.deepEqual((await json("media list --state failed")).length, 1);
  assert.deepEqual(await json("media list --state failed,mirrored"), [failed, mirrored]);
  assert.deepEqual(await json("media list --video-id v1"), [mirrored]);
  assert.match((await run(`media retry ${mirrored.id}`)).stderr, /is mirrored/);
  assert.equal((await run(`media retry ${failed.id}`)).stdout, `${failed.id} queued for download\n`);
  await seeded.download("expired");
  assert.equal((await run("media retry --state skipped,expired --video-id v2")).stdout, "1 queued for download\n");
  assert.equal((await run("media retry")).code, 2);
  assert.equal((await run("media retry --video-id v2 --dry-run")).stdout, "0 media would be queued for download\n");
  await seeded.download("failed");
  assert.equal((await run("media retry --video-id v2 --dry-run")).stdout, "1 medium would be queued for download\n");
  assert.equal((await run("media retry --video-id v2")).stdout, "1 queued for download\n");
  assert.equal((await json("media list --state pending")).length, 1);
});

test("quarantine: listed, shown harmlessly or byte for byte, and taken in after all", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  const keep = (body: string | Buffer, reason: "source" | "invalid_json") =>
    seeded.store.quarantine({ receivedAt: 1, sourceAddress: "203.0.113.9", reason, body: Buffer.from(body) });
  const fine = await keep(JSON.stringify(ready("v1")), "source");
  const odd = await keep(Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff]), "invalid_json");
  assert.deepEqual((await json("quarantine list")).map(({ reason }) => reason).sort(), ["invalid_json", "source"]);
  assert.equal((await json("quarantine list --reason source"))[0]?.id, fine.id);
  assert.match((await run(`quarantine show ${odd.id}`)).stdout, /not UTF-8; base64\) G1syS/);
  assert.deepEqual((await run(`quarantine show ${odd.id} --body`)).bytes, Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff]));
  assert.match((await run(`quarantine reprocess ${odd.id}`)).stderr, /^wochit-relay: the body is not valid UTF-8\n$/);
  assert.match((await run("quarantine reprocess --reason source")).stdout, /^1 taken in\n$/);
  assert.equal((await json("quarantine list")).length, 1);
  assert.equal((await json("events list --video-id v1")).length, 1);
  assert.equal((await run("quarantine reprocess")).code, 2);
  const [event] = await json("events list");
  const gone = await run(`quarantine show ${fine.id}`);
  const shows = `it was taken in as ${event.id}, which "wochit-relay events show ${event.id}" shows`;
  assert.equal(gone.stderr, `wochit-relay: no quarantined body "${fine.id}": ${shows}\n`);
  const again = await keep(JSON.stringify(ready("v1")), "source");
  assert.match((await run(`quarantine reprocess ${again.id}`)).stdout, /is evt_\w+ now/);
  assert.match((await run(`quarantine reprocess ${again.id}`)).stderr, /: it was taken in as evt_/);
});

test("a medium that waits for room on the disk says so; one that is not waiting does not", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: "999999GiB" } });
  const { run, json } = on(seeded);
  await seeded.take(ready("v1", { videoUrl: "https://cdn.example/1.mp4" }));
  await seeded.download("failed");
  await seeded.take(ready("v2", { videoUrl: "https://cdn.example/2.mp4" }));
  const lines = (await run("media list")).stdout.split("\n");
  assert.match(
    lines.find((line) => line.includes(" v2 "))!,
    /waits for disk: .* free, below mirror\.minFreeDisk \(976\.6 TiB\)$/,
  );
  assert.doesNotMatch(lines.find((line) => line.includes(" v1 "))!, /disk/);
  assert.deepEqual(
    (await json("media list")).map(({ lastError }) => lastError === null),
    [true, false],
  );
});

test("quarantine: what was refused of an allowed sender, compressed too, is taken in", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  const keep = (reason: "path" | "method" | "broken" | "request", body: Uint8Array) =>
    seeded.store.quarantine({ receivedAt: 1, sourceAddress: "54.81.68.237", reason, body });
  const text = (videoId: string) => JSON.stringify(ready(videoId));
  await keep("path", Buffer.from(text("v1")));
  await keep("method", gzipSync(text("v2")));
  await keep("request", Buffer.from(text("v3"), "utf16le"));
  const broken = await keep("broken", Buffer.from(text("v4").slice(0, -1)));
  for (const reason of ["path", "method", "request"]) {
    assert.equal((await json(`quarantine list --reason ${reason}`))[0]?.reason, reason);
    assert.match((await run(`quarantine reprocess --reason ${reason}`)).stdout, /^1 taken in\n$/);
  }
  assert.match((await run(`quarantine reprocess ${broken.id}`)).stderr, /^wochit-relay: .*\n$/);
  assert.deepEqual((await json("events list")).map(({ videoId }) => videoId).sort(), ["v1", "v2", "v3"]);
});

test("status tells in numbers what there is and what waits", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  await seeded.deliver("app", "dead");
  const [status] = await on(seeded).json("status");
  assert.deepEqual([status.events, status.videos, status.deliveries.dead, status.deliveries.pending], [1, 1, 1, 1]);
  const { stdout } = await on(seeded).run("status");
  assert.match(stdout, /^deliveries +1 pending, 1 dead$/m);
  assert.match(stdout, /^ {2}app +1 dead$/m);
  assert.match(stdout, /^ {2}archive +the oldest came (now|\d+ s ago); 1 open$/m);
});

test("several states are named with commas, in lists and in what is done to many", async (t) => {
  const seeded = await openSeeded(t);
  const { run, json } = on(seeded);
  await seeded.take(ready("v1"));
  await seeded.deliver("app", "dead");
  await seeded.take(ready("v2"));
  await seeded.deliver("app", "retry");
  const states = async (line: string) => (await json(line)).map(({ state }) => state);
  assert.deepEqual(await states("deliveries list --endpoint app --state dead,pending"), ["pending", "dead"]);
  assert.deepEqual(await states("deliveries list --endpoint app --state dead"), ["dead"]);
  assert.equal((await run("deliveries list --endpoint app --state pending,dead --count")).stdout, "2\n");
  assert.equal((await json("deliveries reasons --state pending,dead")).length, 1);
  assert.equal((await run("deliveries retry --endpoint app --state dead,pending --yes")).stdout, "2 retried\n");
  assert.deepEqual(await states("videos list --state ready,deleted"), ["ready", "ready"]);
  assert.deepEqual(await states("videos list --state draft,deleted"), []);
  assert.deepEqual(await states("tasks list --state done,failed"), ["done"]);
  assert.deepEqual(await states("tasks list --state queued,running"), []);
  const endpoints = await states("endpoints list");
  assert.deepEqual(await states("endpoints list --state active,failing,paused"), endpoints);
  assert.deepEqual(await states("endpoints list --state paused,removed"), []);
  const wrong = await run("deliveries list --state dead,pendin");
  assert.match(wrong.stderr, /must be some of waiting, .*, not "pendin": did you mean "pending"\?/);
  assert.match(
    (await run("deliveries retry --state dead,delivered --yes")).stderr,
    /of delivered deliveries none can be/,
  );
});

test("what failed is listed with its time, type and video, and by its reasons with the app's first words", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  await seeded.take(ready("v2"));
  await seeded.deliver("app", "dead", 422);
  const { run, json } = on(seeded);
  const [titles, row] = (await run("deliveries list --state dead -n 1")).stdout.split("\n");
  assert.match(titles!, /^ID +MADE +EVENT +TYPE +VIDEO +ENDPOINT +STATE +TRIES +NEXT +ERROR$/);
  assert.match(row!, /^dlv_\w+ +\d{4}-\d\d-\d\d [\d:]+Z +evt_\w+ +video\.ready +v2 +app +dead +1 +- +answered 422$/);
  const narrow = await run("deliveries list --state dead", { width: 80, env: { NO_COLOR: "1" } });
  assert.match(narrow.stdout, /^ID +MADE +TYPE +VIDEO +ENDPOINT +STATE +TRIES$/m);
  assert.match(narrow.stdout, /^dlv_.* v2 +app +dead +1\n {4}error: answered 422$/m);
  const reasons = (await run("deliveries reasons")).stdout;
  assert.match(reasons, /^app +2 +.* answered 422 +dlv_\w+ +\\u\{1b\}\[31mno$/m);
  const [reason] = await json("deliveries reasons");
  assert.deepEqual([reason.count, reason.answer], [2, "\x1b[31mno"]);
});

test("a command makes no database, and says where it looked for one", async (t) => {
  const seeded = await openSeeded(t);
  const config = join(seeded.dir, "empty.json");
  writeFileSync(config, JSON.stringify({ dataDir: "nowhere" }));
  const { code, stdout, stderr } = await on({ configPath: config }).run("events list");
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^wochit-relay: no database in .*nowhere: has the relay run with this config\?\n$/);
  assert.ok(!readdirSync(seeded.dir).includes("nowhere"));
});

test("another process does its work beside an open relay, which then sees it", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  await seeded.deliver("app", "dead");
  const before = await seeded.store.changeMark();
  const args = ["deliveries", "retry", "--endpoint", "app", "--config", seeded.configPath];
  assert.deepEqual(await runCli(args), { code: 0, signal: null, stdout: "1 retried\n", stderr: "" });
  assert.notEqual(await seeded.store.changeMark(), before);
  assert.equal(await seeded.deliver("app", "delivered"), 1);
});

test("times are of the local zone, or with --utc of UTC, and --json always is", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const { run, json } = on(seeded);
  const time = async (line: string, options = {}) =>
    / (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S+)/.exec((await run(line, options)).stdout)?.[1];
  for (const line of ["events list", "videos list", "videos show v1"]) {
    const [local, utc] = [await time(line, { utcOffset: 330 }), await time(`${line} --utc`, { utcOffset: 330 })];
    assert.match(local!, /\+05:30$/, line);
    assert.match(utc!, /Z$/, line);
    assert.equal(Date.parse(local!.replace(" ", "T")), Date.parse(utc!.replace(" ", "T")));
  }
  const [row] = await json("events list", { utcOffset: 330 });
  assert.match(row.receivedAt, /Z$/);
});

test("--since and --until are of the local zone, or with --utc of UTC, and have something between them", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take(ready("v1"));
  const { run, json } = on(seeded);
  const zone = { utcOffset: 345 };
  const [{ receivedAt }] = await json("events list");
  const later = new Date(Date.parse(receivedAt) + 1000 + 345 * 60_000).toISOString().slice(0, 19);
  const found = async (line: string) => (await run(line, zone)).stdout.includes(id);
  for (const [until, isFound] of [
    [later, true],
    [later.replace("T", " "), true],
    [`${later.replace("T", " ")}+05:45`, true],
    [`${new Date(Date.parse(receivedAt) - 1000).toISOString()}`, false],
  ] as const) {
    const args = ["events", "list", "--until", until, "--config", seeded.configPath];
    const { stdout, stderr } = await callCli(args, zone);
    assert.equal(stdout.includes(id), isFound, `${until}: ${stderr}`);
  }
  // As clocks in UTC show it, it is five hours and three quarters in the future.
  const args = ["events", "list", "--since", later, "--utc", "--config", seeded.configPath];
  assert.equal((await callCli(args, zone)).stdout.includes(id), false);
  assert.equal(await found("events list --since yesterday"), true);
  assert.equal(await found("events list --until yesterday"), false);
  for (const verb of ["events list", "deliveries retry", "events replay", "media verify", "audit list"]) {
    const { code, stderr } = await run(`${verb} --since 1h --until 2h`, zone);
    const words = /^wochit-relay: the range is empty: it begins at \S+ \S+\+05:45 and ends at \S+ \S+\+05:45 /;
    assert.match(stderr, words, verb);
    assert.equal(code, 2, verb);
  }
});

test("at a terminal an id that is not there is followed by where ids are shown", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const at = (line: string, width?: number) =>
    callCli([...line.split(" "), "--config", seeded.configPath], width === undefined ? {} : { width });
  for (const [line, noun] of [
    ["events show evt_none", "events"],
    ["deliveries retry dlv_none", "deliveries"],
    ["videos show none", "videos"],
    ["tasks show tsk_none", "tasks"],
    ["quarantine show qrn_none", "quarantine"],
  ] as const) {
    const { code, stderr } = await at(line, 80);
    assert.equal(code, 1, line);
    assert.match(
      stderr,
      new RegExp(`^wochit-relay: no [^\n]*\n.*"wochit-relay ${noun} list" shows what there is.*\n$`),
      line,
    );
    assert.equal((await at(line)).stderr.split("\n").length, 2, "elsewhere one line says it");
  }
  // It has advice of its own.
  assert.doesNotMatch((await at("endpoints show ap", 80)).stderr, /shows what there is/);
});

test("a list fits 80 columns and says what it left out and what comes next; an empty one says why it may be empty", async (t) => {
  const seeded = await openSeeded(t);
  const { run } = on(seeded);
  const terminal = { width: 80, env: { NO_COLOR: "1" } };
  assert.match((await run("events list", terminal)).stderr, /^no event has come in yet: "wochit-relay doctor" .*\n$/);
  const id = await seeded.take(
    ready("5f3e1c0d2b4a69788796a5b4", { videoUrl: "https://cdn.example.com/v.mp4?Signature=x" }),
  );
  for (const line of ["events list", "deliveries list", "media list", "videos list", "endpoints list"]) {
    const { stdout, stderr } = await run(line, terminal);
    for (const row of stdout.split("\n")) assert.ok(stringWidth(row) <= 80, row);
    assert.match(stderr, /^"wochit-relay \w+ \w+ .*ID/m, line);
  }
  const narrow = await run("events list", terminal);
  assert.match(narrow.stdout, new RegExp(`^${id} .* video\\.ready +context of 5f3e1c… +waiting$`, "m"));
  assert.match(narrow.stderr, /^not shown for want of room: .*VIDEO.*; --json has all$/m);
  const none = await run("events list --type draft.new --since 1h", terminal);
  assert.deepEqual(
    [none.stdout, none.stderr],
    ["", "nothing matches --type draft.new --since 1h: without it there may be more\n"],
  );
  const dim = await run("events list", { width: 80 });
  assert.match(dim.stderr, /\x1b\[2m"wochit-relay events show ID".*\x1b\[0m\n$/);
  assert.equal((await run("events list")).stderr, "", "no hint into a pipe");
});
