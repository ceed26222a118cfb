import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf } from "../../src/errors.ts";

/** A folder of the test's own, removed when it ends. */
export function tempFolder(t: Pick<TestContext, "after">, parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, "wochit-relay-"));
  t.after(() => remove(dir));
  return dir;
}

/** A process that is ending may put a file there meanwhile: Deno takes no `maxRetries`. */
async function remove(dir: string): Promise<void> {
  for (let tries = 20; ; tries--) {
    try {
      return rmSync(dir, { recursive: true, force: true });
    } catch (error) {
      if (tries === 0 || codeOf(error) !== "ENOTEMPTY") throw error;
      await sleep(50);
    }
  }
}

/**
 * What time it is for the file system of a folder, in milliseconds since 1970: what the times of files are to be compared
 * with. It is another clock than the process's, a network away or, under a clock that is shifted for a test run, months.
 */
export function timeOfFiles(dir: string): number {
  const path = join(dir, ".time-of-files");
  writeFileSync(path, "");
  const { mtimeMs } = statSync(path);
  rmSync(path);
  return mtimeMs;
}
