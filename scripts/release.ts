import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { sqliteVersion } from "../src/store/sqlite/files/driver.ts";
import { lockedNode } from "./build/base-node.ts";
import { findTarget } from "./build/targets.ts";
import { buildBinary } from "./build.ts";
import { lintPackage } from "./release/lint.ts";
import { makeRelease } from "./release/make.ts";
import { assertTools } from "./release/run-tool.ts";
import { findVersions } from "./release/versions.ts";
import { ROOT } from "./root.ts";

// npm run release [-- --target linux-x64 --target …]
// All that is handed out, in dist/release: for each target the program, a tarball and, on Linux, a Debian package that
// lintian finds nothing in; the SBOM; SHA256SUMS. Needs dpkg-deb, readelf (binutils) and lintian for Linux targets.

const ALL = ["linux-x64", "linux-arm64", "win-x64", ...(process.platform === "darwin" ? ["macos"] : [])];

async function main(): Promise<void> {
  let targets: string[];
  try {
    targets = parseArgs({ options: { target: { type: "string", multiple: true } } }).values.target ?? ALL;
    for (const target of targets) findTarget(target);
  } catch (error) {
    return fail(error, 2);
  }
  try {
    // A build takes minutes.
    if (targets.some((target) => target.startsWith("linux-"))) assertTools();
    for (const target of targets) {
      const { version } = await lockedNode(findTarget(target));
      if (process.version === `v${version}`) continue;
      throw new Error(
        `the SBOM tells of the Node that this runs on, ${process.version}, and ${target} has v${version}`,
      );
    }
    const native = { node: process.versions as Record<string, string>, sqlite: sqliteVersion() };
    const folder = join(ROOT, "dist/release");
    const versions = findVersions();
    const packages: string[] = [];
    const say = (path: string) => {
      console.log(relative(process.cwd(), path));
      if (path.endsWith(".deb")) packages.push(path);
    };
    await makeRelease({ targets, folder, versions, native, build: buildBinary, say });
    for (const path of packages) await lintPackage(path);
  } catch (error) {
    fail(error, 1);
  }
}

function fail(error: unknown, code: number): void {
  console.error(`release: ${(error as Error).message}`);
  process.exitCode = code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
