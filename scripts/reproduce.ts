import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { DEBIAN } from "./release/debian-base.ts";
import { ROOT } from "./root.ts";

// npm run test:release [-- --target linux-x64 --target …] [--base IMAGE] [--keep]
// Makes the release of the present commit twice and compares the bytes. Each is made in a clone of its own, with libraries that
// npm installs there; the second in a folder of another length, in another zone, language and mask of rights, and, where
// faketime is there, 400 days later. It takes minutes. Needs what `npm run release` needs. The image's base is made of Debian's
// packages unless another is named; without buildah no image is made.

type Surroundings = { name: string; env: Record<string, string>; umask: string; later: boolean };

const SURROUNDINGS: Surroundings[] = [
  { name: "a", env: { TZ: "UTC", LC_ALL: "C" }, umask: "022", later: false },
  { name: "another/folder", env: { TZ: "Pacific/Kiritimati", LC_ALL: "C.UTF-8" }, umask: "077", later: true },
];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      target: { type: "string", multiple: true, default: ["linux-x64"] },
      base: { type: "string", default: DEBIAN },
      keep: { type: "boolean" },
    },
  });
  const git = (...args: string[]) => spawnSync("git", ["-C", ROOT, ...args], { encoding: "utf8" }).stdout.trim();
  if (git("status", "--porcelain") !== "") throw new Error("the tree has changes: what is compared is a commit");
  const commit = git("rev-parse", "HEAD");
  const top = mkdtempSync(join(tmpdir(), "wochit-relay-twice-"));
  try {
    const sums: string[] = [];
    const hasBuildah = spawnSync("buildah", ["--version"]).error === undefined;
    if (!hasBuildah) console.log("buildah is not here: no image is made");
    const wish = [
      ...values.target.flatMap((target) => ["--target", target]),
      ...(hasBuildah ? ["--base", values.base] : ["--no-image"]),
    ];
    for (const surroundings of SURROUNDINGS) sums.push(await release(top, commit, surroundings, wish));
    const [first, second] = sums.map(byName);
    for (const [name, hash] of first!)
      console.log(`${second!.get(name) === hash ? "same" : "DIFFERS"}  ${hash}  ${name}`);
    if (sums[0] !== sums[1]) throw new Error("the two releases are not the same");
  } finally {
    if (values.keep) console.log(`kept: ${top}`);
    else rmSync(top, { recursive: true, force: true });
  }
}

/** Resolves with the SHA256SUMS of a release of `commit` that is made in a new clone. */
async function release(
  top: string,
  commit: string,
  { name, env, umask, later }: Surroundings,
  wish: string[],
): Promise<string> {
  const folder = join(top, name);
  const temporary = join(top, `${name}-tmp`);
  mkdirSync(temporary, { recursive: true });
  await run("git", ["clone", "--quiet", "--no-hardlinks", ROOT, folder], top);
  await run("git", ["checkout", "--quiet", commit], folder);
  await run("npm", ["ci", "--prefer-offline"], folder);
  const hasFaketime = spawnSync("faketime", ["--version"]).error === undefined;
  const clock = later && hasFaketime ? ["faketime", "-f", "+400d"] : [];
  if (later && !hasFaketime) console.log("faketime is not here: both are made on the same day");
  const command = [...clock, "node_modules/.bin/node", "scripts/release.ts", "--unsigned", ...wish];
  const begun = performance.now();
  await run("sh", ["-c", 'umask "$0" && exec "$@"', umask, ...command], folder, { ...env, TMPDIR: temporary });
  console.log(`${name}: made in ${Math.round((performance.now() - begun) / 1_000)} s`);
  return readFileSync(join(folder, "dist/release/SHA256SUMS"), "utf8");
}

/** Hashes by file names. */
function byName(sums: string): Map<string, string> {
  return new Map(
    sums
      .trimEnd()
      .split("\n")
      .map((line) => line.split("  ").reverse() as [string, string]),
  );
}

function run(program: string, args: string[], cwd: string, env: Record<string, string> = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit"],
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} failed (${code}) in ${cwd}`)),
    );
  });
}

await main().catch((error) => {
  console.error(`reproduce: ${error.message}`);
  process.exitCode = 1;
});
