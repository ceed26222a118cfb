import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Child, type Program, startChild } from "../processes.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import type { Version } from "../versions.ts";
import { readServiceVersions, startPostgres, startRedis } from "./services.ts";

/** Something that takes events in and delivers them to an app. */
export type System = { name: string; start(dir: string, app: string): Promise<Running> };

export type Running = {
  /** Where events are posted. */
  url: string;
  /** Its processes; there may be others below them. */
  pids: number[];
  stop(): Promise<void>;
};

type Part = Program | Child<unknown>;

/** What a user would build instead, by the name for `--only`. */
export const peers: Record<string, System> = {
  bullmq: {
    name: "Express + BullMQ + Redis",
    start: (dir, app) =>
      startAll(async (add) => {
        const { port } = await add(startRedis(dir));
        const receiver = await add(startRig("bullmq-receiver.js", { port }));
        await add(startRig("bullmq-worker.js", { port, app, secret: SECRET }));
        return receiver.ready.url;
      }),
  },
  pgboss: {
    name: "Express + pg-boss + PostgreSQL",
    start: (dir, app) =>
      startAll(async (add) => {
        const { port } = await add(startPostgres(dir));
        const database = `postgres://postgres@127.0.0.1:${port}/postgres`;
        const receiver = await add(startRig("pgboss-receiver.js", { database }));
        await add(startRig("pgboss-worker.js", { database, app, secret: SECRET }));
        return receiver.ready.url;
      }),
  },
  plainjob: {
    name: "Express + plainjob",
    start: (dir, app) =>
      startAll(async (add) => (await add(startRig("plainjob.js", { dir, app, secret: SECRET }))).ready.url),
  },
};

/** The relay, with nothing mirrored, and its default of eight deliveries at a time. */
export function relayOf(version: Version): System {
  return {
    name: version.name,
    start: (dir, app) =>
      startAll(async (add) => {
        const endpoints = [{ id: "app", url: app, secret: SECRET }];
        const config = benchConfig({ mirror: { enabled: false }, endpoints });
        return (await add(startRelay(dir, config, { workers: true, version }))).ready.url;
      }),
  };
}

/** What was measured, with versions: a line for a person. */
export async function describePeers(): Promise<string> {
  const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const packages = ["express", "bullmq", "ioredis", "pg-boss", "plainjob"].map(
    (name) => `${name} ${dependencies[name]}`,
  );
  return [...packages, ...(await readServiceVersions())].join(", ");
}

/** Throws with what to do where the rigs' packages are not installed. */
export function needPackages(): void {
  const folder = fileURLToPath(new URL("node_modules", import.meta.url));
  if (!existsSync(folder)) {
    throw new Error("the rigs have packages of their own: npm ci --prefix scripts/bench/peers");
  }
}

function startRig(script: string, settings: unknown): Promise<Child<{ url: string }>> {
  return startChild(new URL(script, import.meta.url), settings, { env: { ...process.env, NODE_ENV: "production" } });
}

/** Starts one part after the other. They end in reverse, also where a later one fails to start. */
async function startAll(
  start: (add: <P extends Part>(part: Promise<P>) => Promise<P>) => Promise<string>,
): Promise<Running> {
  const parts: Part[] = [];
  const stop = async () => {
    for (const part of parts.splice(0).reverse()) await part.stop();
  };
  try {
    const url = await start(async (starting) => {
      const part = await starting;
      parts.push(part);
      return part;
    });
    return { url, pids: parts.map(({ pid }) => pid), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
