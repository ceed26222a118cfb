import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { request } from "undici";
import { parse } from "../../src/cli/args.ts";
import { command } from "../../src/cli/commands/demo.ts";
import type { Program } from "../../src/cli/program.ts";
import { tempFolder } from "../support/folder.ts";
import { realPorts } from "../support/real-ports.ts";
import { finish, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("the demo shows the whole loop, and then goes on until it is stopped, and leaves nothing behind", async () => {
  const written = { stdout: "", stderr: "" };
  const output = (name: keyof typeof written) => ({
    write(data: string | Uint8Array) {
      written[name] += String(data);
    },
  });
  const stop = Promise.withResolvers<void>();
  const program = {
    ports: realPorts("demo"),
    stdout: output("stdout"),
    stderr: output("stderr"),
    untilStopped: () => stop.promise,
  } as unknown as Program;
  const running = command.run(program, parse(command, []));
  const shown = () => written.stdout;
  await waitFor(() => shown().includes("until Ctrl-C") || written.stderr !== "");
  assert.equal(written.stderr, "");
  for (const [at, type] of [
    "draft.new",
    "draft.update",
    "video.ready",
    "(no type)",
    "video.delete",
    "draft.delete",
  ].entries()) {
    assert.ok(shown().includes(`\n${at + 1}. ${type}: `), type);
  }
  assert.equal(shown().match(/✓ committed to disk as evt_\S+ in \d+ ms/g)?.length, 6);
  assert.equal(shown().match(/✓ delivered, signature valid/g)?.length, 6);
  assert.equal(shown().match(/✓ (video|thumbnail) mirrored: [\d,]+ bytes, sha256 [0-9a-f]{16}…/g)?.length, 4);
  assert.match(shown(), /✓ video mirrored: 2,400,000 bytes, .*, after [2-9] tries/);

  const [, example, url] = /curl -d '(.*)' (\S+)/.exec(shown())!;
  const answer = await request(url!, { method: "POST", body: example });
  assert.equal(answer.statusCode, 200);
  await answer.body.dump();
  await waitFor(() => shown().includes("your app got video.ready of my-first: signature valid"));

  const link = /the dashboard (\S+)/.exec(shown())![1]!;
  const login = await request(link);
  assert.deepEqual([login.statusCode, login.headers.location], [303, "/"]);
  const [cookie] = [login.headers["set-cookie"]].flat();
  await login.body.dump();
  const page = await request(new URL("/", link), { headers: { cookie: cookie!.split(";")[0]! } });
  assert.match(await page.body.text(), /<h1[^>]*>All is well/);

  const folder = /\/wochit-relay-demo-\w+/.exec(shown())![0].slice(1);
  assert.ok(readdirSync(tmpdir()).includes(folder));
  stop.resolve();
  assert.equal(await running, 0);
  assert.ok(!readdirSync(tmpdir()).includes(folder));
});

test("the demo leaves nothing behind when its terminal is closed", async (t) => {
  const folder = tempFolder(t);
  const child = spawnCli(["demo"], { env: { TMPDIR: folder, NODE_DISABLE_COMPILE_CACHE: "1" } });
  const ended = finish(child);
  let shown = "";
  child.stdout!.on("data", (text) => {
    shown += text;
  });
  await waitFor(() => shown.includes("until Ctrl-C"));
  assert.match(readdirSync(folder).join(), /^wochit-relay-demo-\w+$/);
  // Shell and kernel.
  process.kill(child.pid!, "SIGHUP");
  process.kill(child.pid!, "SIGHUP");
  assert.equal((await ended).code, 0);
  assert.deepEqual(readdirSync(folder), []);
});
