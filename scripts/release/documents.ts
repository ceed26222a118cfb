import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../root.ts";

export type Document = { path: string; content: string };

/** The README, the other documents at the top level, and docs/: a link from one to another works in a release, too. */
export function readDocuments(): Document[] {
  return ["", "docs/"].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith(".md"))
      .sort()
      .map((name) => ({ path: folder + name, content: readFileSync(join(ROOT, folder, name), "utf8") })),
  );
}
