import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { runOwnProcess } from "../../src/platform/processes/own-process.ts";

const OWN_PROCESS = join(import.meta.dirname, "../../src/platform/processes/own-process.ts");

/** Runs a process while it has no file descriptor left, and says what came of it. */
const WITHOUT_FILES = `
import { openSync } from "node:fs";
import { runOwnProcess } from ${JSON.stringify(OWN_PROCESS)};
const files = [];
try { for (;;) files.push(openSync("/dev/null")); } catch {}
await runOwnProcess({ command: process.execPath, args: [] }, [], new AbortController().signal).then(
  () => console.log("ran"),
  (error) => console.log("rejected: " + error.message),
);
await new Promise((resolve) => setTimeout(resolve, 50));
`;

test("a process that cannot be started for want of file descriptors is a rejection, and ends nothing else", {
  skip: "Deno" in globalThis && "the child of this test is started with Node's options",
}, () => {
  const script = `ulimit -n 60; exec "$0" --input-type=module -e "$1"`;
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script, process.execPath, WITHOUT_FILES], {
    encoding: "utf8",
    env,
  });
  assert.match(stdout, /^rejected: .*EMFILE/, stderr);
  assert.equal(status, 0, stderr);
});

test("no process is started for a signal that was aborted before", async () => {
  const command = { command: "/nowhere/that/is", args: [] };
  await assert.rejects(runOwnProcess(command, [], AbortSignal.abort(new Error("the relay stops"))), /the relay stops/);
});
