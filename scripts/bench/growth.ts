import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Conditions } from "./bench.ts";
import { writeTemplate } from "./bodies.ts";
import type { ClaimSettings } from "./claims.ts";
import { fillDatabase } from "./fill.ts";
import { needWrk, postEvents } from "./load.ts";
import { type Row, type Side, tailRow } from "./measure.ts";
import { startChild } from "./processes.ts";
import { benchConfig, databaseOf, SECRET, startRelay } from "./start-relay.ts";

const EVENTS = 1_000_000;
const CONNECTIONS = 64;
const WARM_UP = 2;

/** Events whose jobs are worked off in one round. */
const CLAIMED = 1_000;

/** A database with a past against an empty one: taking events in, and claiming and settling jobs. */
export const benchGrowth: Bench = async (conditions) => {
  await needWrk();
  const events = conditions.small ? EVENTS / 100 : EVENTS;
  const full = conditions.folder();
  fillDatabase(databaseOf(full), events, conditions.say);
  const size = Math.round(statSync(databaseOf(full)).size / 1e6);
  conditions.say(`growth: the database has ${size} MB`);

  // Claims come first: they leave no job behind that a later round would have to work off.
  const claims = await compare("claim and settle", "jobs/s", full, claimJobs, conditions);
  const ingest = await compare("ingest, 64 connections", "events/s", full, ingestEvents, conditions);
  const note = `${events} events and ${2 * events} settled jobs in ${size} MB, against an empty database`;
  return [
    { ...ingest, note },
    { ...tailRow(ingest, null), note },
    { ...claims, note },
  ];
};

type Measure = (dir: string, side: Side, conditions: Conditions) => Promise<void>;

async function compare(
  what: string,
  unit: string,
  full: string,
  measure: Measure,
  conditions: Conditions,
): Promise<Row> {
  const figure = `growth: ${what}`;
  const baseline: Side = { values: [], p50: [], p99: [], memory: [], cpu: [] };
  const ours = structuredClone(baseline);
  for (let round = 1; round <= conditions.rounds; round++) {
    const empty = conditions.folder();
    await measure(empty, baseline, conditions);
    rmSync(empty, { recursive: true });
    await measure(full, ours, conditions);
    const [before, grown] = [baseline, ours].map(({ values }) => `${Math.round(values.at(-1)!)} ${unit}`);
    conditions.say(`${figure}: round ${round}, ${before} empty, ${grown} grown`);
  }
  return { figure, unit, baseline, ours, wanted: { of: "ratio", atLeast: 0.9 } };
}

async function ingestEvents(dir: string, side: Side, { seconds, folder }: Conditions): Promise<void> {
  const template = join(folder(), "template");
  writeTemplate(template);
  const relay = await startRelay(dir, benchConfig(), { workers: false });
  try {
    const post = (duration: number) =>
      postEvents(relay.ready.url, { connections: CONNECTIONS, seconds: duration, template, ids: "spread" });
    await post(WARM_UP);
    const before = await relay.ask<number>("cpu");
    const load = await post(seconds);
    side.values.push(load.perSecond);
    side.p50?.push(load.p50);
    side.p99?.push(load.p99);
    side.cpu?.push(((await relay.ask<number>("cpu")) - before) / load.answered);
    side.memory?.push(relay.peakMemory());
  } finally {
    await relay.stop();
  }
}

async function claimJobs(dir: string, side: Side): Promise<void> {
  const config = benchConfig({
    endpoints: [{ id: "app", url: "http://127.0.0.1:9/", secret: SECRET, send: "immediately" }],
  });
  const settings: ClaimSettings = { dir, config, events: CLAIMED };
  const child = await startChild<object>("claims.ts", settings);
  try {
    // Once for the compiler.
    await child.ask("run");
    side.values.push(await child.ask<number>("run"));
    side.memory?.push(child.peakMemory());
  } finally {
    await child.stop();
  }
}
