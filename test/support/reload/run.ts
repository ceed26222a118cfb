import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { systemClock } from "../../../src/platform/runtime.ts";
import { openProvider } from "../../../src/simulator/provider.ts";
import { seededRandom } from "../../../src/simulator/random.ts";
import { openApp } from "../crash/app.ts";
import { crashConfig, ENDPOINTS, SECRET } from "../crash/config.ts";
import { judge } from "../crash/judge.ts";
import { keptInFolder } from "../crash/kept.ts";
import { startLoad } from "../crash/load.ts";
import { createWorld } from "../crash/world.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { openStored } from "../stored.ts";
import { waitFor } from "../wait.ts";
import { changesOf } from "./configs.ts";

export type ReloadOptions = {
  reloads: number;
  seed: string;
  onReload?: (line: string) => void;
};

export type ReloadReport = { summary: string; problems: string[]; folder: string };

/** Descriptors and resident memory of a process; null where the system has no /proc. */
type Sample = { handles: number; mib: number };

/**
 * More than this between the middle fifth and the last one is a leak: what is under load comes and goes, and memory that
 * was once needed is given back late (measured: 290 MiB after 300 reloads, 311 after 500, 325 after 1,200).
 */
const MORE_HANDLES = 25;
const MORE_MEMORY = 60;

/** So few reloads are judged by what was lost only. */
const ENOUGH = 100;

/**
 * Runs the real process under load and sends it SIGHUP after SIGHUP, each with another config, one in five of them wrong;
 * then lets it drain, stops it, and judges what is there, as after kills.
 */
export async function runReloadTest({ reloads, seed, onReload }: ReloadOptions): Promise<ReloadReport> {
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-reload-"));
  const kept = keptInFolder(join(folder, "media"));
  const provider = await openProvider({ clock: systemClock(), random: seededRandom(`${seed} links`) });
  const world = createWorld({ random: seededRandom(`${seed} load`), provider });
  const secret = SECRET;
  const verbatim = new Set(["archive"]);
  const app = await openApp({
    world,
    random: seededRandom(`${seed} app`),
    secret,
    verbatim,
    hasty: new Set(["hasty"]),
  });
  const extra = createServer((request, response) => request.resume().on("end", () => response.end()));
  await new Promise<void>((listening) => extra.listen(0, "127.0.0.1", listening));
  const port = await lastingPort();
  const base = crashConfig({ port, appUrl: app.url, target: kept.target });
  const extraUrl = `http://127.0.0.1:${(extra.address() as AddressInfo).port}/`;
  const change = changesOf(base, extraUrl);
  const configPath = join(folder, "config.json");
  await writeFile(configPath, JSON.stringify(base));

  const problems: string[] = [];
  const samples: Sample[] = [];
  const counts = { taken: 0, refused: 0 };
  const relay: ServeProcess = spawnServe({
    configPath,
    port,
    onLine(line) {
      if (line.includes('"msg":"config taken"')) counts.taken++;
      if (line.includes('"msg":"config refused: the old one holds"')) counts.refused++;
      if (/whsec_/.test(line)) problems.push(`a secret is in the log: ${line.slice(0, 200)}`);
    },
  });
  const load = startLoad({
    world,
    url: `http://127.0.0.1:${port}/webhooks/wochit`,
    random: seededRandom(`${seed} pace`),
    delivered: () => app.taken.get("app")?.size ?? 0,
  });

  async function reload(n: number): Promise<void> {
    const next = change(n);
    const before = { ...counts };
    await writeFile(configPath, "text" in next ? next.text : JSON.stringify(next.config));
    process.kill(relay.pid, "SIGHUP");
    await waitFor(() => counts.taken + counts.refused > before.taken + before.refused || relay.hasEnded(), 20_000);
    if (relay.hasEnded()) throw new Error(`it ended by itself after ${next.name}`);
    if (counts.refused - before.refused !== ("text" in next ? 1 : 0)) problems.push(`${next.name}: the wrong answer`);
    const sample = sampleOf(relay.pid);
    if (sample) samples.push(sample);
    onReload?.(`reload ${n + 1}: ${next.name}, ${world.posted.length} events posted, ${JSON.stringify(sample)}`);
  }

  let figures = { stored: 0, files: 0, checks: 0 };
  try {
    await relay.ready();
    for (let n = 0; n < reloads; n++) await reload(n);
    // With every endpoint there ever was, so that nothing is held back.
    await writeFile(
      configPath,
      JSON.stringify({
        ...base,
        endpoints: [...base.endpoints!, { ...base.endpoints![0]!, id: "extra", url: extraUrl }],
      }),
    );
    process.kill(relay.pid, "SIGHUP");
    await load.finish(60_000);
    const stored = await openStored(configPath);
    await stored.drained(120_000);
    const { code, signal } = await relay.stop();
    if (code !== 0) problems.push(`SIGTERM ended it with ${signal ?? code}`);
    const spoolDir = join(folder, "data", "spool");
    const report = await judge({ stored, kept, spoolDir, world, app, endpoints: ENDPOINTS });
    await stored.close();
    figures = report.figures;
    problems.push(...report.problems);
  } catch (error) {
    problems.push((error as Error).message, ...relay.lastLines().slice(-5));
  } finally {
    if (!relay.hasEnded()) await relay.kill();
    await load.abort();
    await Promise.all([provider.close(), app.close()]);
    extra.closeAllConnections();
    extra.close();
  }
  const growth = growthOf(samples);
  if (growth && reloads >= ENOUGH) {
    if (growth.handles > MORE_HANDLES) problems.push(`open handles grew by ${growth.handles}`);
    if (growth.mib > MORE_MEMORY) problems.push(`resident memory grew by ${growth.mib} MiB`);
  }
  for (const { serial, answers, cuts } of world.posted) {
    if (answers.length === 0 || cuts > 0) problems.push(`event ${serial} was not answered, or its connection was cut`);
  }
  problems.push(...load.problems, ...app.problems);
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  const summary = [
    `reload test, seed ${seed}: ${counts.taken} configs taken, ${counts.refused} refused`,
    `posted and acknowledged ${world.posted.length}, stored ${figures.stored}, copies ${figures.files}`,
    `deliveries taken ${app.counts.taken} (${app.counts.repeated} of them duplicates)`,
    growth &&
      `handles ${growth.from.handles} -> ${growth.to.handles}, memory ${growth.from.mib} -> ${growth.to.mib} MiB`,
    `checks ${figures.checks}`,
    `problems ${problems.length}`,
  ];
  return { summary: summary.filter(Boolean).join(", "), problems, folder };
}

function sampleOf(pid: number): Sample | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return { handles: readdirSync(`/proc/${pid}/fd`).length, mib: Math.round(Number(kib) / 1024) };
  } catch {
    return null;
  }
}

/** Medians of the middle fifth and of the last one. */
function growthOf(samples: Sample[]) {
  const fifth = Math.floor(samples.length / 5);
  if (fifth === 0) return null;
  const of = (part: Sample[]): Sample => {
    const middle = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
    return { handles: middle(part.map(({ handles }) => handles)), mib: middle(part.map(({ mib }) => mib)) };
  };
  const [from, to] = [of(samples.slice(2 * fifth, 3 * fifth)), of(samples.slice(-fifth))];
  return { from, to, handles: to.handles - from.handles, mib: to.mib - from.mib };
}
