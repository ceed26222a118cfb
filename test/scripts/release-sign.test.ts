import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { findKey, PUBLIC_KEY, signSums } from "../../scripts/release/sign.ts";
import { writeSums } from "../../scripts/release/sums.ts";
import { tempFolder } from "../support/folder.ts";

const skip = spawnSync("minisign", ["-v"]).error !== undefined && "no minisign here: apt install minisign";

/** A key pair without a password, and a folder with two files and their sums. */
async function prepare(t: TestContext) {
  const keys = tempFolder(t);
  const key = { secret: join(keys, "secret.key"), public: join(keys, PUBLIC_KEY) };
  execFileSync("minisign", ["-G", "-W", "-s", key.secret, "-p", key.public], { stdio: "ignore" });
  const folder = tempFolder(t);
  writeFileSync(join(folder, "wochit-relay_7.8.9-1_amd64.deb"), "a package");
  writeFileSync(join(folder, "wochit-relay-7.8.9-win-x64.exe"), "a program");
  await writeSums(folder);
  return { keys, key, folder };
}

/** What INSTALL says to type, word for word. */
function stepsOfInstall(): string {
  const page = readFileSync("docs/INSTALL.md", "utf8");
  const section = page.slice(page.indexOf("\n## Check a release\n"));
  return /```sh\n(.*?)```/s.exec(section)![1]!;
}

/** Follows them in a folder that has the release and the public key. */
function followSteps(folder: string) {
  const { status, stdout, stderr } = spawnSync("sh", ["-ec", stepsOfInstall()], { cwd: folder, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

test("a signed release passes the steps of INSTALL; a changed byte of a file, of the sums or of the signature does not", {
  skip,
}, async (t) => {
  const { key, folder } = await prepare(t);
  assert.equal(await signSums(folder, "7.8.9", key), join(folder, "SHA256SUMS.minisig"));
  copyFileSync(key.public, join(folder, PUBLIC_KEY));
  const { status, said } = followSteps(folder);
  assert.equal(status, 0, said);
  assert.match(said, /Signature and comment signature verified\nTrusted comment: wochit-relay 7\.8\.9\n/);
  assert.match(said, /^wochit-relay_7\.8\.9-1_amd64\.deb: OK$/m);

  for (const name of ["wochit-relay_7.8.9-1_amd64.deb", "SHA256SUMS", "SHA256SUMS.minisig"]) {
    const path = join(folder, name);
    const whole = readFileSync(path);
    const changed = Buffer.from(whole);
    // Of the signature file the first line is a remark.
    const at = name.endsWith(".minisig") ? whole.indexOf("\n") + 20 : 5;
    changed[at] = changed[at] === 0x61 ? 0x62 : 0x61;
    writeFileSync(path, changed);
    assert.notEqual(followSteps(folder).status, 0, name);
    writeFileSync(path, whole);
  }
  assert.equal(followSteps(folder).status, 0);
});

test("the same sums and key give the same signature: no time is in it", { skip }, async (t) => {
  const { key, folder } = await prepare(t);
  const first = readFileSync(await signSums(folder, "7.8.9", key), "utf8");
  assert.doesNotMatch(first, /timestamp/);
  assert.equal(readFileSync(await signSums(folder, "7.8.9", key), "utf8"), first);
});

test("a release that another key signed has no sums to hand out", { skip }, async (t) => {
  const [own, other] = [await prepare(t), await prepare(t)];
  await assert.rejects(signSums(own.folder, "7.8.9", { ...own.key, secret: other.key.secret }), {
    message: `the signature does not fit ${own.key.public}: is ${other.key.secret} its secret half?`,
  });
  for (const name of ["SHA256SUMS", "SHA256SUMS.minisig"]) assert.ok(!existsSync(join(own.folder, name)), name);
});

test("an unsigned release is refused before anything is built, unless it is asked for", async (t) => {
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  const { WOCHIT_RELAY_SIGN_KEY: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [...runtime, "scripts/release.ts"], {
    encoding: "utf8",
    env,
  });
  assert.deepEqual([status, stdout], [2, ""]);
  assert.match(stderr, /^release: a release is signed: name the secret key with --sign-key FILE .* say --unsigned\n/);

  const root = tempFolder(t);
  const secret = join(root, "secret.key");
  assert.throws(() => findKey(secret, {}, root), { message: `there is no key ${secret}` });
  writeFileSync(secret, "");
  assert.throws(() => findKey(secret, {}, root), /^Error: minisign\.pub is missing: /);
  const known = join(root, PUBLIC_KEY);
  writeFileSync(known, "");
  const key = { secret, public: known };
  assert.deepEqual(findKey(secret, {}, root), key);
  assert.deepEqual(findKey(undefined, { WOCHIT_RELAY_SIGN_KEY: secret }, root), key);
});
