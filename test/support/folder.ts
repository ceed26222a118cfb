import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A folder of the test's own, removed when it ends. */
export function tempFolder(t: Pick<TestContext, "after">): string {
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
