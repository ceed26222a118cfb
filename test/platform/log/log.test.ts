import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { withoutQueries } from "../../../src/platform/log/log.ts";

const LOG = new URL("../../../src/platform/log/log.ts", import.meta.url).href;

/** In such a program: how systemd names its standard output. */
const THIS_STREAM = '((s) => s.dev + ":" + s.ino)((await import("node:fs")).fstatSync(1, { bigint: true }))';

/** What a program that logs these lines of code writes, and how it ends. */
function run(body: string, options = '{ level: "info", format: "json" }', stream = "false, 1") {
  const code = `const { openLog } = await import(${JSON.stringify(LOG)}); const log = await openLog(${options}, ${stream}); ${body}`;
  const args = process.versions.deno === undefined ? ["--input-type=module", "-e", code] : ["eval", "--no-check", code];
  const child = spawn(process.execPath, args);
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += chunk;
  });
  return new Promise<typeof output & { code: number | null }>((resolve) =>
    child.once("close", (code) => resolve({ ...output, code })),
  );
}

test("one JSON line per fact: level, time, fact, fields; nothing below the level; written before the process dies", async () => {
  const { stdout } = await run(`
    log.debug("unseen");
    log.info("event accepted", { event: "evt_1", bytes: 7 });
    log.warn("odd", { error: Object.assign(new Error("broke\\n    at file.ts:1"), { code: "EBROKE" }) });
    process.kill(process.pid, "SIGKILL");`);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  const [{ time, ...info }, warn] = lines;
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(info, { level: "info", msg: "event accepted", event: "evt_1", bytes: 7 });
  assert.equal(warn.error, "broke (EBROKE)");
});

test("a signed link never gets into a line whole", async () => {
  const { stdout } = await run(`
    log.info("got https://u:pw@h/v.mp4?X-Amz-Signature=hush", { url: "https://h/v.mp4?sig=hush" });
    log.info("x", { error: new Error("GET https://h/v.mp4?sig=hush failed"), at: new URL("http://u:pw@h/?sig=hush") });`);
  assert.doesNotMatch(stdout, /hush|pw/);
  assert.match(stdout, /"url":"https:\/\/h\/v\.mp4\?…"/);
});

test("pretty is one line for people, on the stream that was asked for", async () => {
  const { stdout, stderr } = await run(
    'log.info("listening", { port: 1 });',
    '{ level: "info", format: "pretty" }',
    "false, 2",
  );
  assert.equal(stdout, "");
  const when = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] /;
  assert.match(stderr, when, "with its date, and the offset of the zone");
  assert.equal(stderr.replace(when, ""), 'INFO: listening {"port":1}\n');
});

test("in the journal each line has its priority; elsewhere none has, also where the journal is another stream", async () => {
  const body = 'for (const at of ["debug", "info", "warn", "error"]) log[at]("a fact");';
  const inJournal = (format: string, journal: string) =>
    run(body, `{ level: "debug", format: "${format}" }`, `false, 1, { journal: ${journal} }`);
  const [json, pretty, other] = await Promise.all([
    inJournal("json", THIS_STREAM),
    inJournal("pretty", THIS_STREAM),
    inJournal("json", '"8:1"'),
  ]);
  const priorities = (text: string) => [...text.matchAll(/^<(\d)>/gm)].map(([, priority]) => priority);
  assert.deepEqual(priorities(json.stdout), ["7", "6", "4", "3"]);
  assert.equal(JSON.parse(json.stdout.split("\n")[3]!.slice(3)).level, "error");
  assert.deepEqual(priorities(pretty.stdout), ["7", "6", "4", "3"]);
  assert.deepEqual(priorities(other.stdout), []);
  assert.equal(other.stdout.trimEnd().split("\n").length, 4);
});

test("auto is pretty on a terminal and JSON elsewhere", async () => {
  const options = '{ level: "info", format: "auto" }';
  const [terminal, pipe] = await Promise.all([
    run('log.info("x");', options, "true, 1"),
    run('log.info("x");', options, "false, 1"),
  ]);
  assert.match(terminal.stdout, /INFO/);
  assert.equal(JSON.parse(pipe.stdout).msg, "x");
});

test("only what makes a link work is taken out of a text", () => {
  assert.equal(withoutQueries("no link? none"), "no link? none");
  assert.equal(withoutQueries('get "https://h/a?b=c", then (http://h/d)'), 'get "https://h/a?…", then (http://h/d)');
  assert.equal(withoutQueries("HTTPS://user:pw@h:1/a"), "HTTPS://h:1/a");
});
