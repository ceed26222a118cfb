// First: the config's schema is made of the table when it is loaded.
import "./toy/line.ts";
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { request } from "undici";
import { inspectConfig } from "../../src/config/load.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { testMirrorTarget } from "../contracts/mirror-target.ts";
import { VIDEO, withStage } from "../e2e/stage.ts";
import { tempFolder } from "../support/folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";
import { openToy, shelves } from "./toy/open.ts";

// A type of target is one folder and one line: nothing of src knows this one.

const CODE = "open sesame";
const shelf = (name: string) => ({ type: "toy", shelf: name, code: CODE }) as unknown as MirrorInput["target"];
type MirrorInput = NonNullable<ConfigInput["mirror"]>;

let shelfCount = 0;
testMirrorTarget("toy", () => openToy({ type: "toy", shelf: `contract-${++shelfCount}`, code: CODE }));

test("a toy in the config is checked like any other target, and its secrets are read", (t) => {
  const path = join(tempFolder(t), "config.json");
  const judge = (target: object, formerTargets: object[] = [], env: Record<string, string> = {}) => {
    writeFileSync(path, JSON.stringify({ mirror: { target, formerTargets } }));
    return inspectConfig(path, { env, cwd: "/" });
  };
  const wrong = { type: "toy", shelf: "top", kode: "x" };
  assert.deepEqual(judge({ type: "toy" }, [wrong, { type: "toi" }]).problems.sort(), [
    "mirror.formerTargets[0].code: is missing: a shelf is locked",
    'mirror.formerTargets[0].kode: unknown key "kode": did you mean "code"?',
    "mirror.formerTargets[0].shelf: is out of reach",
    'mirror.formerTargets[1].type: must be "local" or "s3" or "toy", not "toi"',
    "mirror.target.code: is missing: a shelf is locked",
    "mirror.target.shelf: is missing",
  ]);
  const right = { type: "toy", shelf: "low", code: { env: "CODE" } };
  assert.deepEqual(judge(right).problems, ["mirror.target.code: the environment variable CODE is not set"]);
  const { config, warnings } = judge(right, [], { CODE: " secret " });
  assert.deepEqual(config!.mirror.target, { type: "toy", shelf: "low", code: "secret" });
  assert.ok(warnings.includes("mirror.target.shelf: is within a child's reach"));
});

test("doctor warns of a toy's secret in a config that others can read", async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, "config.json");
  const said = async (code: unknown) => {
    writeFileSync(path, JSON.stringify({ dataDir: "data", mirror: { target: { type: "toy", shelf: "hall", code } } }));
    chmodSync(path, 0o644);
    const { stdout } = await callCli(["doctor", "--offline", "--json", "--config", path]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    return lines.filter(({ probe }) => probe.startsWith("files.")).map(({ state, detail }) => `${state}: ${detail}`);
  };
  assert.match((await said(CODE)).join("\n"), /^warning: .* can read the secrets in it$/);
  writeFileSync(join(folder, "code"), CODE);
  chmodSync(join(folder, "code"), 0o644);
  const [config, secret] = await said({ file: "code" });
  assert.match(config!, /^ok: .*, holds no secret itself$/);
  assert.match(secret!, /^warning: .*code has mode 0644: every user of this machine can read/);
});

test("a toy is in the JSON Schema of the config", async () => {
  const { stdout } = await callCli(["schema"]);
  const { oneOf } = JSON.parse(stdout).properties.mirror.properties.target;
  const types = oneOf.map((one: { properties: { type: { const: string } } }) => one.properties.type.const);
  assert.deepEqual(types, ["local", "s3", "toy"]);
});

test("a relay keeps its copies and backups in a toy, serves copies from there, also as a former target, and deletes them", () =>
  withStage({ mirror: { target: shelf("living room"), onDelete: "delete", deleteAfter: "0s" } }, async (stage) => {
    const { provider, relay, send, delivery } = stage;
    const film = provider.addVideo(VIDEO, { bytes: 100_000 });
    const thumbnail = provider.addThumbnail(VIDEO);
    const { id } = await send("video.ready", { videoUrl: film.link(), thumbnailUrl: thumbnail.link() });
    const { json } = await delivery(id);
    assert.equal(json.relay.media.video.status, "mirrored");
    const held = shelves.get("living room")!;
    const key = `${VIDEO}/video.mp4`;
    assert.equal(held.get(key)?.bytes.length, 100_000);

    const get = async (range?: string) => {
      const answer = await request(json.videoUrl, { headers: range ? { range } : {}, reset: true });
      return { status: answer.statusCode, bytes: (await answer.body.arrayBuffer()).byteLength };
    };
    assert.deepEqual(await get(), { status: 200, bytes: 100_000 });
    assert.deepEqual(await get("bytes=10-19"), { status: 206, bytes: 10 });
    const verified = await callJson(["media", "verify", "--config", relay.configPath]);
    assert.equal(verified.at(-1).good, 2);

    const backup = await callCli(["backup", "--to-target", "--config", relay.configPath]);
    assert.match(backup.stdout, /^~backups\/relay-\S+\.db in the shelf living room: 1 event, /);
    const listed = await callCli(["restore", "--from-target", "--config", relay.configPath]);
    assert.match(listed.stderr, /name one of the backups in the shelf living room \(/m);

    // As a former target it is opened with the present one's code where that is a toy, else as mirror.formerTargets says.
    await relay.restart({ mirror: { target: shelf("attic"), onDelete: "delete", deleteAfter: "0s" } });
    assert.deepEqual(await get(), { status: 200, bytes: 100_000 });
    await relay.restart({ mirror: { target: { type: "local" }, onDelete: "delete", deleteAfter: "0s" } });
    assert.equal((await get()).status, 503, "the shelf is locked");
    const formerTargets = [shelf("living room")] as MirrorInput["formerTargets"];
    await relay.restart({ mirror: { formerTargets, onDelete: "delete", deleteAfter: "0s" } });
    assert.deepEqual(await get(), { status: 200, bytes: 100_000 });
    await send("video.delete");
    await waitFor(() => !held.has(key));
  }));

test("doctor tries a toy", async (t) => {
  const dir = tempFolder(t);
  const config = join(dir, "config.json");
  const server = { listen: "127.0.0.1:0" };
  const write = (target: unknown) =>
    writeFileSync(config, JSON.stringify({ dataDir: "data", server, mirror: { target, minFreeDisk: 0 } }));
  const probe = async (...args: string[]) => {
    const { stdout } = await callCli(["doctor", "--json", "--config", config, ...args]);
    const lines = stdout.trim().split("\n");
    const found = lines.map((line) => JSON.parse(line)).filter((line) => line.probe.startsWith("target"));
    return found.map(({ probe, state, detail }) => `${probe} ${state}: ${detail}`).join("\n");
  };
  write(shelf("cellar"));
  assert.match(await probe(), /^target\.copy ok: shelf cellar: put \d+ ms, head \d+ ms, get \d+ ms, delete \d+ ms$/);
  assert.equal(await probe("--offline"), "", "it is not of this machine's disks");
  write({ type: "toy", shelf: "cellar", code: "wrong" });
  assert.match(await probe(), /^target\.copy failed: shelf cellar: open failed: the shelf cellar is locked/);
  write({ type: "toy", shelf: "cellar", code: { env: "NOT_SET" } });
  assert.match(await probe(), /^target warning: it was not tried: its keys cannot be read/);
});
