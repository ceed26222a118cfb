import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../../../src/cli/args.ts";
import { commonOptions } from "../../../src/cli/options.ts";
import { printList } from "../../../src/cli/output/print.ts";
import { createProgress } from "../../../src/cli/output/progress.ts";
import type { Program } from "../../../src/cli/program.ts";
import { testClock } from "../../support/ports.ts";

function openProgress({ isTTY = false, asJson = false, intoFile = false } = {}) {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write(text: string) {
      written[name] += text;
    },
    drained: async () => true,
    isTTY: isTTY && !(intoFile && name === "stdout"),
    isFile: intoFile && name === "stdout",
  });
  const clock = testClock();
  const program = {
    stdout: output("stdout"),
    stderr: output("stderr"),
    env: {},
    ports: { clock },
  } as unknown as Program;
  return { program, progress: createProgress(program, asJson), clock, written };
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

test("a terminal shows how far a list is that goes into a file, also with --json, and nothing of a short one", async () => {
  const columns = [{ title: "ID", value: (row: { id: number }) => row.id }];
  for (const json of [true, false]) {
    const { program, clock, written } = openProgress({ isTTY: true, intoFile: true });
    const args = parse({ options: { ...commonOptions } }, json ? ["--json"] : []);
    async function* rows(every: number) {
      for (let id = 1; id <= 5; id++) {
        await clock.advance(every);
        yield { id };
      }
    }
    await printList(program, args, rows(60), columns);
    assert.equal(written.stderr, "\r\x1b[K2 rows\r\x1b[K4 rows\r\x1b[K");
    assert.equal(written.stdout.split("\n").length, json ? 6 : 7);
    written.stderr = "";
    await printList(program, args, rows(1), columns);
    assert.equal(written.stderr, "\r\x1b[K");
  }
  const piped = openProgress({ isTTY: false, intoFile: false });
  async function* many() {
    for (let id = 1; id <= 5; id++) {
      await piped.clock.advance(60_000);
      yield { id };
    }
  }
  await printList(piped.program, parse({ options: { ...commonOptions } }, ["--json"]), many(), columns);
  assert.equal(piped.written.stderr, "");
});
