import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";
import { finish, finishInTime, spawnCli } from "./spawn.ts";
import { waitFor } from "./wait.ts";

/** A line of its log. */
export type Line = Record<string, unknown> & { level: string; time: string; msg: string };

/** `serve` as a process of its own, over a folder of its own, and what it has logged so far. */
export async function serve(
  t: TestContext,
  dir: string,
  options: object = {},
  env: Record<string, string> = {},
  flags: string[] = [],
) {
  const config = join(dir, "config.json");
  const own = {
    dataDir: "data",
    admin: null,
    server: { listen: "127.0.0.1:0" },
    receive: { allowFrom: ["127.0.0.1"] },
  };
  writeFileSync(config, JSON.stringify({ ...own, ...options }));
  const child = spawnCli(["serve", "--config", config, ...flags], { env });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  const ended = finish(child);
  const lines = (): Line[] =>
    output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const find = (msg: string) => waitFor(() => lines().find((line) => line.msg === msg));
  const first = await Promise.race([find("listening"), ended.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  return { child, ended, lines, find, url: String(first.url), config };
}

/** Not by `child.kill`: Deno then says that the child died of the signal, whatever it did about it. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals) {
  const begun = performance.now();
  const ended = finishInTime(child);
  process.kill(child.pid!, signal);
  return { ...(await ended), ms: performance.now() - begun };
}
