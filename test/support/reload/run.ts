import { statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { openProvider } from "../../../src/simulator/provider.ts";
import { openApp } from "../crash/app.ts";
import { crashConfig, ENDPOINTS, SECRET } from "../crash/config.ts";
import { judge } from "../crash/judge.ts";
import { keptInFolder } from "../crash/kept.ts";
import { startLoad } from "../crash/load.ts";
import { createWorld } from "../crash/world.ts";
import { listen } from "../listen.ts";
import { seededRandom } from "../random.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { openStored } from "../stored.ts";
import { AUTHORITY } from "../tls-server.ts";
import { waitFor } from "../wait.ts";
import { postAnew, readCertificates, trust } from "./certificates.ts";
import { changesOf } from "./configs.ts";
import { growthOf, type Sample, sampleOf, showGrowth } from "./memory.ts";

export type ReloadOptions = {
  reloads: number;
  seed: string;
  onReload?: (line: string) => void;
};

export type ReloadReport = { summary: string; problems: string[]; folder: string };

/**
 * More than the same load needs in the same time without a reload. What is needed at once differs from moment to moment, and
 * is given back late: where nothing leaks, 500 reloads took 2 MiB and the load alone 7.
 */
const MORE_HANDLES = 25;
const MORE_MEMORY = 16;

/** So few reloads are judged by what was lost only. */
const ENOUGH = 100;

/** SQLite keeps so many bytes of the database in memory (src/store/sqlite/files/database.ts, "cache_size"). */
const PAGE_CACHE = 32 * 2 ** 20;

/** Until the database is so many times as large, memory grows with every event: that is the page cache, and no leak. */
const WARM = 1.5;
const LONGEST_WARMING = 20 * 60_000;

/** Milliseconds from one look at the process to the next one while nothing is reloaded. */
const LOOK_EVERY = 100;

/**
 * Runs the real process under load over TLS and sends it SIGHUP after SIGHUP, each with another config and another
 * certificate, one in five of them wrong; then lets it drain, stops it, and judges what is there, as after kills. Memory and
 * handles are judged by many reloads only: once the load alone has filled what it fills, against the same load for as long
 * without a reload.
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
    // What takes the place of an older event takes over its gate, too.
    hasty: new Set(["hasty", "moody"]),
  });
  const extra = createServer((request, response) => request.resume().on("end", () => response.end()));
  const { url: extraUrl, close: closeExtra } = await listen(null, extra);
  const port = await lastingPort();
  const certificates = readCertificates();
  trust(certificates, AUTHORITY);
  const plain = crashConfig({ port, appUrl: app.url, target: kept.target });
  const tls = { cert: "cert.pem", key: "key.pem" };
  const base: ConfigInput = { ...plain, server: { ...plain.server, publicUrl: `https://localhost:${port}`, tls } };
  const change = changesOf(base, extraUrl, certificates);
  const configPath = join(folder, "config.json");
  const [first] = certificates.renewed;
  const write = async ({ text, cert, key }: { text: string; cert: string; key: string }) => {
    await writeFile(join(folder, tls.cert), cert);
    await writeFile(join(folder, tls.key), key);
    await writeFile(configPath, text);
  };
  await write({ text: JSON.stringify(base), cert: first.cert, key: first.key });
  let shown = first.fingerprint;

  const problems: string[] = [];
  const samples: Record<"reloading" | "quiet", Sample[]> = { reloading: [], quiet: [] };
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
    url: `https://localhost:${port}/webhooks/wochit`,
    random: seededRandom(`${seed} pace`),
    delivered: () => app.taken.get("app")?.size ?? 0,
  });

  /** One more event, on a new connection: it must be taken, and the certificate be that of the config that holds. */
  let story = world.begin();
  async function lookIn(name: string): Promise<void> {
    let posted = world.make(story);
    while (posted === null) {
      story = world.begin();
      posted = world.make(story);
    }
    const answer = await postAnew({ port, path: "/webhooks/wochit" }, posted.body);
    if (answer.status === 200) posted.answers.push(JSON.parse(answer.text));
    else problems.push(`${name}: a new connection was answered ${answer.status} ${answer.text.slice(0, 200)}`);
    if (answer.fingerprint !== shown)
      problems.push(`${name}: then another certificate was shown than the one that holds`);
  }

  async function reload(n: number): Promise<void> {
    const next = change(n);
    const before = { ...counts };
    await write(next);
    process.kill(relay.pid, "SIGHUP");
    await waitFor(() => counts.taken + counts.refused > before.taken + before.refused || relay.hasEnded());
    if (relay.hasEnded()) throw new Error(`it ended by itself after ${next.name}`);
    if (counts.refused - before.refused !== (next.isRefused ? 1 : 0)) problems.push(`${next.name}: the wrong answer`);
    if (!next.isRefused) shown = next.shown;
    await lookIn(next.name);
    look("reloading", `reload ${n + 1}: ${next.name}`);
  }

  function look(into: keyof typeof samples | null, what: string): void {
    const sample = sampleOf(relay.pid);
    if (sample && into) samples[into].push(sample);
    onReload?.(`${what}, ${world.posted.length} events posted, ${JSON.stringify(sample)}`);
  }

  /** Until this is no longer so: the load, and no reload. */
  async function idle(isOn: () => boolean, into: "quiet" | null, what: string): Promise<void> {
    while (isOn()) {
      if (relay.hasEnded()) throw new Error(`it ended by itself: ${what}`);
      await sleep(LOOK_EVERY);
      look(into, what);
    }
  }

  let timings = { warming: 0, reloading: 0 };
  let figures = { stored: 0, files: 0, checks: 0 };
  try {
    await waitFor(() => relay.hasEnded() || load.acknowledged() > 0);
    if (relay.hasEnded()) throw new Error("it ended before it was ready");
    const begun = performance.now();
    if (reloads >= ENOUGH) {
      const isCold = () => statSync(join(folder, "data", "relay.db")).size < WARM * PAGE_CACHE;
      await idle(() => isCold() && performance.now() - begun < LONGEST_WARMING, null, "warming up");
    }
    const from = performance.now();
    for (let n = 0; n < reloads; n++) await reload(n);
    const to = performance.now();
    if (reloads >= ENOUGH) await idle(() => performance.now() < to + (to - from), "quiet", "without a reload");
    timings = { warming: from - begun, reloading: to - from };
    // With every endpoint there ever was, so that nothing is held back.
    const endpoints = [...base.endpoints!, { ...base.endpoints![0]!, id: "extra", url: extraUrl }];
    await write({ text: JSON.stringify({ ...base, endpoints }), cert: first.cert, key: first.key });
    process.kill(relay.pid, "SIGHUP");
    await load.finish(120_000);
    const stored = await openStored(configPath);
    await stored.drained(120_000);
    const { code, signal } = await relay.stop();
    if (code !== 0) problems.push(`SIGTERM ended it with ${signal ?? code}`);
    const spoolDirs = [join(folder, "data", "spool")];
    const report = await judge({ stored, kept, spoolDirs, world, app, endpoints: ENDPOINTS });
    await stored.close();
    figures = report.figures;
    problems.push(...report.problems);
  } catch (error) {
    problems.push((error as Error).message, ...relay.lastLines().slice(-5));
  } finally {
    if (!relay.hasEnded()) await relay.kill();
    await load.abort();
    await Promise.all([provider.close(), app.close()]);
    await closeExtra();
  }
  const [growth, natural] = [growthOf(samples.reloading), growthOf(samples.quiet)];
  if (growth && natural) {
    const more = (what: "handles" | "mib") => growth[what] - Math.max(natural[what], 0);
    if (more("handles") > MORE_HANDLES)
      problems.push(`open handles grew by ${more("handles")} more than without reloads`);
    if (more("mib") > MORE_MEMORY)
      problems.push(`resident memory grew by ${more("mib")} MiB more than without reloads`);
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
    natural && `${Math.round(timings.warming / 1_000)} s of load before the first`,
    growth && `${showGrowth(growth)} in ${Math.round(timings.reloading / 1_000)} s of reloads`,
    natural && `${showGrowth(natural)} in as long without one`,
    `checks ${figures.checks}`,
    `problems ${problems.length}`,
  ];
  return { summary: summary.filter(Boolean).join(", "), problems, folder };
}
