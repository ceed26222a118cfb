import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { Bench, Conditions } from "./bench.ts";
import { writeTemplate } from "./bodies.ts";
import { type Load, needWrk, postEvents } from "./load.ts";
import { type Row, type Side, tailRow } from "./measure.ts";
import { writeTinyMedia } from "./media-files.ts";
import { type Child, startChild } from "./processes.ts";
import { benchConfig, databaseOf, SECRET, startRelay } from "./start-relay.ts";

/** Long enough for the compiler to have seen everything. */
const WARM_UP = 2;

type Server = { start(dir: string): Promise<Child<{ url: string }>>; database(dir: string): string | null };
type Case = { figure: string; connections: number; env?: Record<string, string>; config?: ConfigInput; media?: string };

/** Events that are committed before they are answered, against the least that does so on this stack. */
export const benchIngest: Bench = async (conditions) => {
  await needWrk();
  const rows: Row[] = [await measureBareHono(conditions)];
  for (const connections of [64, 256]) {
    const row = await compare({ figure: `ingest, ${connections} connections`, connections }, conditions);
    rows.push({ ...row, wanted: { of: "ratio", atLeast: 0.6 } }, tailRow(row, 1.5));
  }
  rows.push(...(await measureSlowDisk(conditions)), await measureBusy(conditions));
  return rows;
};

async function measureBareHono(conditions: Conditions): Promise<Row> {
  const server: Server = { start: () => startChild("bare-hono.ts", {}), database: () => null };
  const baseline = emptySide();
  for (let round = 1; round <= conditions.rounds; round++) {
    await measure(server, { figure: "bare hono, 64 connections", connections: 64 }, baseline, conditions, round);
  }
  return { figure: "bare hono: 200, nothing stored", unit: "events/s", baseline, ours: null, wanted: null };
}

async function measureSlowDisk(conditions: Conditions): Promise<Row[]> {
  const figure = "ingest, 64, fsync of 2 ms more";
  const shim = compileShim(conditions.folder());
  if (shim === null) {
    const note = "left out: slow-fsync.c needs a C compiler (cc) and a Linux";
    return [{ figure, unit: "events/s", baseline: null, ours: null, wanted: null, note }];
  }
  const row = await compare({ figure, connections: 64, env: { LD_PRELOAD: shim } }, conditions);
  return [{ ...row, wanted: { of: "ratio", atLeast: 0.6 } }, tailRow(row, 1.5)];
}

/** With downloads and deliveries running on the same two processors: reported, nothing is wanted of it. */
async function measureBusy(conditions: Conditions): Promise<Row> {
  const media = await startChild("media-server.ts", writeTinyMedia(conditions.folder()));
  const app = await startChild("app.ts", {});
  try {
    const config = { endpoints: [{ id: "app", url: app.ready.url, secret: SECRET }] };
    return await compare(
      { figure: "ingest, 64, workers running", connections: 64, config, media: media.ready.url },
      conditions,
    );
  } finally {
    await app.stop();
    await media.stop();
  }
}

async function compare(given: Case, conditions: Conditions): Promise<Row> {
  const { env, config, media } = given;
  const baseline: Server = {
    start: (dir) => startChild("baseline-receiver.ts", { dir }, { env }),
    database: (dir) => join(dir, "baseline.db"),
  };
  const ours: Server = {
    start: (dir) => startRelay(dir, benchConfig(config), { workers: media !== undefined, env }),
    database: databaseOf,
  };
  const sides = { baseline: emptySide(), ours: emptySide() };
  for (let round = 1; round <= conditions.rounds; round++) {
    await measure(baseline, given, sides.baseline, conditions, round);
    await measure(ours, given, sides.ours, conditions, round);
  }
  return { figure: given.figure, unit: "events/s", ...sides, wanted: null, note: COUNTED };
}

async function measure(server: Server, given: Case, side: Side, conditions: Conditions, round: number): Promise<void> {
  const { connections } = given;
  const dir = conditions.folder();
  const template = join(dir, "template");
  writeTemplate(template, given.media);
  const child = await server.start(dir);
  let load: Load;
  try {
    const post = (seconds: number) => postEvents(child.ready.url, { connections, seconds, template });
    const warm = await post(WARM_UP);
    const before = await child.ask<number>("cpu");
    load = await post(conditions.seconds);
    side.cpu!.push(((await child.ask<number>("cpu")) - before) / load.answered);
    side.memory!.push(child.peakMemory());
    await child.stop();
    checkStored(server.database(dir), warm.answered + load.answered, 2 * connections);
  } finally {
    await child.stop();
    rmSync(dir, { recursive: true });
  }
  side.values.push(load.perSecond);
  side.p50!.push(load.p50);
  side.p99!.push(load.p99);
  conditions.say(`${given.figure}: round ${round}, ${Math.round(load.perSecond)}/s, p99 ${load.p99.toFixed(1)} ms`);
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

function compileShim(dir: string): string | null {
  if (process.platform !== "linux") return null;
  const shim = join(dir, "slow-fsync.so");
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", shim, join(import.meta.dirname, "slow-fsync.c"), "-ldl"]);
    return shim;
  } catch {
    return null;
  }
}

function emptySide() {
  return { values: [], p50: [], p99: [], memory: [], cpu: [] } satisfies Side;
}
