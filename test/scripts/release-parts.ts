import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";

/** A program of Debian's that is small and needs nothing but libc. */
export const STAND_IN = "/usr/bin/true";

/** None that the project has: what is made says these, and not package.json's. */
export const VERSIONS = {
  version: "7.8.9",
  debian: "7.8.9-1",
  epoch: Date.parse("2026-01-31T08:00:00Z") / 1000,
  maintainer: "the founders <founders@example.com>",
};

/** Why a Debian package cannot be made here; false where it can. */
export function whyNoDebianTools(): string | false {
  const missing = ["dpkg-deb", "readelf"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  return missing.length === 0 ? false : `no ${missing.join(" and ")} here: apt install dpkg binutils`;
}

/** What docs/INSTALL.md has for containers, and must be in a release, too. */
export const CONTAINERS = ["app.mjs", "compose.yaml", "kubernetes.yaml", "relay.json"].map(
  (name) => `docs/containers/${name}`,
);

/** The documents that a release must hold: those at the top level, those in docs/, and those that the README links to. */
export function documents(): string[] {
  const linked = [...readFileSync("README.md", "utf8").matchAll(/\]\(([\w/.-]+\.md)[)#]/g)].map(([, path]) => path!);
  return [...new Set([...globSync(["*.md", "docs/*.md"]), ...linked.filter((path) => existsSync(path))])];
}
