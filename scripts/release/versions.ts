import { execFileSync } from "node:child_process";
import process from "node:process";
import pkg from "../../package.json" with { type: "json" };
import { ROOT } from "../root.ts";

export type Versions = {
  /** "0.1.0", or "0.1.0+dirty" where the tree is not what the commit says. */
  version: string;
  /** The same for dpkg: "0.1.0-1". "~dirty" sorts before the release, which so replaces it. */
  debian: string;
  /** Of everything in the release: $SOURCE_DATE_EPOCH, or when the commit was made (reproducible-builds.org). Seconds. */
  epoch: number;
  /** Who made the package, as dpkg writes people: $DEBFULLNAME <$DEBEMAIL> (dch(1)), else the founders. */
  maintainer: string;
};

/** What the files of a release are called, and their time. Throws one line where git cannot tell and nothing else does. */
export function findVersions(env: Record<string, string | undefined> = process.env, folder = ROOT): Versions {
  const git = (...args: string[]) => askGit(folder, args);
  const dirty = git("status", "--porcelain", "--untracked-files=no") !== "";
  const epoch = Number(env.SOURCE_DATE_EPOCH ?? git("log", "-1", "--format=%ct"));
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw new Error("SOURCE_DATE_EPOCH must be seconds since 1970");
  return {
    version: pkg.version + (dirty ? "+dirty" : ""),
    debian: `${pkg.version}${dirty ? "~dirty" : ""}-1`,
    epoch,
    maintainer: `${env.DEBFULLNAME ?? "the wochit-relay founders"} <${env.DEBEMAIL ?? "founders@wochit-relay.invalid"}>`,
  };
}

function askGit(folder: string, args: string[]): string {
  try {
    return execFileSync("git", ["-C", folder, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  } catch {
    throw new Error("git cannot tell what is released: run this in a clone of the project");
  }
}
