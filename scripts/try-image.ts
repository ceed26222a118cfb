import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Webhook } from "standardwebhooks";
import { buildBinary, hostTarget } from "./build.ts";
import { makeImage } from "./image.ts";
import { DEBIAN } from "./release/debian-base.ts";
import { ROOT } from "./root.ts";

// npm run test:image -- [--release FILE.tar.gz] [--base IMAGE] [--or-skip]
// Makes the image of a release, or of a program that is built for it, twice; compares the bytes, and runs it: as process 1, not
// root, on a read-only root, with one volume. Events go end to end; it is killed under load and started again, and nothing that
// was answered with 200 may be lost; it stops within ten seconds. The base is made of Debian's packages unless another is named.
// Needs Linux, root, buildah and the right to mount; with --or-skip it says what it lacks and succeeds. A minute.

const USER = 65_532;

const { values } = parseArgs({
  options: {
    release: { type: "string" },
    base: { type: "string", default: DEBIAN },
    "or-skip": { type: "boolean", default: false },
  },
});

const top = mkdtempSync(join(tmpdir(), "wochit-relay-try-image-"));
const root = join(top, "root");
const volume = join(top, "volume");
const got = new Set<string>();
const answered = new Set<string>();

try {
  const lack = whatIsLacking();
  if (lack !== null && !values["or-skip"]) throw new Error(lack);
  if (lack === null) await tryImage(values.release ?? (await makeTar()));
  else console.log(`the image is not tried: ${lack}`);
} finally {
  rmSync(top, { recursive: true, force: true });
}

async function tryImage(release: string): Promise<void> {
  await makeTwice(release);
  const secret = execFileSync("unshare", inImage("secret", "generate"), { encoding: "utf8" }).trim();
  const app = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    new Webhook(secret).verify(body, request.headers as Record<string, string>);
    got.add(String(request.headers["webhook-id"]));
    response.writeHead(204).end();
  });
  await once(app.listen(0, "127.0.0.1"), "listening");
  const appUrl = `http://127.0.0.1:${(app.address() as AddressInfo).port}/`;
  const config = {
    server: { listen: "127.0.0.1:0" },
    receive: { allowFrom: ["127.0.0.1"] },
    endpoints: [{ id: "app", url: appUrl, secret }],
    mirror: { enabled: false },
    admin: null,
  };
  writeFileSync(join(volume, "config.json"), JSON.stringify(config));

  const first = await start();
  assert.equal(healthcheck(), 0, "healthcheck while it runs");
  const load = sendAll(first.url, 0, 2_000);
  await until(() => answered.size >= 100);
  process.kill(first.pid, "SIGKILL");
  await load;
  assert.equal(healthcheck(), 1, "healthcheck after SIGKILL");
  const atKill = answered.size;

  const second = await start();
  await sendAll(second.url, 2_000, 50);
  await until(() => [...answered].every((id) => got.has(id)));
  const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${second.pid}/status`, "utf8"))![1];
  const begun = performance.now();
  process.kill(second.pid, "SIGTERM");
  const code = await second.ended;
  const took = Math.round(performance.now() - begun);
  assert.equal(code, 0);
  assert.ok(took < 10_000, `${took} ms`);
  assert.equal(healthcheck(), 1, "healthcheck after SIGTERM");
  app.close();
  console.log(`first answer after ${first.ms} and ${second.ms} ms, RSS ${memory} KiB, SIGTERM ${took} ms`);
  console.log(`${atKill} events answered before SIGKILL, ${answered.size} in all, none lost`);
}

/** What this machine lacks to build and run an image, in one line; null: nothing. */
function whatIsLacking(): string | null {
  if (process.platform !== "linux") return "it is built and run on Linux only";
  if (process.getuid?.() !== 0) return "only root can mount its root";
  const tried = (program: string, ...args: string[]): string | null => {
    const { error, status, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (error !== undefined) return `${program} is missing`;
    return status === 0 ? null : `${program} cannot be used here: ${stderr.trim().split("\n").at(-1)}`;
  };
  const there = join(top, "there");
  mkdirSync(there);
  const mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && mount -t proc proc "$0"';
  const storage = ["--root", join(top, "storage"), "--runroot", join(top, "run"), "--storage-driver", "vfs"];
  return (
    tried("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", mount, there) ??
    tried("buildah", ...storage, "from", "--quiet", "scratch")
  );
}

/** Builds the program, and resolves with the path of what an image takes of a release. */
async function makeTar(): Promise<string> {
  const folder = join(top, "release");
  const path = await buildBinary(hostTarget(), folder);
  renameSync(path, join(folder, "wochit-relay"));
  for (const name of ["LICENSE", "THIRD-PARTY-LICENSES"]) copyFileSync(join(ROOT, "LICENSE"), join(folder, name));
  execFileSync("tar", ["-cf", `${folder}.tar`, "-C", top, "release"]);
  return `${folder}.tar`;
}

/** Unpacks the image to `root`. */
async function makeTwice(release: string): Promise<void> {
  const facts = {
    release,
    arch: process.arch === "arm64" ? "arm64" : "amd64",
    base: values.base,
    version: "0.0.0",
    revision: "unknown",
    epoch: 1,
  } as const;
  const paths = ["first", "second"].map((name) => join(top, `${name}.tar.gz`));
  const ids: string[] = [];
  for (const to of paths) {
    ids.push(await makeImage({ ...facts, to }));
    // The second is made in other surroundings.
    process.umask(0o077);
    Object.assign(process.env, { TZ: "Pacific/Kiritimati", LC_ALL: "C.UTF-8" });
  }
  process.umask(0o022);
  assert.equal(ids[0], ids[1]);
  const [bytes, again] = paths.map((path) => readFileSync(path));
  assert.ok(bytes!.equals(again!), "two builds differ");
  console.log(`the same twice: ${ids[0]}, ${(bytes!.length / 2 ** 20).toFixed(1)} MiB`);
  const unpacked = join(top, "unpacked");
  for (const folder of [unpacked, root, volume]) mkdirSync(folder);
  chownSync(volume, USER, USER);
  execFileSync("tar", ["-xzf", paths[0]!, "-C", unpacked]);
  const [{ Layers }] = JSON.parse(readFileSync(join(unpacked, "manifest.json"), "utf8"));
  for (const layer of Layers) execFileSync("tar", ["-xpf", join(unpacked, layer), "-C", root]);
}

/** Arguments of unshare: the program in the image, as an engine would run it. */
function inImage(...args: string[]): string[] {
  const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && mount --bind "$1" "$0/data" &&
    mount -t proc proc "$0/proc"; shift; cd /; exec env -i STATE_DIRECTORY=/data "$(command -v chroot)" \\
    --userspec=${USER}:${USER} --groups= "$0" /usr/bin/wochit-relay "$@"`;
  return ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, root, volume, ...args];
}

