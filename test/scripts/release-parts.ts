import { spawnSync } from "node:child_process";

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
