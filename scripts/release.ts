import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { sqliteVersion } from "../src/store/sqlite/files/driver.ts";
import { lockedNode } from "./build/base-node.ts";
import { findTarget, hostTarget } from "./build/targets.ts";
import { buildBinary } from "./build.ts";
import { imageOf } from "./image.ts";
import { DEBIAN } from "./release/debian-base.ts";
import { lintPackage } from "./release/lint.ts";
import { makeRelease } from "./release/make.ts";
import { assertTools } from "./release/run-tool.ts";
import { findKey, type SigningKey, signSums } from "./release/sign.ts";
import { findVersions } from "./release/versions.ts";
import { ROOT } from "./root.ts";

// npm run release -- --sign-key FILE | --unsigned [--target linux-x64 --target …] [--base IMAGE | --no-image]
// All that is handed out, in dist/release: for each target the program, a tarball and, on Linux, a Debian package that
// lintian finds nothing in, and an image (scripts/image.ts has what IMAGE may be); the SBOM; SHA256SUMS and its signature.
// Needs minisign, and for Linux targets dpkg-deb, readelf (binutils), lintian, and buildah unless there is to be no image.

const ALL = ["linux-x64", "linux-arm64", "win-x64", ...(process.platform === "darwin" ? ["macos"] : [])];

/** Tools that make or judge what Linux gets. */
const FOR_LINUX = ["dpkg-deb", "lintian", "readelf"] as const;

async function main(): Promise<void> {
  let targets: string[];
  let key: SigningKey | null;
  let hasImage: boolean;
  let base: string | undefined;
  try {
    const { values } = parseArgs({
      options: {
        target: { type: "string", multiple: true },
        "sign-key": { type: "string" },
        unsigned: { type: "boolean", default: false },
        base: { type: "string" },
        "no-image": { type: "boolean", default: false },
      },
    });
    targets = values.target ?? ALL;
    for (const target of targets) findTarget(target);
    hasImage = !values["no-image"];
    base = values.base;
    if (!hasImage && base !== undefined) throw new Error("--base is of an image, and --no-image wants none");
    const foreign = targets.find((target) => target.startsWith("linux-") && target !== hostTarget());
    if (hasImage && base === DEBIAN && foreign !== undefined)
      throw new Error(`a base of Debian's packages is for this machine's processor: name another one for ${foreign}`);
    key = values.unsigned ? null : findKey(values["sign-key"], process.env, ROOT);
  } catch (error) {
    return fail(error, 2);
  }
  try {
    // A build takes minutes.
    const forLinux = targets.some((target) => target.startsWith("linux-"));
    assertTools([
      ...(forLinux ? FOR_LINUX : []),
      ...(forLinux && hasImage ? (["buildah"] as const) : []),
      ...(key === null ? [] : (["minisign"] as const)),
    ]);
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
    if (key !== null && versions.version.endsWith("+dirty"))
      throw new Error("a signed release is of a commit: the tree has changes");
    const packages: string[] = [];
    const say = (path: string) => {
      console.log(relative(process.cwd(), path));
      if (path.endsWith(".deb")) packages.push(path);
    };
    const image = (tarball: string, target: string) => imageOf(tarball, { target, folder, versions, base });
    await makeRelease({ targets, folder, versions, native, build: buildBinary, say, ...(hasImage && { image }) });
    for (const path of packages) await lintPackage(path);
    if (key !== null) say(await signSums(folder, versions.version, key));
  } catch (error) {
    fail(error, 1);
  }
}

function fail(error: unknown, code: number): void {
  console.error(`release: ${(error as Error).message}`);
  process.exitCode = code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
