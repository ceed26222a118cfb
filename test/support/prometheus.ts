import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";
import { tempFolder } from "./folder.ts";
import { lastingPort } from "./serve-process.ts";
import { finishInTime } from "./spawn.ts";
import { waitFor } from "./wait.ts";

/** Why it cannot be run here; false: it can. */
export function whyNo(tool: "prometheus" | "promtool"): string | false {
  const { error } = spawnSync(tool, ["--version"]);
  return error === undefined ? false : `no ${tool} here: apt install prometheus`;
}

/** Runs promtool; throws, with what it wrote, where it finds something wrong. */
export async function promtool(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await finishInTime(spawn("promtool", args));
  if (code !== 0) throw new Error(`promtool ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

/** Prometheus as a process of its own, which scrapes one address each half second and evaluates the rules of a file. */
export async function startPrometheus(
  t: TestContext,
  { target, token, rules }: { target: string; token: string; rules: string },
) {
  const dir = tempFolder(t);
  const config = join(dir, "prometheus.yml");
  const every = "500ms";
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
      rule_files: [rules],
      scrape_configs: [
        {
          job_name: "wochit-relay",
          authorization: { credentials: token },
          static_configs: [{ targets: [target] }],
        },
      ],
    }),
  );
  const address = `127.0.0.1:${await lastingPort()}`;
  const flags = [`--config.file=${config}`, `--storage.tsdb.path=${join(dir, "data")}`];
  const child = spawn("prometheus", [...flags, `--web.listen-address=${address}`], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  t.after(async () => {
    process.off("exit", kill);
    kill();
    await ended;
  });

  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like
  async function ask(path: string): Promise<any> {
    const answer = (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as {
      status: string;
      error?: string;
      data: unknown;
    };
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }
  await waitFor(() => ask("status/runtimeinfo"));
  return {
    ask,
    /** What an expression is worth now: the labels and values of its series. */
    async query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
      return (await ask(`query?query=${encodeURIComponent(expr)}`)).result;
    },
  };
}
