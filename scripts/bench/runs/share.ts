import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Conditions } from "../bench.ts";
import { writeTemplate } from "../load/bodies.ts";
import { needWrk, postEvents } from "../load/wrk.ts";
import type { Side } from "../measure.ts";
import { type Child, startChild } from "../processes.ts";
import type { Seen } from "../servers/app.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";
import { startMeter } from "../usage.ts";
import type { Version } from "../versions.ts";

const CONNECTIONS = 64;
const WARM_UP = 2;

/**
 * Ingest and delivery side by side: while 64 connections post as fast as they are answered, how much of it is delivered
 * meanwhile, and how much of the rate without an endpoint remains. Nothing is mirrored.
 */
export const benchShare: Bench = async (conditions) => {
  await needWrk();
  const entries = conditions.versions.map((version) => ({
    version,
    alone: emptySide(),
    both: emptySide(),
    accepted: emptySide(),
    delivered: emptySide(),
  }));
  const turns = entries.flatMap(({ version, alone, both, accepted, delivered }) => [
    { measure: (round: number) => measureAlone(version, alone, conditions, round) },
    { measure: (round: number) => measureBoth(version, { both, accepted, delivered }, conditions, round) },
  ]);
  await takeTurns(conditions.rounds, turns);
  const note = "baseline: the same relay without an endpoint";
  return [
    rowOf(
      { figure: "ingest, 64, with deliveries", unit: "events/s", wanted: { of: "ratio", atLeast: 0.85 }, note },
      entries.map(({ version, alone, both }) => ({ version, side: both, baseline: alone })),
    ),
    rowOf(
      {
        figure: "delivered while ingest saturates",
        unit: "events/s",
        wanted: { of: "ratio", atLeast: 0.3 },
        note: "baseline: what the same relay accepted in the same seconds",
      },
      entries.map(({ version, accepted, delivered }) => ({ version, side: delivered, baseline: accepted })),
    ),
  ];
};

async function measureAlone(version: Version, side: Required<Side>, conditions: Conditions, round: number) {
  const load = await postTo(version, [], side, conditions, async () => 0);
  conditions.say(`share: round ${round}, ${version.name}, ${Math.round(load.perSecond)}/s without an endpoint`);
}

async function measureBoth(
  version: Version,
  sides: Record<"both" | "accepted" | "delivered", Required<Side>>,
  conditions: Conditions,
  round: number,
): Promise<void> {
  const app = await startChild("app.ts", {});
  try {
    const endpoints = [{ id: "app", url: app.ready.url, secret: SECRET }];
    const count = async () => (await app.ask<Seen>("seen")).count;
    const load = await postTo(version, endpoints, sides.both, conditions, count);
    sides.accepted.values.push(load.perSecond);
    sides.delivered.values.push(load.arrivedPerSecond);
    const delivered = `${Math.round(load.arrivedPerSecond)}/s delivered`;
    conditions.say(`share: round ${round}, ${version.name}, ${Math.round(load.perSecond)}/s accepted, ${delivered}`);
  } finally {
    await app.stop();
  }
}

/** A fresh relay under load. `count` says how much has arrived so far. */
async function postTo(
  version: Version,
  endpoints: { id: string; url: string; secret: string }[],
  side: Required<Side>,
  { seconds, folder }: Conditions,
  count: () => Promise<number>,
): Promise<{ perSecond: number; arrivedPerSecond: number }> {
  const dir = folder();
  const template = join(dir, "template");
  writeTemplate(template);
  const config = benchConfig({ mirror: { enabled: false }, endpoints });
  const relay: Child<{ url: string }> = await startRelay(dir, config, { workers: true, version });
  try {
    const post = (duration: number) =>
      postEvents(relay.ready.url, { connections: CONNECTIONS, seconds: duration, template });
    await post(WARM_UP);
    const used = await startMeter(relay);
    const [before, begun] = [await count(), performance.now()];
    const load = await post(seconds);
    const [after, ended] = [await count(), performance.now()];
    const { cpu, threads } = await used(load.answered);
    side.values.push(load.perSecond);
    side.p50.push(load.p50);
    side.p99.push(load.p99);
    side.cpu.push(cpu);
    side.threads.push(threads);
    side.memory.push(relay.peakMemory());
    return { perSecond: load.perSecond, arrivedPerSecond: (after - before) / ((ended - begun) / 1000) };
  } finally {
    await relay.stop();
    rmSync(dir, { recursive: true });
  }
}
