import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { type Bench, type Conditions, chooseParts } from "../bench.ts";
import { listenForArrivals, postOneByOne } from "../load/arrivals.ts";
import { bodyTemplate, fillBody, spreadId, writeTemplate } from "../load/bodies.ts";
import { postCount, postEvent } from "../load/post.ts";
import { needWrk, postEvents } from "../load/wrk.ts";
import { median, quantile, type Row, type Side, type Wanted } from "../measure.ts";
import { startChild } from "../processes.ts";
import { untilSeen } from "../runs/deliver.ts";
import type { Seen } from "../servers/app.ts";
import { emptySide, takeTurns } from "../turns.ts";
import { cpuOf, memoryOf } from "./process-tree.ts";
import { describePeers, needPackages, peers, type Running, relayOf, type System } from "./systems.ts";

const CONNECTIONS = 64;
const EVENTS = 10_000;
const WARM_UP = 2;

/** One event after the other, on an idle system. */
const FEW = 200;
const FEW_WARM_UP = 50;

/** After the first event, until memory is read; and how often it is read under load. Milliseconds. */
const SETTLE = 2_000;
const SAMPLE = 500;

/** Against which peer there are wishes. */
const FIRST = peers.bullmq!.name;

/** All that one system is measured by. */
type Entry = { system: System; sides: Record<Measure, Required<Side>> };
type Measure = "ingest" | "tail" | "delivered" | "all" | "arrived" | "answered" | "idle" | "peak";

const figures: Record<Measure, { figure: string; unit: string; wanted: Wanted | null; note?: string }> = {
  ingest: { figure: "ingest, 64 connections", unit: "events/s", wanted: { of: "beside", name: FIRST, atLeast: 1.2 } },
  tail: { figure: "POST to 200 under load, p99", unit: "ms", wanted: { of: "beside", name: FIRST, atMost: 1 } },
  delivered: {
    figure: "delivered while load lasts",
    unit: "events/s",
    wanted: { of: "beside", name: FIRST, atLeast: 1 },
  },
  all: {
    figure: "10,000 posted until all have arrived",
    unit: "s",
    wanted: { of: "beside", name: FIRST, atMost: 0.8 },
  },
  arrived: { figure: "idle: POST to arrival, p50", unit: "ms", wanted: { of: "beside", name: FIRST, atMost: 0.6 } },
  answered: { figure: "idle: POST to 200, p50", unit: "ms", wanted: null },
  idle: {
    figure: "memory, idle",
    unit: "MB",
    wanted: null,
    note: "of all processes together; what they share counts once (PSS)",
  },
  peak: {
    figure: "memory, most under load",
    unit: "MB",
    wanted: null,
    note: "of all processes together; what they share counts once (PSS)",
  },
};

/**
 * The relay beside what a user would build instead: the same bodies, the same durability, one endpoint, eight deliveries
 * at a time, nothing mirrored. Each system starts anew for each of three measurements.
 */
export const benchPeers: Bench = async (conditions) => {
  await needWrk();
  needPackages();
  const names = chooseParts(conditions, Object.keys(peers));
  const systems = [...conditions.versions.map(relayOf), ...names.map((name) => peers[name]!)];
  const broken: Row[] = [];
  let entries = systems.map((system): Entry => {
    const sides = Object.fromEntries(Object.keys(figures).map((name) => [name, emptySide()]));
    return { system, sides: sides as Entry["sides"] };
  });

  /** A peer that breaks takes no other along, and is left out from then on. */
  async function measure(entry: Entry, round: number): Promise<void> {
    if (!entries.includes(entry)) return;
    const { name } = entry.system;
    try {
      await measureLoad(entry, conditions);
      await measureAll(entry, conditions);
      await measureIdle(entry, conditions);
    } catch (error) {
      if (entry === entries[0]) throw error;
      const note = `broke in round ${round}, and was left out: ${error instanceof Error ? error.message : error}`;
      conditions.say(`peers: ${name} ${note}`);
      broken.push({ figure: name, unit: "", baseline: null, ours: null, wanted: null, note });
      entries = entries.filter((other) => other !== entry);
      return;
    }
    const last = (what: Measure) => entry.sides[what].values.at(-1)!.toPrecision(3);
    conditions.say(
      `peers: round ${round}, ${name}: ${last("ingest")}/s in, p99 ${last("tail")} ms, ${last("delivered")}/s delivered, ` +
        `all in ${last("all")} s, idle ${last("arrived")} ms, ${last("idle")} to ${last("peak")} MB`,
    );
  }

  const turns = entries.map((entry) => ({ measure: (round: number) => measure(entry, round) }));
  await takeTurns(conditions.rounds, turns);
  const [first, ...rows] = rowsOf(entries);
  return [{ ...first!, note: await describePeers() }, ...rows, ...broken];
};

