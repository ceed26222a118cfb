import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { clockAhead } from "./clocks.ts";

/** The names of a process's threads, where the system tells them (proc(5)). */
export function threadsOf(pid: number): string[] {
  try {
    const tasks = `/proc/${pid}/task`;
    return readdirSync(tasks).map((id) => readFileSync(`${tasks}/${id}/comm`, "utf8").trim());
  } catch {
    return [];
  }
}

/** One relay of a cluster: its place stays, its process comes and goes. */
export type Member = {
  name: string;
  port: number;
  /** So many seconds its clock is ahead. */
  ahead: number;
  /** Holds its config, and its data folder, while it has any. */
  folder: string;
  configPath: string;
  dataDir: string;
  /** Null: it is away. */
  process: ServeProcess | null;
};

export type Relays = {
  members: Member[];
  start(member: Member): void;
  /** SIGKILL, and waits until it is gone. */
  kill(member: Member): Promise<void>;
  /** The data folder of one that is away goes: it starts as a relay that never was there. */
  forget(member: Member): Promise<void>;
  /** SIGTERM to all that run; rejects where one ends otherwise than with 0. */
  stop(): Promise<void>;
  /** Ends all at once. */
  killAll(): Promise<void>;
  /** What ended by itself, with its last lines. */
  problems: string[];
};

/** Makes the folders and configs of so many relays as there are clocks; `configOf` gives the config of one. */
export async function makeRelays(
  folder: string,
  {
    clocks,
    configOf,
    onLine,
  }: {
    clocks: number[];
    configOf(member: { port: number; nth: number }): ConfigInput;
    onLine(line: string, member: Member): void;
  },
): Promise<Relays & { write(): Promise<void> }> {
  const problems: string[] = [];
  const members = await Promise.all(
    clocks.map(async (ahead, nth): Promise<Member> => {
      const own = join(folder, `relay-${nth + 1}`);
      await mkdir(own, { recursive: true });
      const port = await lastingPort();
      const configPath = join(own, "config.json");
      const rest = { configPath, dataDir: join(own, "data"), process: null };
      return { name: `relay ${nth + 1}`, port, ahead, folder: own, ...rest };
    }),
  );

  function start(member: Member): void {
    const { configPath, port, ahead } = member;
    const running = spawnServe({
      ...{ configPath, port, env: clockAhead(ahead) },
      onLine: (line) => onLine(line, member),
    });
    member.process = running;
    void running.ended.then((ending) => {
      if (member.process !== running) return;
      member.process = null;
      const lines = running.lastLines().slice(-5).join(" | ");
      problems.push(`${member.name} ended by itself, ${JSON.stringify(ending)}: ${lines}`);
    });
  }

  /** From now on its end is no problem. */
  function takeProcess(member: Member): ServeProcess | null {
    const { process } = member;
    member.process = null;
    return process;
  }

  return {
    ...{ members, problems, start },
    async write() {
      for (const [nth, { configPath, port }] of members.entries())
        await writeFile(configPath, JSON.stringify(configOf({ port, nth }), null, 2));
    },
    async kill(member) {
      await takeProcess(member)?.kill();
    },
    forget: ({ dataDir }) => rm(dataDir, { recursive: true, force: true }),
    async stop() {
      await Promise.all(
        members.map(async (member) => {
          const { name } = member;
          const running = takeProcess(member);
          if (running === null) return;
          const { code, signal, ms } = await running.stop();
          const lines = running.lastLines().slice(-3).join(" | ");
          if (code !== 0) problems.push(`SIGTERM ended ${name} with ${signal ?? code} after ${ms} ms: ${lines}`);
        }),
      );
    },
    async killAll() {
      await Promise.all(members.map((member) => takeProcess(member)?.kill()));
    },
  };
}
