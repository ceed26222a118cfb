import { spawnSync } from "node:child_process";

/** A program of Debian's that is small and needs nothing but libc. */
export const STAND_IN = "/usr/bin/true";

export const VERSIONS = {
  version: "0.1.0",
  debian: "0.1.0-1",
  epoch: Date.parse("2026-01-31T08:00:00Z") / 1000,
  maintainer: "the founders <founders@example.com>",
};

/** Why a Debian package cannot be made here; false where it can. */
export function whyNoDebianTools(): string | false {
  const missing = ["dpkg-deb", "readelf"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  return missing.length === 0 ? false : `no ${missing.join(" and ")} here: apt install dpkg binutils`;
}
