import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { compactDatabase } from "../../../src/store/copy-database.ts";
import { endpoint } from "../config.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { type LoadReport, postSteadily } from "../steady-load.ts";
import { fillOld, type OldDatabase } from "./fill-old.ts";

export type BesideOptions = {
  /** Events of the database of 0.2.0. */
  events: number;
  /** Requests a second to each of two relays, one of which prunes, for so many seconds, so many times. */
  rate: number;
  seconds: number;
  pairs: number;
  /** The most that the median of the pairs' p99 may be, as a multiple; 0: it is not judged. */
  most: number;
};

type Run = { p50: number; p99: number; pruned: number };

const MAIN = join(import.meta.dirname, "serve.ts");
const MIB = 2 ** 20;

/**
 * A database of version 0.2.0 is upgraded and pruned by the relay that opens it, while events come in at a steady rate; beside
 * it another relay gets as many, and prunes nothing, for comparison. A problem is a request without its answer, a body that is gone
 * though its event waits, one that is left though it has expired, a file that does not shrink when it is compacted, and
 * answers that are too late.
 */
export async function runBeside(
  options: BesideOptions,
  say: (line: string) => void = () => {},
): Promise<{ summary: string; problems: string[]; folder: string }> {
  const { events, pairs, most } = options;
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-retention-"));
  const old = join(folder, "old.db");
  const made = fillOld(old, events);
  say(`a database of 0.2.0 with ${made.events} events, ${(statSync(old).size / MIB).toFixed(0)} MiB`);
  const problems: string[] = [];
  const ratios: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    // At the same time, so that what else the machine does is in both.
    const runs = [true, false].map((prunes) => load(join(folder, `${pair}-${prunes}`), old, prunes, options, problems));
    const [on, off] = (await Promise.all(runs)) as [Run, Run];
    const inWords = ({ p50, p99 }: Run) => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
    say(`with pruning (${on.pruned} bodies) ${inWords(on)}; without ${inWords(off)}`);
    if (most > 0 && on.pruned === 0) problems.push("nothing was pruned while events came");
    ratios.push(on.p99 / off.p99);
  }
  ratios.sort((a, b) => a - b);
  const ratio = ratios[Math.floor(ratios.length / 2)]!;
  if (most > 0 && ratio > most)
    problems.push(`p99 is ${ratio.toFixed(2)} times that without pruning, at most ${most} is asked`);
  const { seconds, sizes } = await toTheEnd(join(folder, "whole"), old, made, problems);
  const inMiB = sizes.map((bytes) => (bytes / MIB).toFixed(0)).join(" → ");
  const summary = [
    `${made.events} events of 0.2.0 upgraded, and ${made.expired} of them pruned in ${seconds.toFixed(0)} s while it served;`,
    `${inMiB} MiB (0.2.0, pruned, compacted); p99 with pruning ${ratio.toFixed(2)} times that without (median of ${pairs})`,
  ].join(" ");
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  return { summary, problems, folder };
}

async function start(
  dir: string,
  old: string,
  prunes: boolean,
): Promise<{ relay: ServeProcess; port: number; lines: string[] }> {
  mkdirSync(join(dir, "data"), { recursive: true });
  copyFileSync(old, join(dir, "data", "relay.db"));
  const port = await lastingPort();
  const configPath = join(dir, "config.json");
  const kept = prunes ? "90d" : "3650d";
  const config = {
    dataDir: join(dir, "data"),
    server: { listen: `127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    endpoints: [endpoint("app", { events: ["nothing"] }), endpoint("away", { paused: true, events: ["nothing"] })],
    retention: { bodies: kept, attempts: prunes ? "30d" : kept },
  };
  writeFileSync(configPath, JSON.stringify(config));
  const lines: string[] = [];
  const relay = spawnServe({ configPath, port, main: MAIN, onLine: (line) => lines.push(line) });
  await relay.ready(600_000);
  return { relay, port, lines };
}

async function load(
  dir: string,
  old: string,
  prunes: boolean,
  { rate, seconds }: BesideOptions,
  problems: string[],
): Promise<Run> {
  const { relay, port } = await start(dir, old, prunes);
  const post = (seconds: number) =>
    postSteadily({ port, path: "/webhooks/wochit", connections: "kept", rate, seconds });
  await post(1);
  const before = bodiless(dir);
  const report = await post(seconds);
  const pruned = bodiless(dir) - before;
  await end(relay, problems);
  judge(report, problems);
  await rm(dir, { recursive: true, force: true });
  return { p50: at(report.waits, 0.5), p99: at(report.waits, 0.99), pruned };
}

function judge({ sent, answered, other }: LoadReport, problems: string[]): void {
  if (answered < sent) problems.push(`${sent - answered} of ${sent} requests were not answered: ${other[0] ?? ""}`);
}

async function end(relay: ServeProcess, problems: string[]): Promise<void> {
  const { code, signal } = await relay.stop();
  if (code !== 0) problems.push(`SIGTERM ended it with ${signal ?? code}: ${relay.lastLines().at(-1)}`);
}

/** How many events have lost their body; those that went whole are not counted. */
const bodiless = (dir: string) =>
  ask(dir, (db) => db.prepare<[], number>("SELECT count(*) FROM events WHERE body IS NULL").pluck().get()!);

function ask<T>(dir: string, look: (db: Database.Database) => T): T {
  const db = new Database(join(dir, "data", "relay.db"), { readonly: true });
  try {
    return look(db);
  } finally {
    db.close();
  }
}

/** Prunes all of it while events come in, and compacts the file. */
async function toTheEnd(
  dir: string,
  old: string,
  made: OldDatabase,
  problems: string[],
): Promise<{ seconds: number; sizes: number[] }> {
  const { relay, port, lines } = await start(dir, old, true);
  const began = performance.now();
  let isOver = false;
  const loads: LoadReport[] = [];
  const loading = (async () => {
    while (!isOver)
      loads.push(await postSteadily({ port, path: "/webhooks/wochit", connections: "kept", rate: 20, seconds: 1 }));
  })();
  while (!lines.some((line) => line.includes('"msg":"pruned"'))) {
    if (relay.hasEnded() || performance.now() - began > 3_600_000) {
      problems.push(`it did not get to its end: ${relay.lastLines().at(-1)}`);
      break;
    }
    await sleep(100);
  }
  const seconds = (performance.now() - began) / 1000;
  isOver = true;
  await loading;
  await end(relay, problems);
  for (const report of loads) judge(report, problems);
  const path = join(dir, "data", "relay.db");
  const pruned = statSync(path).size;
  const count = (where: string) =>
    ask(
      dir,
      (db) =>
        db
          .prepare<[], number>(`SELECT count(*) FROM events e JOIN videos v ON v.id = e.video WHERE ${where}`)
          .pluck()
          .get()!,
    );
  const OLD = "v.video_id LIKE 'old-%'";
  const waiting = count(`${OLD} AND e.body IS NOT NULL`);
  if (waiting !== made.waiting) problems.push(`${waiting} events of before have a body, and ${made.waiting} wait`);
  const own = count("v.video_id NOT LIKE 'old-%' AND e.body IS NULL");
  if (own > 0) problems.push(`${own} events that came meanwhile have no body`);
  const { after } = await compactDatabase(join(dir, "data"));
  const integrity = ask(dir, (db) => db.pragma("integrity_check", { simple: true }));
  if (integrity !== "ok") problems.push(`the compacted database is damaged: ${integrity}`);
  if (after > statSync(old).size / 2) problems.push(`the compacted file has ${after} bytes`);
  return { seconds, sizes: [statSync(old).size, pruned, after] };
}

const at = (sorted: number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
