import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { serve } from "../support/serve-here.ts";
import { callCli, callJson, runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("with a broken config what only reads still works, with a warning, and what changes something is refused", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take(ready("v1"));
  const config = ["--config", seeded.configPath];
  const given = JSON.parse(readFileSync(seeded.configPath, "utf8"));
  const [first] = given.endpoints;
  const broken = {
    "a wrong option": JSON.stringify({ ...given, server: { listen: "8080" }, mirorr: {} }),
    "a wrong endpoint": JSON.stringify({ ...given, endpoints: [first, { id: "?" }] }),
    "no JSON": JSON.stringify(given).slice(0, -1),
  };
  for (const [what, text] of Object.entries(broken)) {
    writeFileSync(seeded.configPath, text);
    for (const line of ["events list", `events show ${id}`, "deliveries list", "videos show v1", "status"]) {
      const { code, stdout, stderr } = await callCli([...line.split(" "), ...config]);
      assert.equal(code, 0, `${what}: ${line}: ${stderr}`);
      assert.match(
        stdout,
        line === "status" ? /^events +1 of 1 videos/m : line === "deliveries list" ? /^dlv_/m : /v1/,
        `${what}: ${line}`,
      );
      assert.match(stderr, /^wochit-relay: \S+ has problems \("wochit-relay check" names them\); read with /);
    }
    for (const line of ["events replay --since 1h --yes", "endpoints pause app", `deliveries retry ${id}`]) {
      assert.equal((await callCli([...line.split(" "), ...config])).code, 2, `${what}: ${line}`);
    }
  }
  writeFileSync(seeded.configPath, broken["a wrong endpoint"]);
  const rows = await callJson<{ id: string; state: string }>(["endpoints", "list", ...config]);
  assert.equal(rows.find((row) => row.id === first.id)?.state, "active", "a right endpoint is still known");
});

test("a config that is not there is refused also by what only reads", async (t) => {
  const { code, stderr } = await callCli(["events", "list", "--config", join(tempFolder(t), "nowhere.json")]);
  assert.equal(code, 2);
  assert.match(stderr, /no such file/);
});

test("a data folder that is a file is called that, and an address that this machine lacks", async (t) => {
  const dir = tempFolder(t);
  const path = join(dir, "config.json");
  writeFileSync(join(dir, "data"), "");
  writeFileSync(path, JSON.stringify({ server: { listen: "127.0.0.1:0" } }));
  const file = await runCli(["serve", "--config", path]);
  assert.equal(file.code, 1);
  assert.match(file.stderr, /^wochit-relay: dataDir \S+data is a file: name a folder[^\n]*\n$/);
  writeFileSync(path, JSON.stringify({ dataDir: "other", server: { listen: "192.0.2.1:8080" } }));
  const address = await runCli(["serve", "--config", path]);
  assert.match(
    address.stderr,
    /^wochit-relay: cannot listen on 192\.0\.2\.1:8080: (this machine does not have|listen EINVAL)/,
  );
});

test("with a broken config lists have the endpoints of the relay that runs, also of its last reload", async (t) => {
  const key = Buffer.alloc(24, 7).toString("base64");
  const app = (id: string) => ({
    ...{ id, url: "http://127.0.0.1:1/hook?key=hush", events: ["*"], secret: `whsec_${key}`, retry: ["1h"] },
    ...{ filter: { videoId: ["none"] }, order: "none", send: "immediately" },
  });
  const relay = await serve(t, tempFolder(t), { endpoints: [{ ...app("cms"), filter: undefined }] });
  const body = JSON.stringify({ type: "draft.new", wochitVideoId: "v1" });
  const headers = { "content-type": "application/json" };
  assert.equal((await fetch(`${relay.url}/webhooks/wochit`, { method: "POST", headers, body })).status, 200);
  const right = readFileSync(relay.config, "utf8");
  const list = async (what: string) => callJson([what, "list", "--config", relay.config]);
  await waitFor(async () => (await list("deliveries"))[0]?.attempts === 1);
  writeFileSync(relay.config, right.slice(0, -1));
  const [endpoint] = await list("endpoints");
  assert.deepEqual([endpoint.id, endpoint.state, endpoint.order, endpoint.pending], ["cms", "active", "none", 1]);
  assert.doesNotMatch(
    JSON.stringify(endpoint) + readFileSync(join(relay.config, "../data/relay.run"), "utf8"),
    /hush|whsec/,
  );
  const [delivery] = await list("deliveries");
  assert.equal(delivery.waitsFor.is, "retry");

  writeFileSync(relay.config, JSON.stringify({ ...JSON.parse(right), endpoints: [app("cms"), app("search")] }));
  process.kill(relay.child.pid!, "SIGHUP");
  await relay.find("config taken");
  writeFileSync(relay.config, "{");
  await waitFor(async () => (await list("endpoints")).length === 2);
  writeFileSync(relay.config, JSON.stringify({ ...JSON.parse(right), endpoints: [app("search"), { id: "cms" }] }));
  const states = async () =>
    (await list("endpoints")).map(({ id, state }: { id: string; state: string }) => [id, state]);
  assert.deepEqual(await states(), [
    ["search", "active"],
    ["cms", "active"],
  ]);
});

