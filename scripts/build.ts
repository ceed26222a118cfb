import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { lockedNode, provideNode } from "./build/base-node.ts";
import { findTarget, hostTarget } from "./build/targets.ts";
import { bundleProgram } from "./bundle.ts";
import { ROOT } from "./root.ts";

// npm run build -- [--target linux-x64|linux-arm64|win-x64|macos]
// One file that needs nothing beside it: dist/wochit-relay for this machine, dist/wochit-relay-<target> for another.

export { hostTarget };

/**
 * Bundles the program and packs it with its Node into one executable file in `folder`, whose path it resolves with. Rejects
 * with an Error of one line.
 */
export async function buildBinary(name: string, folder = join(ROOT, "dist")): Promise<string> {
  const target = findTarget(name);
  const home = join(ROOT, "build", "home");
  for (const dir of [home, folder]) await mkdir(dir, { recursive: true });
  const work = await mkdtemp(join(ROOT, "build", `${name}-`));
  const path = join(folder, `wochit-relay${name === hostTarget() ? "" : `-${name}`}${target.extension}`);
  const made = `${path}.${basename(work)}`;
  try {
    const bundle = join(work, "wochit-relay.cjs");
    await bundleProgram(bundle, { target: name });
    const locked = await lockedNode(target);
    await provideNode(target, locked, home);
    // pkg makes what it puts in with a Node of this machine, of that very version.
    if (process.version !== `v${locked.version}`) {
      const own = findTarget(hostTarget());
      await provideNode(own, await lockedNode(own), home);
    }
    const args = [bundle, locked.version, target.pkg.platform, target.pkg.arch, made];
    const env = { ...process.env, HOME: home, USERPROFILE: home };
    await promisify(execFile)(process.execPath, [join(ROOT, "scripts/build/pack.ts"), ...args], { env }).catch(
      (error) => {
        throw new Error(`pkg cannot make the ${name} binary: ${whyLine(error.stderr || error.message)}`);
      },
    );
    await chmod(made, 0o755);
    await rename(made, path);
    return path;
  } finally {
    for (const left of [work, made]) await rm(left, { recursive: true, force: true });
  }
}

/** The line of a failed program that says why: an error's message comes before its stack. */
function whyLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? "it does not say why";
}

async function main(): Promise<void> {
  let name: string;
  try {
    const { values } = parseArgs({ options: { target: { type: "string" } } });
    name = values.target ?? hostTarget();
    findTarget(name);
  } catch (error) {
    console.error(`build: ${(error as Error).message}`);
    process.exitCode = 2;
    return;
  }
  try {
    const path = await buildBinary(name);
    console.log(`${path}  ${((await stat(path)).size / 2 ** 20).toFixed(1)} MiB`);
  } catch (error) {
    console.error(`build: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