function rowsOf([ours, ...others]: Entry[]): Row[] {
  return Object.entries(figures).map(
    ([name, figure]): Row => ({
      ...figure,
      baseline: null,
      ours: ours!.sides[name as Measure],
      beside: others.map(({ system, sides }) => ({ name: system.name, side: sides[name as Measure] })),
    }),
  );
}

/** Load that is as fast as it is answered, with the deliveries going on. */
async function measureLoad({ system, sides }: Entry, conditions: Conditions): Promise<void> {
  const app = await startChild("app.ts", {});
  const dir = conditions.folder();
  try {
    await use(await system.start(dir, app.ready.url), async ({ url, pids }) => {
      await postFirst(url);
      await untilSeen(app, 1);
      await sleep(SETTLE);
      const idle = memoryOf(pids);
      const template = join(conditions.folder(), "template");
      writeTemplate(template);
      const post = (seconds: number) => postEvents(url, { connections: CONNECTIONS, seconds, template });
      const count = async () => (await app.ask<Seen>("seen")).count;
      await post(WARM_UP);
      let peak = idle;
      const sampling = setInterval(() => {
        peak = Math.max(peak, memoryOf(pids));
      }, SAMPLE);
      try {
        const [before, cpuBefore, begun] = [await count(), cpuOf(pids), performance.now()];
        const load = await post(conditions.seconds);
        const [after, cpuAfter, ended] = [await count(), cpuOf(pids), performance.now()];
        sides.ingest.values.push(load.perSecond);
        sides.ingest.p50.push(load.p50);
        sides.ingest.p99.push(load.p99);
        sides.ingest.cpu.push((cpuAfter - cpuBefore) / load.answered);
        sides.tail.values.push(load.p99);
        sides.delivered.values.push((after - before) / ((ended - begun) / 1000));
        sides.idle.values.push(idle / 1e6);
        sides.peak.values.push(peak / 1e6);
      } finally {
        clearInterval(sampling);
      }
    });
  } finally {
    await app.stop();
    rmSync(dir, { recursive: true });
  }
}

/** So many events at once, until the last has arrived. */
async function measureAll({ system, sides }: Entry, { small, folder }: Conditions): Promise<void> {
  const events = small ? EVENTS / 100 : EVENTS;
  const app = await startChild("app.ts", {});
  const dir = folder();
  try {
    await use(await system.start(dir, app.ready.url), async ({ url }) => {
      await postFirst(url);
      await untilSeen(app, 1);
      await app.ask("forget");
      const begun = performance.timeOrigin + performance.now();
      await postCount(url, events, CONNECTIONS);
      const { last } = await untilSeen(app, events);
      sides.all.values.push((last - begun) / 1000);
    });
  } finally {
    await app.stop();
    rmSync(dir, { recursive: true });
  }
}

/** One event after the other. */
async function measureIdle({ system, sides }: Entry, { small, folder }: Conditions): Promise<void> {
  const app = await listenForArrivals();
  const dir = folder();
  const template = bodyTemplate();
  try {
    await use(await system.start(dir, app.url), async ({ url }) => {
      const body = (count: number) => fillBody(template, spreadId(0, count));
      const times = await postOneByOne(url, app, { warmUp: FEW_WARM_UP, events: small ? FEW / 10 : FEW, body });
      for (const what of ["arrived", "answered"] as const) {
        sides[what].values.push(median(times[what]));
        sides[what].p50.push(median(times[what]));
        sides[what].p99.push(quantile(times[what], 0.99));
      }
    });
  } finally {
    app.close();
    rmSync(dir, { recursive: true });
  }
}

async function use(running: Running, work: (running: Running) => Promise<void>): Promise<void> {
  try {
    await work(running);
  } finally {
    await running.stop();
  }
}

async function postFirst(url: string): Promise<void> {
  const dispatcher = new Agent();
  await postEvent(url, fillBody(bodyTemplate(), spreadId(2 ** 31, 0)), dispatcher);
  await dispatcher.close();
}