test("where the config file is gone lists say with which one the relay runs", async (t) => {
  const dir = tempFolder(t);
  const relay = await serve(t, dir);
  await waitFor(() => existsSync(join(dir, "data/relay.run")));
  rmSync(relay.config);
  const listed = await runCli(["events", "list"], { cwd: dir });
  const said = `no config file was found; the relay that runs here was started with ${relay.config}`;
  assert.deepEqual([listed.code, listed.stderr.includes(said)], [0, true], listed.stderr);
  const looked = "no config file was found: $WOCHIT_RELAY_CONFIG is not set, and neither ";
  const beside = await runCli(["check"], { cwd: dir });
  assert.ok(beside.stdout.startsWith(`warning: ${looked}${relay.config} nor /etc/`), beside.stdout);
  assert.ok(beside.stdout.includes(`runs with ${join(dir, "data")} was started with ${relay.config}\n`), beside.stdout);
  const alone = await runCli(["check", "--json"], { cwd: tempFolder(t) });
  const { path, valid, warnings } = JSON.parse(alone.stdout);
  assert.deepEqual([alone.code, path, valid, warnings.length], [0, null, true, 3]);
  assert.match(warnings[0], /; the defaults hold, and send events to no app; "wochit-relay init" writes a config$/);
});

test("with a broken config, or none, what is changed beside the relay that runs goes by what it runs with", async (t) => {
  const dir = tempFolder(t);
  const app = (id: string, more = {}) => ({
    ...{ id, url: "http://127.0.0.1:1/hook?key=hush", secret: `whsec_${Buffer.alloc(24, 7).toString("base64")}` },
    ...{ send: "immediately", retry: ["1h"], ...more },
  });
  const endpoints = [app("cms", { filter: { context: ["page-*"] } }), app("search", { headers: { "x-key": "hush" } })];
  const relay = await serve(t, dir, { endpoints });
  await waitFor(() => existsSync(join(dir, "data/relay.run")));
  const post = (videoId: string, videoContext: string) =>
    fetch(`${relay.url}/webhooks/wochit`, {
      method: "POST",
      body: JSON.stringify({ type: "draft.new", wochitVideoId: videoId, videoContext }),
    });
  for (const [id, context] of [
    ["v1", "page-1"],
    ["v2", "home"],
  ] as const)
    await post(id, context);
  const right = readFileSync(relay.config, "utf8");
  const config = ["--config", relay.config];
  // None of them is under way any longer.
  await waitFor(async () =>
    (await callJson(["deliveries", "list", ...config])).every(({ attempts }) => attempts === 1),
  );
  const change = async (line: string, given = config) => {
    const { code, stdout, stderr } = await runCli([...line.split(" "), ...given], { cwd: dir });
    assert.equal(code, 0, `${line}: ${stderr}`);
    assert.match(stderr, /^wochit-relay: [^\n]+; done by what the relay in \S+ runs with\n/, line);
    assert.doesNotMatch(stdout + stderr, /hush/);
    return stdout;
  };
  writeFileSync(relay.config, JSON.stringify({ ...JSON.parse(right), mirorr: {}, endpoints: [{ id: "cms" }] }));
  assert.match(await change("endpoints pause search --reason works"), /^search is paused since .*: works\n$/);
  // By the filter of the running relay: only v1 goes to cms.
  assert.match(await change("events replay --since 1h --endpoint cms --yes"), /^1 replayed\n$/m);
  assert.match(await change("deliveries retry --endpoint search --state pending --yes"), /^2 retried\n$/m);
  writeFileSync(relay.config, right.slice(0, -1));
  assert.match(await change("videos forget v2 --yes"), /^erased: /);
  const copy = await runCli(["backup", join(dir, "copy.db"), ...config]);
  assert.deepEqual([copy.code, /has problems .* read with .*data, 0 of its/.test(copy.stderr)], [0, true], copy.stderr);
  for (const line of ["prune", "endpoints test cms", `backup --to-target`]) {
    assert.equal((await runCli([...line.split(" "), ...config])).code, 2, line);
  }
  rmSync(relay.config);
  assert.match(await change("endpoints resume search", []), /^search is active\n$/);
  writeFileSync(relay.config, right.slice(0, -1));
  process.kill(relay.child.pid!, "SIGTERM");
  await relay.ended;
  const refused = await runCli(["endpoints", "pause", "cms", ...config]);
  assert.equal(refused.code, 2, "none runs that would hold it");
});
