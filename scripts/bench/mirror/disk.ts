import { join } from "node:path";
import { isThere, runProgram } from "../processes.ts";
import { sha256OfFile } from "./media-files.ts";
import type { Place } from "./place.ts";

/** The disk of the bench's folder, against `curl -o F && sync F`; several curls run side by side, before one sync of all. */
export async function openDisk(): Promise<Place> {
  if (!(await isThere("curl", "--version"))) throw new Error("curl is missing: apt-get install curl");
  return {
    target: { type: "local" },
    async copyPlainly(urls, dir) {
      const files = urls.map((_, at) => join(dir, `copy-${at}`));
      await Promise.all(urls.map((url, at) => runProgram("curl", ["-sS", "-f", "-o", files[at]!, url])));
      await runProgram("sync", files);
    },
    sha256Of: (key, dir) => sha256OfFile(join(dir, "data", "media", key)),
    // Both sides write below folders that are removed with all that is in them.
    clear: async () => {},
    close: async () => {},
  };
}
