import { rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { type Bench, type Conditions, chooseParts } from "../bench.ts";
import { writeTemplate } from "../load/bodies.ts";
import { type Load, needWrk, postEvents } from "../load/wrk.ts";
import { memoryRow, type Row, type Side, tailRow } from "../measure.ts";
import { writeTinyMedia } from "../mirror/media-files.ts";
import { type Child, startChild } from "../processes.ts";
import { benchConfig, databaseOf, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";
import { startMeter } from "../usage.ts";
import { compileShim, NO_SHIM } from "./shims.ts";

/** Long enough for the compiler to have seen everything. */
const WARM_UP = 2;

/** Twice the baseline's 99th percentile, and a fifth more memory than another commit, are the most. */
const TAIL = 2;
const MEMORY = 1.2;

type Server = {
  name: string;
  start(dir: string): Promise<Child<{ url: string }>>;
  database(dir: string): string | null;
};
type Case = { figure: string; connections: number; env?: Record<string, string>; config?: ConfigInput; media?: string };

/** Events that are committed before they are answered, against the least that does so on this stack. */
export const benchIngest: Bench = async (conditions) => {
  await needWrk();
  const rows: Row[] = [];
  for (const part of chooseParts(conditions, Object.keys(parts))) rows.push(...(await parts[part]!(conditions)));
  return rows;
};

const parts: Record<string, Bench> = {
  bare: measureBareHono,
  "64": (conditions) => measureConnections(64, 0.5, conditions),
  "256": (conditions) => measureConnections(256, 0.55, conditions),
  slow: measureSlowDisk,
  busy: measureBusy,
};

async function measureConnections(connections: number, atLeast: number, conditions: Conditions): Promise<Row[]> {
  const row = await compare({ figure: `ingest, ${connections} connections`, connections }, conditions);
  return [{ ...row, wanted: { of: "ratio", atLeast } }, tailRow(row, TAIL), memoryRow(row, MEMORY)];
}

async function measureBareHono(conditions: Conditions): Promise<Row[]> {
  const server: Server = { name: "bare", start: () => startChild("bare-hono.ts", {}), database: () => null };
  const baseline = emptySide();
  const given = { figure: "bare hono, 64 connections", connections: 64 };
  await takeTurns(conditions.rounds, [{ measure: (round) => measure(server, given, baseline, conditions, round) }]);
  return [{ figure: "bare hono: 200, nothing stored", unit: "events/s", baseline, ours: null, wanted: null }];
}

async function measureSlowDisk(conditions: Conditions): Promise<Row[]> {
  const figure = "ingest, 64, fsync of 2 ms more";
  const shim = compileShim("slow-fsync", conditions.folder());
  if (shim === null) {
    const note = `left out: ${NO_SHIM}`;
    return [{ figure, unit: "events/s", baseline: null, ours: null, wanted: null, note }];
  }
  const row = await compare({ figure, connections: 64, env: { LD_PRELOAD: shim } }, conditions);
  return [{ ...row, wanted: { of: "ratio", atLeast: 0.6 } }, tailRow(row, TAIL)];
}

/** With downloads and deliveries running on the same two processors: reported, nothing is wanted of it. */
async function measureBusy(conditions: Conditions): Promise<Row[]> {
  const media = await startChild("media-server.ts", writeTinyMedia(conditions.folder()));
  const app = await startChild("app.ts", {});
  try {
    const config = { endpoints: [{ id: "app", url: app.ready.url, secret: SECRET }] };
    const figure = "ingest, 64, workers running";
    return [await compare({ figure, connections: 64, config, media: media.ready.url }, conditions)];
  } finally {
    await app.stop();
    await media.stop();
  }
}

async function compare(given: Case, conditions: Conditions): Promise<Row> {
  const { env, config, media } = given;
  const baseline: Server = {
    name: "baseline",
    start: (dir) => startChild("baseline-receiver.ts", { dir }, { env }),
    database: (dir) => join(dir, "baseline.db"),
  };
  const relays = conditions.versions.map((version) => {
    const start = (dir: string) => startRelay(dir, benchConfig(config), { workers: media !== undefined, env, version });
    const server: Server = { name: version.name, start, database: databaseOf };
    return { version, side: emptySide(), server };
  });
  const least = emptySide();
  const turnOf = (server: Server, side: Required<Side>) => ({
    measure: (round: number) => measure(server, given, side, conditions, round),
  });
  await takeTurns(conditions.rounds, [
    turnOf(baseline, least),
    ...relays.map(({ server, side }) => turnOf(server, side)),
  ]);
  const row = rowOf({ figure: given.figure, unit: "events/s", wanted: null, note: COUNTED }, relays);
  return { ...row, baseline: least };
}

async function measure(
  server: Server,
  given: Case,
  side: Required<Side>,
  { seconds, folder, say }: Conditions,
  round: number,
): Promise<void> {
  const { connections } = given;
  const dir = folder();
  const template = join(dir, "template");
  writeTemplate(template, given.media);
  const child = await server.start(dir);
  let load: Load;
  try {
    const post = (duration: number) => postEvents(child.ready.url, { connections, seconds: duration, template });
    const warm = await post(WARM_UP);
    const used = await startMeter(child);
    load = await post(seconds);
    const { cpu, threads } = await used(load.answered);
    side.cpu.push(cpu);
    side.threads.push(threads);
    side.memory.push(child.peakMemory());
    await child.stop();
    checkStored(server.database(dir), warm.answered + load.answered, 2 * connections);
  } finally {
    await child.stop();
    rmSync(dir, { recursive: true });
  }
  side.values.push(load.perSecond);
  side.p50.push(load.p50);
  side.p99.push(load.p99);
  const figures = `${Math.round(load.perSecond)}/s, p99 ${load.p99.toFixed(1)} ms`;
  say(`${given.figure}: round ${round}, ${server.name}, ${figures}`);
}

const COUNTED =
  "after every round the events in the database were counted: as many as were answered, and those under way at the end";

/** Every answer was for an event that is stored. wrk leaves without waiting, so the last of each connection may be more. */
function checkStored(path: string | null, answered: number, underWay: number): void {
  if (path === null) return;
  const db = new Database(path, { readonly: true });
  const { stored } = db.prepare<[], { stored: number }>("SELECT count(*) AS stored FROM events").get()!;
  db.close();
  if (stored < answered || stored > answered + underWay) {
    throw new Error(`${answered} events were answered, but ${stored} are stored in ${path}`);
  }
}
