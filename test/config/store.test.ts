import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { effectiveConfig } from "../../src/actions/relay/effective-config.ts";
import { salvageConfig } from "../../src/cli/config/salvage.ts";
import { configJsonSchema } from "../../src/config/json-schema/build.ts";
import { inspectJson } from "../../src/config/load.ts";
import { tempFolder } from "../support/folder.ts";

const URL = "postgres://relay:hush@db1,db2:5433/events";
const BUCKET = { type: "s3", bucket: "copies", region: "eu-central-1" };
const SHARED = { mirror: { target: BUCKET }, admin: null, server: { publicUrl: "https://relay.example.com" } };

function inspect(
  input: object,
  env: Record<string, string> = { DATABASE_URL: URL },
  secrets: boolean | "target" = true,
) {
  return inspectJson({ ...SHARED, endpoints: [], store: { url: { env: "DATABASE_URL" } }, ...input }, null, {
    env,
    cwd: "/",
    secrets,
  });
}

test("a database of several relays is named by a secret, and shown without it", () => {
  const { config, problems } = inspect({});
  assert.deepEqual(problems, []);
  assert.deepEqual(config!.store, { url: URL, ca: null });
  assert.ok(!JSON.stringify(effectiveConfig(config!)).includes("hush"));
  assert.deepEqual(inspect({ store: null }).config!.store, null);
});

test("an address that is not understood is a problem, which says nothing of the password", () => {
  const { problems } = inspect({}, { DATABASE_URL: "postgres://relay:hush@db" });
  assert.deepEqual(problems, ["store.url: names no database: postgres://user:password@host/database"]);
  assert.deepEqual(inspect({}, {}).problems, ["store.url: the environment variable DATABASE_URL is not set"]);
  assert.match(
    inspect({ store: { url: URL, ca: "/nowhere.pem" } }).problems.join("|"),
    /^store\.ca: cannot read [^|]+$/,
  );
});

test("a command that cannot read the address has a config, which says why", () => {
  for (const secrets of [false, "target"] as const) {
    const { config, problems } = inspect({}, {}, secrets);
    assert.deepEqual(problems, []);
    assert.deepEqual(config!.store, { url: null, why: "store.url: the environment variable DATABASE_URL is not set" });
    assert.deepEqual(inspect({}, { DATABASE_URL: URL }, secrets).config!.store, { url: URL, ca: null });
  }
});

test("what is of one machine is refused beside it, in one line each: a folder of copies, a backup", () => {
  const local = { type: "local", dir: "/copies" };
  assert.deepEqual(
    inspect({ mirror: { target: local, formerTargets: [BUCKET, local] }, backup: {} }).problems.map(
      (line) => /^(\S+?):.*(one relay|its own tools)/.exec(line)?.[1],
    ),
    ["mirror.target", "mirror.formerTargets[1]", "backup"],
  );
  assert.match(inspect({ mirror: {} }).problems.join(), /^mirror\.target: must be a bucket/, "the default is a folder");
  assert.deepEqual(inspect({ mirror: { enabled: false } }).problems, [], "where nothing is copied it does no harm");
  assert.deepEqual(inspect({ mirror: {}, backup: {}, store: null }).problems, []);
});

test("a timeout beyond the lease, and a folder for the archive, are warned of beside it", () => {
  const secret = { env: "DATABASE_URL" };
  const endpoint = { id: "cms", url: "https://cms.example.com/", secret: `whsec_${"A".repeat(44)}` };
  const input = {
    endpoints: [endpoint, { ...endpoint, id: "slow", timeout: "20s" }],
    retention: { archive: { dir: "/archive" } },
    admin: {},
  };
  const places = ({ warnings }: { warnings: string[] }) => warnings.map((line) => line.split(":")[0]);
  assert.deepEqual(places(inspect({ ...input, store: { url: secret } })), [
    "endpoints[1].timeout",
    "retention.archive.dir",
  ]);
  assert.deepEqual(places(inspect({ ...input, store: null })), []);
});

test("of a config with problems a command reads no other database than the one that it names", (t) => {
  const path = join(tempFolder(t), "config.json");
  const salvage = (text: string) => {
    writeFileSync(path, text);
    return salvageConfig(path, { env: { DATABASE_URL: URL }, cwd: "/" });
  };
  const store = { url: { env: "DATABASE_URL" } };
  assert.deepEqual(salvage(JSON.stringify({ ...SHARED, store, receive: { path: 1 } }))?.store, { url: URL, ca: null });
  assert.equal(salvage(JSON.stringify({ ...SHARED, store: { ...store, more: 1 } })), null);
  assert.equal(salvage('{ "dataDir": "/d", "store": { "url": "x" }, }'), null);
  assert.equal(salvage('{ "dataDir": "/d", }')?.dataDir, "/d");
});

test("the schema has words for it", () => {
  const { properties } = configJsonSchema() as { properties: { store: { description: string } } };
  assert.match(properties.store.description, /PostgreSQL/);
});