function healthcheck(): number | null {
  return spawnSync("unshare", inImage("healthcheck", "--config", "/data/config.json")).status;
}

async function start() {
  const begun = performance.now();
  const child = spawn("unshare", inImage("serve", "--config", "/data/config.json"), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const url = await listening(child);
  const ms = Math.round(performance.now() - begun);
  const pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim());
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), new RegExp(`^Uid:\\s${USER}\\s`, "m"));
  assert.match(readFileSync(`/proc/${pid}/mountinfo`, "utf8"), /^(\S+ ){4}\/ ro[, ]/m);
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^NSpid:\s\d+\s1$/m);
  return { url, ms, pid, ended };
}

function listening(child: ChildProcess): Promise<string> {
  let output = "";
  return new Promise((resolve, reject) => {
    child.once("close", () => reject(new Error(`it ended before it listened:\n${output}`)));
    child.stdout!.on("data", (chunk) => {
      output += chunk;
      const line = output.split("\n").find((line) => line.includes('"msg":"listening"'));
      if (line !== undefined) resolve(JSON.parse(line).url);
    });
  });
}

/** Sends events by eight senders, and remembers those that were answered with 200. */
async function sendAll(url: string, from: number, count: number): Promise<void> {
  let next = from;
  const send = async () => {
    while (next < from + count) {
      const body = JSON.stringify({ type: "video.ready", wochitVideoId: `v${next++}` });
      // An answer that the kill cuts off is none.
      const id = await fetch(`${url}/webhooks/wochit`, { method: "POST", body })
        .then(async (answer) => answer.ok && ((await answer.json()) as { id: string }).id)
        .catch(() => false as const);
      if (id) answered.add(id);
    }
  };
  await Promise.all(Array.from({ length: 8 }, send));
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let left = 600; !isTrue(); left--) {
    if (left === 0) throw new Error("waited for a minute in vain");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
