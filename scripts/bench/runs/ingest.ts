import { join } from "node:path";
import Database from "better-sqlite3";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { type Bench, type Conditions, chooseParts } from "../bench.ts";
import { type Intake, measureIngest } from "../load/ingest.ts";
import { needWrk } from "../load/wrk.ts";
import { memoryRow, type Row, tailRow } from "../measure.ts";
import { writeTinyMedia } from "../mirror/media-files.ts";
import { startChild } from "../processes.ts";
import { benchConfig, databaseOf, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";
import { compileShim, NO_SHIM } from "./shims.ts";

/** Twice the baseline's 99th percentile, and a fifth more memory than another commit, are the most. */
const TAIL = 2;
const MEMORY = 1.2;

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
  const given = { figure: "bare hono, 64 connections", connections: 64 };
  const bare: Intake = { ...given, name: "bare", start: () => startChild("bare-hono.ts", {}), stored: () => null };
  const baseline = emptySide();
  await takeTurns(conditions.rounds, [{ measure: (round) => measureIngest(bare, baseline, conditions, round) }]);
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

async function compare({ env, config, ...given }: Case, conditions: Conditions): Promise<Row> {
  const baseline: Intake = {
    ...{ ...given, name: "baseline" },
    start: (dir) => startChild("baseline-receiver.ts", { dir }, { env }),
    stored: (dir) => countStored(join(dir, "baseline.db")),
  };
  const relays = conditions.versions.map((version) => {
    const options = { workers: given.media !== undefined, env, version };
    const relay: Intake = {
      ...{ ...given, name: version.name },
      start: (dir) => startRelay(dir, benchConfig(config), options),
      stored: (dir) => countStored(databaseOf(dir)),
    };
    return { version, side: emptySide(), relay };
  });
  const least = emptySide();
  await takeTurns(conditions.rounds, [
    { measure: (round) => measureIngest(baseline, least, conditions, round) },
    ...relays.map(({ relay, side }) => ({ measure: (round: number) => measureIngest(relay, side, conditions, round) })),
  ]);
  const row = rowOf({ figure: given.figure, unit: "events/s", wanted: null, note: COUNTED }, relays);
  return { ...row, baseline: least };
}

const COUNTED =
  "after every round the events in the database were counted: as many as were answered, and those under way at the end";

function countStored(path: string): number {
  const db = new Database(path, { readonly: true });
  const { stored } = db.prepare<[], { stored: number }>("SELECT count(*) AS stored FROM events").get()!;
  db.close();
  return stored;
}
