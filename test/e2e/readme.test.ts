import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { callJson, runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

// "Five minutes to the first delivery" of the README, as it is printed there, on other ports.

const STEPS = /^## Five minutes[^\n]*\n([\s\S]*?)^## /m.exec(readFileSync("README.md", "utf8"))![1]!;

test("the steps of the README lead to the first delivery", async (t) => {
  const [port, appPort] = [await lastingPort(), await lastingPort()];
  const steps = STEPS.replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`)
    .replaceAll("127.0.0.1:3000", `127.0.0.1:${appPort}`)
    .replaceAll("listen(3000,", `listen(${appPort},`);
  /** The command of this name, as its line is typed. */
  const argsOf = (name: string) => {
    const [, line] = new RegExp(`^npm start -- (${name} [^#\\n]*)`, "m").exec(steps)!;
    return line!.trim().split(" ");
  };
  const cwd = tempFolder(t);
  for (const name of ["node_modules", "package.json"]) symlinkSync(resolve(name), join(cwd, name));
  mkdirSync(join(cwd, "try"));

  const made = await runCli(argsOf("init"), { cwd });
  assert.equal(made.code, 0, made.stderr);
  const configPath = join(cwd, "try/config.json");
  // Another relay may be on the port of the admin API.
  writeFileSync(configPath, JSON.stringify({ ...JSON.parse(readFileSync(configPath, "utf8")), admin: null }));

  writeFileSync(join(cwd, "try/app.mjs"), /^```js\n([\s\S]*?)^```/m.exec(steps)![1]!);
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  const app = spawn(process.execPath, [...runtime, "try/app.mjs"], { cwd, stdio: ["ignore", "pipe", "inherit"] });
  const appEnded = new Promise((end) => app.once("close", end));
  let printed = "";
  app.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  const relay = spawnServe({ configPath: argsOf("serve").at(-1)!, port, cwd });
  t.after(async () => {
    await relay.kill();
    app.kill("SIGKILL");
    await appEnded;
  });
  await relay.ready();

  const sent = await runCli(argsOf("simulate"), { cwd });
  assert.equal(sent.code, 0, sent.stdout + sent.stderr);
  const [, link] = await waitFor(() => /^video\.ready [0-9a-f]{24} (http:\S+)$/m.exec(printed));
  assert.match(link!, new RegExp(`^http://127\\.0\\.0\\.1:${port}/media/`));
  const copy = await fetch(link!);
  assert.equal(copy.status, 200);
  await copy.body?.cancel();
  const [delivery] = await waitFor(async () => {
    const all = await callJson(argsOf("deliveries"), { cwd });
    return all.every(({ state }) => state === "delivered") && all;
  });
  assert.equal(delivery.endpoint, "cms");
});
