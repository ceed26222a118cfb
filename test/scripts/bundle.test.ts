import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { hostTarget } from "../../scripts/build/targets.ts";
import { bundleProgram } from "../../scripts/bundle.ts";
import { sqliteVersion } from "../../src/store/sqlite/files/driver.ts";
import { sha256Of } from "../support/bytes.ts";
import { SECRET } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { listen } from "../support/listen.ts";
import { finishInTime } from "../support/spawn.ts";

/** Tells on stderr when a part of the bundle that few need, Amazon's client, is unpacked. */
const TELLTALE = `globalThis.Function = new Proxy(Function, {
  construct(plain, given) {
    if (/ S3Client\\d* = class /.test(given.at(-1))) process.stderr.write("unpacked\\n");
    return Reflect.construct(plain, given);
  },
});
`;

const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
const { PATH = "", HOME = "", DENO_DIR } = process.env;
const environment = { PATH, HOME, ...(DENO_DIR && { DENO_DIR }) };

test("the program is one CommonJS file when esbuild has bundled it, and all of it runs from there", async (t) => {
  const folder = tempFolder(t);
  const bundle = join(folder, "relay.cjs");
  await bundleProgram(bundle, { target: hostTarget(), commit: `0123abc${"0".repeat(33)}`, banner: TELLTALE });
  const config = join(folder, "config.json");
  writeFileSync(config, JSON.stringify({ endpoints: [{ id: "app", url: "https://app.example.com", secret: SECRET }] }));
  const broken = join(folder, "broken.json");
  writeFileSync(broken, '{"dataDir": "data",}');

  const start = (args: string[], more: Record<string, string> = {}) => {
    const env = { ...environment, ...more };
    const child = spawn(process.execPath, [...runtime, bundle, ...args], { cwd: folder, env });
    return { child, ended: finishInTime(child) };
  };
  const run = (...args: string[]) => start(args).ended;
  const [version, facts, help, check, wrong, schema, status, demo] = await Promise.all([
    run("--version"),
    run("--version", "--json"),
    run("--help"),
    run("check", "--config", config),
    run("check", "--config", broken),
    run("schema"),
    run("status", "--config", config),
    run("demo", "--exit"),
  ]);
  const { version: ours } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.deepEqual([version.code, version.stderr], [0, ""]);
  const runtimeName = runtime.length === 0 ? `Node ${process.versions.node}` : `Deno ${process.versions.deno}`;
  assert.equal(version.stdout, `wochit-relay ${ours} (commit 0123abc, ${runtimeName}, SQLite ${sqliteVersion()})\n`);
  const lockfile = sha256Of(readFileSync("package-lock.json"));
  const { commit, lockfile: named } = JSON.parse(facts.stdout);
  assert.deepEqual([commit, named], [`0123abc${"0".repeat(33)}`, lockfile]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(check.stdout, /config\.json: valid\n$/);
  assert.match(wrong.stdout, /^is not JSON at 1:20: /);
  assert.equal(JSON.parse(schema.stdout).title, "wochit-relay config");
  assert.match(status.stderr, /^wochit-relay: no database in [^\n]+\n$/);
  assert.deepEqual([demo.code, demo.stderr], [0, ""], demo.stdout);

  // With a bucket as its target the client is there, and finds the credentials of its surroundings.
  const asked = Promise.withResolvers<string>();
  const store = createServer((request, response) => {
    asked.resolve(request.headers.authorization ?? "");
    response.end("<ListMultipartUploadsResult></ListMultipartUploadsResult>");
  });
  const { url: endpoint } = await listen(t, store);
  const target = { type: "s3", bucket: "media", prefix: "relay", endpoint };
  const server = { listen: "127.0.0.1:0" };
  const admin = { listen: "127.0.0.1:0", token: "a-token-of-the-operator-itself" };
  writeFileSync(config, JSON.stringify({ dataDir: "s3", server, admin, mirror: { target } }));
  const keys = { AWS_ACCESS_KEY_ID: "key-of-the-environment", AWS_SECRET_ACCESS_KEY: "secret" };
  const serve = start(["serve", "--config", config], keys);
  const adminUrl = new Promise<string>((resolve) => {
    let output = "";
    serve.child.stdout.on("data", (chunk) => {
      output += chunk;
      const [, url] = /"url":"([^"]+)","token":"admin\.token","msg":"admin listening"/.exec(output) ?? [];
      if (url !== undefined) resolve(url);
    });
  });
  const ended = serve.ended.then(({ stdout, stderr }) => assert.fail(`it ended: ${stdout}${stderr}`));
  assert.match(await Promise.race([asked.promise, ended]), /Credential=key-of-the-environment\//);
  const authorization = `Bearer ${admin.token}`;
  const metrics = await fetch(`${await Promise.race([adminUrl, ended])}/metrics`, { headers: { authorization } });
  assert.match(await metrics.text(), /^wochit_relay_process_resident_memory_bytes \d+$/m);
  ended.catch(() => {});
  serve.child.kill("SIGTERM");
  assert.match((await serve.ended).stderr, /^unpacked$/m);
  assert.deepEqual(readdirSync(join(folder, "s3", ".native")).length, 1, "its addon is beside its data");
});

test("the same sources make the same bundle, wherever they are and it is made, and no line of it is long", async (t) => {
  const [here, there] = [tempFolder(t), tempFolder(t)];
  const [first, second] = [join(here, "first.cjs"), join(here, "second.cjs")];
  await bundleProgram(first, { target: "linux-arm64", commit: "0123abc" });

  for (const name of ["src", "scripts", "package.json", "package-lock.json"]) {
    cpSync(name, join(there, name), { recursive: true });
  }
  symlinkSync(resolve("node_modules"), join(there, "node_modules"), "junction");
  const script = join(there, "scripts", "once.ts");
  const options = JSON.stringify({ target: "linux-arm64", commit: "0123abc" });
  writeFileSync(
    script,
    `import { bundleProgram } from "./bundle.ts"; await bundleProgram(${JSON.stringify(second)}, ${options});`,
  );
  const child = spawn(process.execPath, [...runtime, script], { cwd: here, env: environment });
  const { code, stderr } = await finishInTime(child);
  assert.equal(code, 0, stderr);

  const text = readFileSync(first, "utf8");
  assert.ok(text === readFileSync(second, "utf8"), "the bundles differ");
  for (const place of [resolve("."), here, there]) assert.ok(!text.includes(place), `it names ${place}`);
  assert.ok(text.split("\n").every((line) => line.length < 1_000));
});

test("what goes wrong before the program has begun is one line, and not the bundle", async (t) => {
  const folder = tempFolder(t);
  const bundle = join(folder, "relay.cjs");
  const banner = 'process.cwd = () => { throw new Error("the working folder is gone\\nand more"); };\n';
  await bundleProgram(bundle, { target: hostTarget(), banner });
  const { code, stdout, stderr } = await finishInTime(
    spawn(process.execPath, [...runtime, bundle, "--version"], { cwd: folder, env: environment }),
  );
  assert.deepEqual([code, stdout, stderr], [1, "", "wochit-relay: the working folder is gone\n"]);
});
