import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A folder of the test's own, removed when it ends. */
export function tempFolder(t: Pick<TestContext, "after">, parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, "wochit-relay-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
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
