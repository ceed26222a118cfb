import assert from "node:assert/strict";
import { test } from "node:test";
import { createProgress } from "../../../src/cli/output/progress.ts";
import type { Program } from "../../../src/cli/program.ts";
import { testClock } from "../../support/ports.ts";

function openProgress({ isTTY = false, asJson = false } = {}) {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write(text: string) {
      written[name] += text;
    },
    isTTY,
  });
  const clock = testClock();
  const program = { stdout: output("stdout"), stderr: output("stderr"), ports: { clock } } as unknown as Program;
  return { progress: createProgress(program, asJson), clock, written };
}

test("what says nothing of how far it is tells now and then that it goes on, until its end", async () => {
  const { progress, clock, written } = openProgress();
  progress.wait("uploading 120.0 MiB to the bucket b");
  await clock.advance(9_000);
  assert.equal(written.stdout, "");
  await clock.advance(12_000);
  const line = (seconds: number) => `uploading 120.0 MiB to the bucket b: ${seconds} s\n`;
  assert.deepEqual(written, { stdout: line(10) + line(20), stderr: "" });
  progress.clear();
  await clock.advance(60_000);
  assert.equal(written.stdout, line(10) + line(20));
});

test("on a terminal it is the last line from the beginning, each second; with --json nothing is said", async () => {
  const { progress, clock, written } = openProgress({ isTTY: true });
  progress.wait("uploading");
  assert.equal(written.stderr, "\r\x1b[Kuploading");
  await clock.advance(2_000);
  progress.clear();
  await clock.advance(5_000);
  assert.deepEqual(written, {
    stdout: "",
    stderr: "\r\x1b[Kuploading\r\x1b[Kuploading: 1 s\r\x1b[Kuploading: 2 s\r\x1b[K",
  });
  const silent = openProgress({ isTTY: true, asJson: true });
  silent.progress.wait("uploading");
  await silent.clock.advance(60_000);
  assert.deepEqual(silent.written, { stdout: "", stderr: "" });
});
