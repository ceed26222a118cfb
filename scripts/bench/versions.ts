import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runProgram } from "./processes.ts";

/** A checkout of the relay. */
export type Version = { name: string; root: string };

/** The checkout that this bench belongs to. */
export const OURS: Version = { name: "ours", root: fileURLToPath(new URL("../../", import.meta.url)) };

/** Checkouts of other commits, each with its packages installed. Throws where one is none. */
export function findVersions(folders: string[]): Version[] {
  const versions = folders.map((folder) => ({ name: basename(resolve(folder)), root: resolve(folder) }));
  const names = new Set(["ours", "baseline", ...versions.map(({ name }) => name)]);
  if (names.size < versions.length + 2) throw new Error("--beside: two folders have the same name");
  for (const { root } of versions) {
    for (const part of ["scripts/bench/relay.ts", "node_modules"]) {
      if (!existsSync(join(root, part))) throw new Error(`--beside ${root}: it has no ${part}`);
    }
  }
  return versions;
}

/** A script of the bench in that checkout: it imports what is measured from its own `src`. */
export function scriptOf({ root }: Version, name: string): URL {
  return pathToFileURL(join(root, "scripts/bench", name));
}

/** Their commits, in a line; "-dirty" behind one whose files were changed since. */
export async function describeVersions(versions: Version[]): Promise<string> {
  const described = versions.map(async ({ name, root }) => {
    const commit = await runProgram("git", ["-C", root, "describe", "--always", "--dirty"]).catch(() => "no commit");
    return `${name}: ${commit.trim()}`;
  });
  return (await Promise.all(described)).join(", ");
}
