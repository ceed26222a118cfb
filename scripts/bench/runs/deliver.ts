import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import type { ConfigInput } from "../../../src/config/schema.ts";
import type { Bench } from "../bench.ts";
import { postCount } from "../load/post.ts";
import type { Side } from "../measure.ts";
import { type Child, startChild } from "../processes.ts";
import type { Seen } from "../servers/app.ts";
import type { ForwardSettings } from "../servers/bare-forward.ts";
import { benchConfig, databaseOf, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";
import { startMeter, type Usage } from "../usage.ts";
import type { Version } from "../versions.ts";

const EVENTS = 10_000;
const CONCURRENCY = 32;

/** How long all of it may take, in milliseconds. */
const PATIENCE = 300_000;

/**
 * Stored events, delivered by a relay that starts with them: from the first arrival until every delivery is settled in
 * the database; against a loop that signs and posts the very bodies that the relay sent.
 */
export const benchDeliver: Bench = async ({ rounds, small, folder, say, versions }) => {
  const events = small ? EVENTS / 100 : EVENTS;
  const file = join(folder(), "bodies.json");
  const least = emptySide();
  const relays = versions.map((version) => ({ version, side: emptySide() }));

  async function measure(side: Required<Side>, name: string, round: number, run: (app: App) => Promise<Run>) {
    const app = await startChild<{ url: string }>("app.ts", {});
    try {
      const { took, usage, memory } = await run(app);
      side.values.push(events / (took / 1000));
      side.memory.push(memory);
      side.cpu.push(usage.cpu);
      side.threads.push(usage.threads);
      say(`deliver: round ${round}, ${name}, ${Math.round(side.values.at(-1)!)}/s`);
    } finally {
      await app.stop();
    }
  }

  // The bare loop posts the bodies of a run of the relay, so that one comes first.
  const app = await startChild<{ url: string }>("app.ts", {});
  try {
    await runRelay(folder(), app, events, versions[0]!);
    writeFileSync(file, JSON.stringify(await app.ask("bodies")));
  } finally {
    await app.stop();
  }
  await takeTurns(rounds, [
    { measure: (round) => measure(least, "bare", round, (app) => runBare(app, file, events)) },
    ...relays.map(({ version, side }) => ({
      measure: (round: number) => measure(side, version.name, round, (app) => runRelay(folder(), app, events, version)),
    })),
  ]);
  const row = rowOf(
    {
      figure: `deliver ${events} events at ${CONCURRENCY}`,
      unit: "events/s",
      wanted: { of: "ratio", atLeast: 0.6 },
      note: "baseline: a loop that signs and posts the same bodies, and stores nothing",
    },
    relays,
  );
  return [{ ...row, baseline: least }];
};

type App = Child<{ url: string }>;

/** Milliseconds from the first arrival to the end; usage and memory of the sender alone. */
type Run = { took: number; usage: Usage; memory: number | null };

async function runRelay(dir: string, app: App, events: number, version: Version): Promise<Run> {
  const config: ConfigInput = benchConfig({
    // Nothing is downloaded here, so nothing is waited for.
    mirror: { enabled: false },
    endpoints: [{ id: "app", url: app.ready.url, secret: SECRET, concurrency: CONCURRENCY }],
  });
  try {
    await storeEvents(dir, config, events, version);
    const relay = await startRelay(dir, config, { workers: true, version });
    try {
      const used = await startMeter(relay);
      const seen = await untilSeen(app, events);
      const settled = await untilSettled(databaseOf(dir));
      return { took: settled - seen.first, usage: await used(events), memory: relay.peakMemory() };
    } finally {
      await relay.stop();
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Leaves a folder with a database of events that are still to be delivered: a relay took them in, its workers paused. */
export async function storeEvents(dir: string, config: ConfigInput, events: number, version: Version): Promise<void> {
  const relay = await startRelay(dir, config, { workers: false, version });
  try {
    await postCount(relay.ready.url, events);
  } finally {
    await relay.stop();
  }
}

/** A loop that signs and posts the bodies of a file. */
export async function runBare(app: App, file: string, events: number): Promise<Run> {
  const settings: ForwardSettings = { url: app.ready.url, file, secret: SECRET, concurrency: CONCURRENCY };
  const loop = await startChild<object>("bare-forward.ts", settings);
  try {
    const used = await startMeter(loop);
    const ended = await loop.ask<number>("run");
    const { first } = await app.ask<Seen>("seen");
    return { took: ended - first, usage: await used(events), memory: loop.peakMemory() };
  } finally {
    await loop.stop();
  }
}

/** Waits until that many deliveries have arrived; more are an error. */
export async function untilSeen(app: Child<unknown>, events: number): Promise<Seen> {
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
