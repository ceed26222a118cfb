import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { buildSync } from "esbuild";
import { SECRET } from "./support/config.ts";
import { tempFolder } from "./support/folder.ts";
import { finish } from "./support/spawn.ts";

test("the program is one CommonJS file when esbuild has bundled it, and all of it runs from there", async (t) => {
  const folder = tempFolder(t);
  const bundle = join(folder, "relay.cjs");
  const { errors } = buildSync({
    entryPoints: ["src/main.ts"],
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["better-sqlite3"], // its addon is a file that no bundle holds
    outfile: bundle,
    logLevel: "silent",
  });
  assert.deepEqual(errors, []);
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"), "junction");
  const config = join(folder, "config.json");
  writeFileSync(config, JSON.stringify({ endpoints: [{ id: "app", url: "https://app.example.com", secret: SECRET }] }));
  const broken = join(folder, "broken.json");
  writeFileSync(broken, '{"dataDir": "data",}');

  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  const { PATH = "", HOME = "", DENO_DIR } = process.env;
  const run = (...args: string[]) => {
    const env = { PATH, HOME, ...(DENO_DIR && { DENO_DIR }) };
    const child = spawn(process.execPath, [...runtime, bundle, ...args], { cwd: folder, env });
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    return finish(child).finally(() => clearTimeout(timer));
  };
  const [version, help, check, wrong, schema, status, demo] = await Promise.all([
    run("--version"),
    run("--help"),
    run("check", "--config", config),
    run("check", "--config", broken),
    run("schema"),
    run("status", "--config", config),
    run("demo", "--exit"),
  ]);
  const { version: ours } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.deepEqual([version.code, version.stdout, version.stderr], [0, `${ours}\n`, ""]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(check.stdout, /config\.json: valid\n$/);
  assert.match(wrong.stdout, /^is not JSON at 1:20: /);
  assert.equal(JSON.parse(schema.stdout).title, "wochit-relay config");
  assert.match(status.stderr, /^wochit-relay: no database in [^\n]+\n$/);
  assert.deepEqual([demo.code, demo.stderr], [0, ""], demo.stdout);
});
