import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SECRET } from "./config.ts";
import { openReceiver } from "./receiver.ts";
import { type Holder, supervise } from "./restarts.ts";
import { lastingPort } from "./serve-process.ts";
import { type Connections, type LoadReport, postSteadily } from "./steady-load.ts";
import { waitFor } from "./wait.ts";

export type UpgradeReport = {
  loads: Record<Connections, LoadReport>;
  /** Milliseconds that each restart took, until the new process answered. */
  restarts: number[];
  /** What the old processes ended with; 0 is well. */
  codes: number[];
  /** Acknowledged, but not in `events list` afterwards; or never delivered to the app. */
  lost: { listed: string[]; delivered: string[] };
};

/**
 * Two fifths of the load over fresh connections, as much over kept ones, the rest slow, while the relay is restarted at a
 * steady pace: what an upgrade does. Afterwards every event that was acknowledged is looked for, in the list and at the app.
 */
export async function runUpgrades(options: {
  /** How the program is started, `serve` and all else come after it. */
  command: string[];
  holder: Holder;
  dir: string;
  rate: number;
  seconds: number;
  restarts: number;
}): Promise<UpgradeReport> {
  const { command, holder, dir, rate, seconds } = options;
  const port = await lastingPort();
  const app = await openReceiver();
  const config = join(dir, "config.json");
  mkdirSync(dir, { recursive: true });
  const input = {
    dataDir: "data",
    admin: { listen: "127.0.0.1:0" },
    server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    endpoints: [{ id: "app", url: app.url, secret: SECRET, order: "none", concurrency: 32, retry: ["1s", "1s", "1s"] }],
  };
  writeFileSync(config, JSON.stringify(input));
  const serve = [...command, "serve", "--config", config];
  const supervisor = await supervise({ holder, port, command: serve, log: join(dir, "log") });
  try {
    await answers(port);
    const load = (connections: Connections, share: number) =>
      postSteadily({ port, path: "/webhooks/wochit", rate: rate * share, seconds, connections });
    const running = Promise.all([load("fresh", 0.4), load("kept", 0.4), load("slow", 0.2)]);
    const restarts: number[] = [];
    const codes: number[] = [];
    const pause = (seconds * 1_000) / (options.restarts + 1);
    for (let nth = 0; nth < options.restarts; nth++) {
      await sleep(Math.max(0, pause - (restarts.at(-1) ?? 0)));
      const begun = performance.now();
      codes.push((await supervisor.restart()).code);
      await answers(port);
      restarts.push(performance.now() - begun);
    }
    const [fresh, kept, slow] = await running;
    const acknowledged = [fresh, kept, slow].flatMap(({ ids }) => ids);
    const delivered = () => new Set(app.requests.map(({ headers }) => headers["webhook-id"] as string));
    await waitFor(() => delivered().size >= acknowledged.length).catch(() => {});
    codes.push((await supervisor.stop()).code);
    const listed = await listEvents(command, config);
    return {
      loads: { fresh, kept, slow },
      restarts,
      codes,
      lost: { listed: missing(acknowledged, listed), delivered: missing(acknowledged, delivered()) },
    };
  } finally {
    supervisor.kill();
    await app.close();
  }
}

function missing(ids: string[], found: Set<string>): string[] {
  return ids.filter((id) => !found.has(id));
}

/** Waits until the relay answers, through the socket in which the question waits meanwhile. */
async function answers(port: number): Promise<void> {
  const isThere = () =>
    new Promise<boolean>((resolve) => {
      const asked = request(
        { host: "127.0.0.1", port, path: "/healthz", agent: false, timeout: 10_000 },
        (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        },
      );
      asked.on("timeout", () => asked.destroy());
      asked.on("error", () => resolve(false));
      asked.end();
    });
  await waitFor(isThere);
}

async function listEvents(command: string[], config: string): Promise<Set<string>> {
  const [program, ...args] = command;
  const child = spawn(program!, [...args, "events", "list", "--json", "--limit", "1000000", "--config", config], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) text += chunk;
  const lines = text.split("\n").filter((line) => line !== "");
  return new Set(lines.map((line) => JSON.parse(line).id));
}
