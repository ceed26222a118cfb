import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";
import { databaseOf } from "../../src/store/backup.ts";

const HOLD = join(import.meta.dirname, "hold-lock.ts");
const RUNTIME = "Deno" in globalThis ? ["run", "-A"] : [];

/** Another process has the database alone, for so many milliseconds, or until it is ended. */
export async function holdDatabase(t: Pick<TestContext, "after">, dataDir: string, ms: number) {
  const child = spawn(process.execPath, [...RUNTIME, HOLD, databaseOf(dataDir), String(ms), "alone"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child;
}
