import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and those above it that are missing, the owner's alone; one that is there is left as it is. Throws the
 * system's error. One by one: Node's own `recursive` never ends below a folder that lets nobody make one, as in /proc
 * (seen with Node 22 to 26).
 */
export function makeFolders(dir: string): void {
  const missing: string[] = [];
  for (let at = resolve(dir); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !existsSync(each)) throw error;
    }
  }
}
