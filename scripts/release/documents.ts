import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../root.ts";

export type Document = { path: string; content: string };

/** The README, the other documents at the top level, and docs/: a link from one to another works in a release, too. */
export function readDocuments(): Document[] {
  return ["", "docs/"].flatMap((folder) => readFolder(folder).filter(({ path }) => path.endsWith(".md")));
}

/** What docs/INSTALL.md has for containers: files that are used as they are. */
export const readContainers = (): Document[] => readFolder("docs/containers/");

function readFolder(folder: string): Document[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()
    .map((name) => ({ path: folder + name, content: readFileSync(join(ROOT, folder, name), "utf8") }));
}
