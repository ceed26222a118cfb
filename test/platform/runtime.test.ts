import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { assertRuntime, environment, systemClock, systemRandom } from "../../src/platform/runtime.ts";
import { tempFolder } from "../support/folder.ts";
import { finishInTime } from "../support/spawn.ts";

test("a runtime that is too old is refused in one line, before the database driver could crash it", () => {
  for (const versions of [
    { node: "20.20.2", napi: "9" },
    { node: "22.18.0", napi: "10" },
    { node: "22.19.0", napi: "9" },
    { node: "22.19.0" },
  ]) {
    assert.throws(() => assertRuntime(versions), { code: "unsupported", message: /^this is Node [\d.]+: .*22\.19/ });
  }
  assertRuntime({ node: "22.19.0", napi: "10" });
  assertRuntime({ node: "24.1.0", napi: "10" });
  assertRuntime({ node: "26.3.0", napi: "10", deno: "2.9.5" });
  assertRuntime();
});

test("a timer fires once, and not when it was called off", async () => {
  const clock = systemClock();
  const fired: string[] = [];
  const cancel = clock.after(1, () => fired.push("off"));
  cancel();
  clock.after(-5, () => fired.push("at once"));
  const begun = clock.elapsed();
  await new Promise<void>((resolve) => clock.after(20, resolve));
  assert.ok(clock.elapsed() - begun >= 19);
  assert.deepEqual(fired, ["at once"]);
});

test("a timer longer than the runtime keeps does not fire at once", async (t) => {
  // Node fires a timer of 2^31 ms or more after 1 ms.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let fired = 0;
  systemClock().after(2 ** 31 + 1000, () => fired++);
  t.mock.timers.tick(2 ** 31 - 1);
  assert.equal(fired, 0);
  t.mock.timers.tick(1000);
  assert.equal(fired, 0);
  t.mock.timers.tick(1);
  assert.equal(fired, 1);
});

test("chance is of the length that was asked for, and differs", () => {
  const random = systemRandom();
  assert.equal(random.bytes(32).length, 32);
  assert.notDeepEqual(random.bytes(32), random.bytes(32));
  const floats = Array.from({ length: 100 }, () => random.float());
  assert.ok(floats.every((value) => value >= 0 && value < 1));
});

test("the environment is that of the process", () => {
  const { cwd, env, hostname } = environment();
  assert.equal(cwd, process.cwd());
  assert.equal(env.PATH, process.env.PATH);
  assert.notEqual(hostname, "");
});

/** Opening a pipe to read it does not return while there is no writer. */
const HANGS = {
  "a thread": `
    const work = "require('node:worker_threads').parentPort.postMessage('begun'); require('node:fs').openSync('pipe', 'r')";
    const thread = new Worker(work, { eval: true });
    noteThread(thread, "of a test");
    await new Promise((resolve) => thread.once("message", resolve));`,
  "a call of the system": `open("pipe").catch(() => {});`,
  nothing: "",
};

for (const [what, begin] of Object.entries(HANGS)) {
  test(`a service ends although ${what} hangs, cleanly where it was to end with 0`, {
    skip: "Deno" in globalThis && "Deno waits for neither",
  }, async (t) => {
    const dir = tempFolder(t);
    assert.equal(spawnSync("mkfifo", [join(dir, "pipe")]).status, 0);
    const program = join(dir, "program.mjs");
    writeFileSync(
      program,
      `import { open } from "node:fs/promises";
      import { Worker } from "node:worker_threads";
      import { exit } from ${JSON.stringify(resolve("src/platform/runtime.ts"))};
      import { noteThread } from ${JSON.stringify(resolve("src/platform/thread.ts"))};
      process.on("SIGTERM", () => console.log("heard"));
      ${begin}
      // It is inside of its call by then.
      setTimeout(() => exit(Number(process.argv[2]), { onHang: (names) => console.log(names.join()) }), 300);`,
    );
    const names = { "a thread": "thread of a test\n", "a call of the system": "FSReqPromise\n", nothing: "" }[what];
    for (const [code, signal] of [
      [0, "SIGTERM"],
      [1, "SIGKILL"],
    ] as const) {
      const ended = await finishInTime(spawn(process.execPath, [program, String(code)], { cwd: dir }));
      const how = begin === "" ? { code, signal: null } : { code: null, signal };
      assert.deepEqual(ended, { ...how, stdout: names, stderr: "" });
    }
  });
}
