import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Conditions, chooseParts } from "../bench.ts";
import type { ClaimSettings } from "../claims.ts";
import { writeTemplate } from "../load/bodies.ts";
import { needWrk, postEvents } from "../load/wrk.ts";
import { type Row, type Side, tailRow, type Wanted } from "../measure.ts";
import { startChild } from "../processes.ts";
import { benchConfig, databaseOf, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";
import { startMeter } from "../usage.ts";
import { scriptOf, type Version } from "../versions.ts";

const EVENTS = 1_000_000;
const CONNECTIONS = 64;
const WARM_UP = 2;

/** Events whose jobs are worked off in one round. */
const CLAIMED = 1_000;

/** A database with a past against an empty one: taking events in, and claiming and settling jobs. */
export const benchGrowth: Bench = async (conditions) => {
  await needWrk();
  const parts = chooseParts(conditions, PARTS);
  const events = conditions.small ? EVENTS / 100 : EVENTS;
  const grown: Grown[] = [];
  for (const version of conditions.versions) grown.push(await fill(version, events, conditions));

  const rows: Row[] = [];
  for (const part of parts) rows.push(...(await measures[part](grown, conditions)));
  const size = Math.round(grown[0]!.bytes / 1e6);
  const note = `${events} events and ${2 * events} settled jobs in ${size} MB; baseline: the same with an empty database`;
  return rows.map((row) => ({ ...row, note }));
};

/** Claims come first: they leave no job behind that a later round would have to work off. */
const PARTS = ["claims", "ordered", "random"] as const;

const measures: Record<(typeof PARTS)[number], (grown: Grown[], conditions: Conditions) => Promise<Row[]>> = {
  claims: async (grown, conditions) => [
    await compare("claim and settle", "jobs/s", grown, claimJobs, { of: "ratio", atLeast: 0.9 }, conditions),
  ],
  ordered: (grown, conditions) => measureIngest(grown, "ordered", 0.95, conditions),
  random: (grown, conditions) => measureIngest(grown, "random", 0.8, conditions),
};

async function measureIngest(
  grown: Grown[],
  ids: "ordered" | "random",
  atLeast: number,
  conditions: Conditions,
): Promise<Row[]> {
  const measure: Measure = (version, dir, side, given) => ingestEvents(version, dir, side, ids, given);
  const wanted: Wanted = { of: "ratio", atLeast };
  const row = await compare(`ingest, 64, ${ids} ids`, "events/s", grown, measure, wanted, conditions);
  return [row, tailRow(row, null)];
}

/** A folder with a database of that version with a past. */
type Grown = { version: Version; dir: string; bytes: number };

async function fill(version: Version, events: number, { folder, say }: Conditions): Promise<Grown> {
  const dir = folder();
  const path = databaseOf(dir);
  const { fillDatabase } = (await import(scriptOf(version, "fill.ts").href)) as typeof import("../fill.ts");
  fillDatabase(path, events, say);
  const bytes = statSync(path).size;
  say(`growth: the database of ${version.name} has ${Math.round(bytes / 1e6)} MB`);
  return { version, dir, bytes };
}

type Measure = (version: Version, dir: string, side: Required<Side>, conditions: Conditions) => Promise<void>;

async function compare(
  what: string,
  unit: string,
  grown: Grown[],
  measure: Measure,
  wanted: Wanted,
  conditions: Conditions,
): Promise<Row> {
  const figure = `growth: ${what}`;
  const entries = grown.map((each) => ({ ...each, side: emptySide(), baseline: emptySide() }));
  const say = (round: number, { name }: Version, which: string, { values }: Side) =>
    conditions.say(`${figure}: round ${round}, ${name}, ${which}, ${Math.round(values.at(-1)!)} ${unit}`);
  await takeTurns(
    conditions.rounds,
    entries.flatMap(({ version, dir, side, baseline }) => [
      {
        async measure(round: number) {
          const empty = conditions.folder();
          await measure(version, empty, baseline, conditions);
          rmSync(empty, { recursive: true });
          say(round, version, "empty", baseline);
        },
      },
      {
        async measure(round: number) {
          await measure(version, dir, side, conditions);
          say(round, version, "grown", side);
        },
      },
    ]),
  );
  return rowOf({ figure, unit, wanted }, entries);
}

async function ingestEvents(
  version: Version,
  dir: string,
  side: Required<Side>,
  ids: "ordered" | "random",
  { seconds, folder }: Conditions,
): Promise<void> {
  const template = join(folder(), "template");
  writeTemplate(template);
  const relay = await startRelay(dir, benchConfig(), { workers: false, version });
  try {
    const post = (duration: number) =>
      postEvents(relay.ready.url, {
        connections: CONNECTIONS,
        seconds: duration,
        template,
        ids: ids === "random" ? "spread" : undefined,
      });
    await post(WARM_UP);
    const used = await startMeter(relay);
    const load = await post(seconds);
    const { cpu, threads } = await used(load.answered);
    side.values.push(load.perSecond);
    side.p50.push(load.p50);
    side.p99.push(load.p99);
    side.cpu.push(cpu);
    side.threads.push(threads);
    side.memory.push(relay.peakMemory());
  } finally {
    await relay.stop();
  }
}

async function claimJobs(version: Version, dir: string, side: Required<Side>): Promise<void> {
  const config = benchConfig({
    endpoints: [{ id: "app", url: "http://127.0.0.1:9/", secret: SECRET, send: "immediately" }],
  });
  const settings: ClaimSettings = { dir, config, events: CLAIMED };
  const child = await startChild<object>(scriptOf(version, "claims.ts"), settings);
  try {
    // Once for the compiler.
    await child.ask("run");
    side.values.push(await child.ask<number>("run"));
    side.memory.push(child.peakMemory());
  } finally {
    await child.stop();
  }
}
