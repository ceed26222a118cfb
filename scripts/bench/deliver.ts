import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { Seen } from "./app.ts";
import type { ForwardSettings } from "./bare-forward.ts";
import type { Bench } from "./bench.ts";
import type { Side } from "./measure.ts";
import { type Child, startChild } from "./processes.ts";
import { storeEvents } from "./seed.ts";
import { benchConfig, databaseOf, SECRET, startRelay } from "./start-relay.ts";

const EVENTS = 10_000;
const CONCURRENCY = 32;

/** How long all of it may take, in milliseconds. */
const PATIENCE = 300_000;

/**
 * Stored events, delivered by a relay that starts with them: from the first arrival until every delivery is settled in
 * the database; against a loop that signs and posts the very bodies that the relay sent.
 */
export const benchDeliver: Bench = async ({ rounds, small, folder, say }) => {
  const events = small ? EVENTS / 100 : EVENTS;
  const baseline = { values: [], memory: [], cpu: [] } satisfies Side as Required<
    Pick<Side, "values" | "memory" | "cpu">
  >;
  const ours = structuredClone(baseline);
  const file = join(folder(), "bodies.json");
  for (let round = 1; round <= rounds; round++) {
    const app = await startChild<{ url: string }>("app.ts", {});
    try {
      const relay = await runRelay(folder(), app, events);
      if (round === 1) writeFileSync(file, JSON.stringify(await app.ask("bodies")));
      record(ours, relay, events);
      await app.ask("forget");
      const bare = await runBare(app, file);
      record(baseline, bare, events);
      say(`deliver: round ${round}, ${rate(bare, events)}/s bare, ${rate(relay, events)}/s relay`);
    } finally {
      await app.stop();
    }
  }
  return [
    {
      figure: `deliver ${events} events at ${CONCURRENCY}`,
      unit: "events/s",
      baseline,
      ours,
      wanted: { of: "ratio", atLeast: 0.4 },
    },
  ];
};

/** Milliseconds from the first arrival to the end; processor time in microseconds, of the sender alone. */
type Run = { took: number; cpu: number; memory: number | null };

async function runRelay(dir: string, app: Child<{ url: string }>, events: number): Promise<Run> {
  const config: ConfigInput = benchConfig({
    // Nothing is downloaded here, so nothing is waited for.
    mirror: { enabled: false },
    endpoints: [{ id: "app", url: app.ready.url, secret: SECRET, concurrency: CONCURRENCY }],
  });
  await storeEvents(dir, config, events);
  const relay = await startRelay(dir, config, { workers: true });
  try {
    const before = await relay.ask<number>("cpu");
    const seen = await untilSeen(app, events);
    const settled = await untilSettled(databaseOf(dir));
    return {
      took: settled - seen.first,
      cpu: (await relay.ask<number>("cpu")) - before,
      memory: relay.peakMemory(),
    };
  } finally {
    await relay.stop();
  }
}

async function runBare(app: Child<{ url: string }>, file: string): Promise<Run> {
  const settings: ForwardSettings = { url: app.ready.url, file, secret: SECRET, concurrency: CONCURRENCY };
  const loop = await startChild<object>("bare-forward.ts", settings);
  try {
    const before = await loop.ask<number>("cpu");
    const ended = await loop.ask<number>("run");
    const { first } = await app.ask<Seen>("seen");
    return { took: ended - first, cpu: (await loop.ask<number>("cpu")) - before, memory: loop.peakMemory() };
  } finally {
    await loop.stop();
  }
}

async function untilSeen(app: Child<unknown>, events: number): Promise<Seen> {
  for (let waited = 0; waited < PATIENCE; waited += 20) {
    const seen = await app.ask<Seen>("seen");
    if (seen.count > events) throw new Error(`${seen.count} deliveries of ${events} events arrived`);
    if (seen.count === events) return seen;
    await sleep(20);
  }
  throw new Error("not every delivery arrived");
}

/** The time at which no job is left to settle, in milliseconds since 1970. */
async function untilSettled(path: string): Promise<number> {
  const db = new Database(path, { readonly: true });
  const left = db.prepare("SELECT 1 FROM deliveries WHERE settled_at IS NULL LIMIT 1");
  try {
    for (let waited = 0; waited < PATIENCE; waited += 2) {
      if (left.get() === undefined) return performance.timeOrigin + performance.now();
      await sleep(2);
    }
  } finally {
    db.close();
  }
  throw new Error("not every delivery was settled");
}

function record(side: Required<Pick<Side, "values" | "memory" | "cpu">>, run: Run, events: number): void {
  side.values.push(rate(run, events));
  side.memory.push(run.memory);
  side.cpu.push(run.cpu / events);
}

function rate({ took }: Run, events: number): number {
  return Math.round(events / (took / 1000));
}
