import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { scripts } from "../../src/cli/completion/scripts.ts";
import { ROOT } from "../root.ts";
import { readContainers, readDocuments } from "./documents.ts";
import { assertKnownLibraries, DEPENDS } from "./libraries.ts";
import { runTool } from "./run-tool.ts";
import type { Versions } from "./versions.ts";

/** Debian's names of the processors that there are packages for. */
export const DEBIAN_ARCHITECTURES: Record<string, string> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

export type DebianParts = {
  architecture: string;
  versions: Versions;
  /** Path of the program. */
  binary: string;
  /** By their file names. */
  manPages: Record<string, string>;
  thirdParty: string;
  /** The systemd units by their names. */
  units: Record<string, string>;
};

const CONFIG = "etc/wochit-relay/config.json";
const DOC = "usr/share/doc/wochit-relay";

/** Makes the Debian package in `folder` and resolves with its path. The same parts give the same bytes. */
export async function makeDebianPackage(parts: DebianParts, folder: string): Promise<string> {
  const { architecture, binary, versions } = parts;
  await assertKnownLibraries(binary);
  const stage = mkdtempSync(join(tmpdir(), "wochit-relay-deb-"));
  const put = ({ path, content, mode = 0o644 }: Staged) => {
    const to = join(stage, path);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, content);
    chmodSync(to, mode);
  };
  try {
    const files = shipped(parts);
    for (const file of [...files, ...described(parts, files)]) put(file);
    mkdirSync(join(stage, "etc/wochit-relay/credentials"));
    for (const { name, parentPath } of readdirSync(stage, { recursive: true, withFileTypes: true })) {
      const path = join(parentPath, name);
      if (statSync(path).isDirectory()) chmodSync(path, name === "credentials" ? 0o700 : 0o755);
    }
    chmodSync(stage, 0o755);
    const path = join(folder, `wochit-relay_${versions.debian}_${architecture}.deb`);
    // xz: zstd, Ubuntu's default, is not known to the dpkg of Debian 11. dpkg-deb(1) gives files younger than this this time.
    const env = { SOURCE_DATE_EPOCH: String(versions.epoch) };
    await runTool("dpkg-deb", ["--root-owner-group", "-Zxz", "--build", stage, path], env);
    return path;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

type Staged = { path: string; content: string | Uint8Array; mode?: number };

/** What is installed. */
function shipped({ binary, versions, manPages, thirdParty, units }: DebianParts): Staged[] {
  const license = ours("LICENSE").split("\n\n").slice(2).join("\n\n");
  return [
    { path: "usr/bin/wochit-relay", content: readFileSync(binary), mode: 0o755 },
    // postinst gives it to the relay's group: secrets may be written into it.
    { path: CONFIG, content: debian("config.json"), mode: 0o640 },
    ...Object.entries(units).map(([name, content]) => ({ path: `usr/lib/systemd/system/${name}`, content })),
    { path: "usr/share/bash-completion/completions/wochit-relay", content: scripts.bash },
    { path: "usr/share/zsh/vendor-completions/_wochit-relay", content: scripts.zsh },
    { path: "usr/share/fish/vendor_completions.d/wochit-relay.fish", content: scripts.fish },
    ...Object.entries(manPages).map(([name, page]) => ({
      path: `usr/share/man/man1/${name}.gz`,
      content: packed(page),
    })),
    { path: "usr/share/lintian/overrides/wochit-relay", content: debian("lintian-overrides") },
    { path: `${DOC}/copyright`, content: debian("copyright").replace("@LICENSE@\n", indented(license)) },
    { path: `${DOC}/changelog.Debian.gz`, content: packed(debianChangelog(versions)) },
    { path: `${DOC}/changelog.gz`, content: packed(ours("CHANGELOG.md")) },
    ...readDocuments()
      .filter(({ path }) => path !== "CHANGELOG.md") // Debian has a name of its own for it.
      .map(({ path, content }) => ({ path: `${DOC}/${path}.gz`, content: packed(content) })),
    ...readContainers().map(({ path, content }) => ({ path: `${DOC}/${path}`, content })),
    { path: `${DOC}/THIRD-PARTY-LICENSES.gz`, content: packed(thirdParty) },
    { path: `${DOC}/examples/config.json`, content: ours("config.example.json") },
    ...["alerts.yaml", "grafana.json"].map((name) => ({
      path: `${DOC}/examples/${name}`,
      content: ours(`scripts/${name}`),
    })),
  ];
}

/** What dpkg itself reads: deb(5). */
function described(parts: DebianParts, files: Staged[]): Staged[] {
  const scripts = ["postinst", "prerm", "postrm"].map((name) => ({ name, content: debian(name), mode: 0o755 }));
  const bytes = files.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
  const sums = files
    .filter(({ path }) => path !== CONFIG)
    .map(({ path, content }) => `${createHash("md5").update(content).digest("hex")}  ${path}\n`);
  return [
    ...scripts,
    { name: "control", content: control(parts, bytes) },
    { name: "conffiles", content: `/${CONFIG}\n` },
    { name: "md5sums", content: sums.join("") },
  ].map(({ name, ...file }) => ({ path: `DEBIAN/${name}`, ...file }));
}

function control({ architecture, versions }: DebianParts, bytes: number): string {
  return `Package: wochit-relay
Version: ${versions.debian}
Architecture: ${architecture}
Maintainer: ${versions.maintainer}
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: ${DEPENDS}
Section: web
Priority: optional
Description: keeps every Wochit webhook and its media, and delivers them
 Wochit tells a site about a video by one unsigned webhook, sent once, with
 media links that die after 24 hours. wochit-relay commits every event to disk
 before it answers, copies the video before its link dies, and delivers each
 event to your apps, signed, in order, with retries, until it arrives.
`;
}

/** deb-changelog(5): one entry, of this version. */
function debianChangelog({ version, debian, epoch, maintainer }: Versions): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  return `wochit-relay (${debian}) stable; urgency=medium

  * Version ${version}: see changelog.gz.

 -- ${maintainer}  ${date}
`;
}

function ours(name: string): string {
  return readFileSync(join(ROOT, name), "utf8");
}

function debian(name: string): string {
  return readFileSync(join(ROOT, "scripts/release/debian", name), "utf8");
}

/** As "gzip -9n" does: no name, no time. */
function packed(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

/** A text as a field of a control file: each line moved in, an empty one written as a dot (deb822(5)). */
function indented(text: string): string {
  const lines = text.trimEnd().split("\n");
  return `${lines.map((line) => ` ${line === "" ? "." : line}`).join("\n")}\n`;
}
