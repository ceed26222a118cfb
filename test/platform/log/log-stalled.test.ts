import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { tempFolder } from "../../support/folder.ts";
import { waitFor } from "../../support/wait.ts";

const LOG = new URL("../../../src/platform/log/log.ts", import.meta.url).href;
const FACTS = 20_000;

/**
 * Logs more than any reader's buffer holds, some of it in lines longer than a pipe takes whole, says so in the file "written", and
 * logs one more fact when "go" is there.
 */
const code = (dir: string) => `
  const { existsSync, writeFileSync } = await import("node:fs");
  const { openLog } = await import(${JSON.stringify(LOG)});
  const log = await openLog({ level: "info", format: "json" }, false, 1);
  for (let n = 0; n < ${FACTS}; n++) {
    log.info("a fact", { n, more: "x".repeat(n % 50 === 0 ? 12_000 : 100) });
    if (n % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  writeFileSync(${JSON.stringify(join(dir, "written"))}, "");
  const timer = setInterval(() => {
    if (!existsSync(${JSON.stringify(join(dir, "go"))})) return;
    clearInterval(timer);
    log.info("the reader is back");
    setTimeout(() => {}, 60_000);
  }, 5);`;

function command(dir: string): [string, string[]] {
  const evaluate = process.versions.deno === undefined ? ["--input-type=module", "-e"] : ["eval", "--no-check"];
  return [process.execPath, [...evaluate, code(dir)]];
}

/** Starts the program, whose log nobody reads; the function that is returned begins to read. */
type Start = (dir: string, t: TestContext) => () => Readable;

/** A child's output: from Node a socket, from Deno a pipe. */
const fromChild: Start = (dir, t) => {
  const child = spawn(...command(dir), { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  return () => child.stdout;
};

const fromPipe: Start = (dir, t) => {
  const path = join(dir, "fifo");
  execFileSync("mkfifo", [path]);
  const unread = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writing = openSync(path, constants.O_WRONLY);
  const child = spawn(...command(dir), { stdio: ["ignore", writing, "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  closeSync(writing);
  return () => {
    // Opened before the other end is closed: a pipe that nobody has open for reading ends its writer.
    const reading = openSync(path, constants.O_RDONLY);
    closeSync(unread);
    const reader = spawn("cat", { stdio: [reading, "pipe", "inherit"] });
    closeSync(reading);
    return reader.stdout!;
  };
};

/** A terminal of its own, by `script` of util-linux, whose screen stands still: what Ctrl-S does. */
const fromTerminal: Start = (dir, t) => {
  const [program, args] = command(dir);
  const line = [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const child = spawn("script", ["-qfc", `exec ${line}`, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  return () => child.stdout;
};

for (const [name, start] of Object.entries({ "a child": fromChild, "a pipe": fromPipe, "a terminal": fromTerminal })) {
  test(`a log whose reader stalls holds nothing up, and says afterwards how many lines that cost: ${name}`, async (t) => {
    const dir = tempFolder(t);
    const read = start(dir, t);
    await waitFor(() => existsSync(join(dir, "written")));
    let text = "";
    read()
      .setEncoding("utf8")
      .on("data", (chunk) => {
        text += chunk;
      });
    // Half of what can wait (1 MiB, less the batch that did not fit) is read: there is room for one more line.
    await waitFor(() => text.length > 2 ** 19);
    writeFileSync(join(dir, "go"), "");
    await waitFor(() => text.includes("the reader is back"));

    const lines = text
      .trimEnd()
      .split(/\r?\n/)
      .map((line) => JSON.parse(line));
    const facts = lines.filter(({ msg }) => msg === "a fact").map(({ n }) => n);
    assert.deepEqual(
      facts,
      [...new Set(facts)].sort((a, b) => a - b),
    );
    const lost = lines.reduce((sum, { linesLost = 0 }) => sum + linesLost, 0);
    assert.equal(facts.length + lost, FACTS);
    assert.ok(lost > 0);
    assert.equal(lines.at(-1).msg, "the reader is back");
  });
}
