import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "../root.ts";
import { listBundled } from "./bom.ts";
import { DEBIAN_ARCHITECTURES, makeDebianPackage } from "./debian.ts";
import { readContainers, readDocuments } from "./documents.ts";
import { compiledIn, writeLicenses } from "./licenses.ts";
import { writeManPages } from "./man-page.ts";
import { type Native, writeSbom } from "./sbom.ts";
import { writeSums } from "./sums.ts";
import { type Entry, makeTarball } from "./tarball.ts";
import type { Versions } from "./versions.ts";

export type Release = {
  /** As scripts/build/targets.ts calls them. */
  targets: string[];
  /** Emptied first. */
  folder: string;
  versions: Versions;
  native: Native;
  /** Makes the program for a target and resolves with its path. */
  build(target: string): Promise<string>;
  /** Makes the image of a Linux target from its tarball, in `folder`, and resolves with its path; absent: there is none. */
  image?(tarball: string, target: string): Promise<string>;
  /** Told each file as it is there. */
  say?(path: string): void;
};

/** For a monitor: docs/OPERATE.md, "Metrics and alerts". */
const MONITORING = ["alerts.yaml", "grafana.json"];

const UNITS = ["wochit-relay.service", "wochit-relay.socket"];

/**
 * Makes all that is handed out: for each target the program, a tarball and, on Linux, a Debian package and an image; the SBOM;
 * the sums.
 * The same commit gives the same files. Rejects with one line, and leaves what was made until then.
 */
export async function makeRelease({
  targets,
  folder,
  versions,
  native,
  build,
  image,
  say = () => {},
}: Release): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const bom = await listBundled();
  const added = compiledIn("node-addon-api");
  const thirdParty = writeLicenses([...bom.components, ...added], nodeLicense(native), native.sqlite);
  const manPages = await writeManPages(versions);
  const units = Object.fromEntries(UNITS.map((name) => [name, ours(`scripts/${name}`)]));
  const put = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    say(join(folder, name));
  };

  put(
    `wochit-relay-${versions.version}.cdx.json`,
    await writeSbom(bom, added, native, new Date(versions.epoch * 1000)),
  );
  for (const target of targets) {
    const binary = await build(target);
    const extension = binary.endsWith(".exe") ? ".exe" : "";
    const name = `wochit-relay-${versions.version}-${labelOf(target)}`;
    copyFileSync(binary, join(folder, name + extension));
    say(join(folder, name + extension));

    const entries: Entry[] = [
      { path: `wochit-relay${extension}`, content: readFileSync(binary), executable: true },
      { path: "THIRD-PARTY-LICENSES", content: thirdParty },
      ...["config.example.json", "LICENSE"].map((path) => ({ path, content: ours(path) })),
      ...MONITORING.map((path) => ({ path, content: ours(`scripts/${path}`) })),
      ...readDocuments(),
      ...readContainers(),
    ];
    if (target.startsWith("linux-")) {
      entries.push(...Object.entries(units).map(([path, content]) => ({ path, content })));
      entries.push(...Object.entries(manPages).map(([name, content]) => ({ path: `man/man1/${name}`, content })));
    }
    const inFolder = entries.map((entry) => ({ ...entry, path: `${name}/${entry.path}` }));
    put(`${name}.tar.gz`, await makeTarball(inFolder, versions.epoch));

    const architecture = DEBIAN_ARCHITECTURES[target];
    if (architecture === undefined) continue;
    say(await makeDebianPackage({ architecture, versions, binary, manPages, thirdParty, units }, folder));
    if (image !== undefined) say(await image(join(folder, `${name}.tar.gz`), target));
  }
  await writeSums(folder);
  say(join(folder, "SHA256SUMS"));
}

function ours(name: string): string {
  return readFileSync(join(ROOT, name), "utf8");
}

/** A Mac's program is for its own kind of processor. */
function labelOf(target: string): string {
  return target === "macos" ? `macos-${process.arch}` : target;
}

/** The packages of Node for each system carry the same one. */
function nodeLicense({ node }: Native): { version: string; text: string } {
  const path = ["linux-x64", "linux-arm64", "win-x64", "darwin-x64"]
    .map((system) => join(ROOT, "node_modules", `node-${system}`, "LICENSE"))
    .find((path) => existsSync(path));
  if (path === undefined) throw new Error("Node's licence is missing: run npm ci");
  return { version: node.node!, text: readFileSync(path, "utf8") };
}
