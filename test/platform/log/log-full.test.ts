import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";

// /dev/full is a disk that is always full; only Linux has it, and the relay's log is the same code everywhere.
if (existsSync("/dev/full")) {
  test("a log that cannot be written fails nothing that it speaks of", () => {
    const log = new URL("../../../src/platform/log/log.ts", import.meta.url).href;
    const script = `const { openLog } = await import(${JSON.stringify(log)});
      for (const format of ["json", "pretty"]) {
        const log = await openLog({ level: "info", format }, false, 1);
        for (let n = 0; n < 50; n++) log.info("a fact", { n });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
      console.error("alive");`;
    const isDeno = "Deno" in globalThis;
    const args = isDeno ? ["eval", script] : ["--input-type=module", "-e", script];
    const command = [process.execPath, ...args].map((each) => `'${each.replaceAll("'", "'\\''")}'`).join(" ");
    const { status, stderr } = spawnSync("sh", ["-c", `${command} >/dev/full`], { encoding: "utf8" });
    assert.equal(stderr.trim().split("\n").at(-1), "alive");
    assert.equal(status, 0);
  });
}
