import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../src/platform/runtime.ts";
import type { Random } from "../../../src/ports.ts";
import { openProvider } from "../../../src/simulator/provider.ts";
import { seededRandom } from "../random.ts";
import { type Ending, lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { openStored } from "../stored.ts";
import { openApp } from "./app.ts";
import { crashConfig, ENDPOINTS, SECRET } from "./config.ts";
import { fetchCopies } from "./copies.ts";
import { type Judgement, judge } from "./judge.ts";
import { judgeLine } from "./judge-line.ts";
import { type Kept, keptInBucket, keptInFolder } from "./kept.ts";
import { startLoad } from "./load.ts";
import { startOperator } from "./operator.ts";
import { createSpells } from "./spells.ts";
import { watchMedia } from "./watch.ts";
import { createWorld } from "./world.ts";

export type CrashOptions = {
  rounds: number;
  seed: string;
  /** A folder on another file system: copies are then made there, so that they have to cross over. */
  mediaParent?: string;
  /** Into a bucket of a real S3 server of the test's own, with some files so large that their upload takes several parts. */
  s3?: boolean;
  /** How long all that is stored may take, after the last round, to be mirrored and delivered. */
  drainWithin?: number;
  /** Called after each round. */
  onRound?: (line: string) => void;
};

export type CrashReport = {
  /** One line of figures. */
  summary: string;
  /** What went wrong; empty when all is well. */
  problems: string[];
  /** Left in place when there are problems. */
  folder: string;
};

/** How each round ends: killed while it starts, while it works, with a copy half there, or in the middle of a decent stop. */
type Fate = "starting" | "working" | "uploading" | "stopping";

/**
 * Runs the real process under load, kills it with SIGKILL at random moments, restarts it over the same folder and port,
 * round after round; then lets it drain, stops it, and judges what is there. Everything is bounded in time.
 */
export async function runCrashTest(options: CrashOptions): Promise<CrashReport> {
  const random = seededRandom(`${options.seed} kills`);
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-crash-"));
  const mediaDir = options.mediaParent
    ? await mkdtemp(join(options.mediaParent, "wochit-relay-crash-"))
    : join(folder, "media");
  const kept = options.s3 ? await keptInBucket() : keptInFolder(mediaDir);
  const provider = await openProvider({ clock: systemClock(), random: seededRandom(`${options.seed} links`) });
  const world = createWorld({ random: seededRandom(`${options.seed} load`), provider, large: options.s3 ? 15 : 0 });
  const spells = createSpells(seededRandom(`${options.seed} spells`));
  const app = await openApp({
    world,
    random: seededRandom(`${options.seed} app`),
    secret: SECRET,
    verbatim: new Set(["archive"]),
    // What takes the place of an older event takes over its gate, too.
    hasty: new Set(["hasty", "moody"]),
    spells: new Map([["moody", spells]]),
  });
  const watch = watchMedia(mediaDir, world);
  const port = await lastingPort();
  const config = crashConfig({ port, appUrl: app.url, target: kept.target });
  const configPath = join(folder, "config.json");
  await writeFile(configPath, JSON.stringify(config, null, 2));

  const problems: string[] = [];
  const startUps: number[] = [];
  const fates: Record<Fate, number> = { starting: 0, working: 0, uploading: 0, stopping: 0 };
  const breaker = { opened: 0, closed: 0 };
  const onLine = (line: string) => {
    if (line.includes('"msg":"endpoint failing')) breaker.opened++;
    if (line.includes('"msg":"endpoint recovered')) breaker.closed++;
    problems.push(...judgeLine(line));
  };
  let isThere = false;
  const operator = startOperator({
    configPath,
    endpoints: ["app", "moody"],
    random: seededRandom(`${options.seed} operator`),
    isThere: () => isThere,
    arrived: () => app.arrivals.length,
  });
  const load = startLoad({
    world,
    url: `http://127.0.0.1:${port}/webhooks/wochit`,
    random: seededRandom(`${options.seed} pace`),
    delivered: () => app.taken.get("app")?.size ?? 0,
  });
  let relay: ServeProcess | null = null;
  let report: Judgement | null = null;
  let kills = 0;
  let halfDone = 0;
  let drained = 0;
  let stopped = 0;
  let fetched = 0;
  try {
    for (let round = 1; round <= options.rounds; round++) {
      relay = spawnServe({ configPath, port, onLine });
      let fate = fateOf(round, random);
      if (options.s3 && fate === "working" && random.float() < 0.5) fate = "uploading";
      if ((await endRound(relay, fate, { random, startUps, kept })).signal === "SIGKILL") kills++;
      fates[fate]++;
      isThere ||= startUps.length > 0;
      if (await kept.isHalfDone()) halfDone++;
      await watch.lookAtAll();
      options.onRound?.(
        `round ${round}: killed while ${fate}, ${world.posted.length} events posted, ${app.arrivals.length} deliveries`,
      );
    }
    relay = spawnServe({ configPath, port, onLine });
    await relay.ready();
    isThere = true;
    await load.finish(120_000);
    await operator.stop();
    spells.end();
    const stored = await openStored(configPath);
    drained = await stored.drained(options.drainWithin ?? 120_000);
    fetched = await fetchCopies(app, world, problems);
    const end = await relay.stop();
    stopped = end.ms;
    if (end.code !== 0)
      problems.push(
        `SIGTERM ended it with ${end.signal ?? end.code} after ${end.ms} ms: ${relay.lastLines().slice(-3).join(" | ")}`,
      );
    await watch.stop();
    const spoolDirs = [join(folder, "data", "spool")];
    report = await judge({ stored, kept, spoolDirs, world, app, endpoints: ENDPOINTS, replays: operator.replays });
    await stored.close();
    problems.push(...report.problems);
  } catch (error) {
    problems.push((error as Error).message, ...(relay?.lastLines().slice(-5) ?? []));
  } finally {
    if (relay && !relay.hasEnded()) await relay.kill();
    await load.abort();
    await operator.stop();
    await watch.stop();
    await provider.close();
    await app.close();
    kept.close();
  }
  problems.push(...load.problems, ...app.problems, ...watch.problems);
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  if (options.mediaParent && problems.length === 0) await rm(mediaDir, { recursive: true, force: true });

  const answered = world.posted.filter(({ answers }) => answers.length > 0).length;
  const { counts } = app;
  const summary = [
    `crash test, seed ${options.seed}: ${options.rounds} rounds`,
    `kills ${kills} (rounds: ${fates.starting} starting, ${fates.working} working, ${fates.uploading} uploading, ${fates.stopping} stopping)`,
    `start-up ${Math.round(startUps.toSorted((a, b) => a - b)[startUps.length >> 1] ?? 0)} ms`,
    `posted ${world.posted.length}`,
    `acknowledged ${answered}`,
    `unanswered ${world.posted.length - answered}`,
    `requests cut ${world.posted.reduce((sum, { cuts }) => sum + cuts, 0)}`,
    `stored ${report?.figures.stored ?? 0}`,
    `deliveries taken ${counts.taken} (${counts.repeated} of them duplicates), answered 5xx or 429 ${counts.failed}, reset ${counts.reset}`,
    `away ${spells.count()} times for ${counts.away} requests, breaker opened ${breaker.opened} and closed ${breaker.closed} times`,
    `superseded ${report?.figures.superseded ?? 0}, retried ${operator.counts.retries}, replayed ${operator.counts.replays}, refused ${operator.counts.refused}`,
    `sent with media pending ${counts.pending}, notices ${counts.notices}`,
    `copies half done after a kill ${halfDone}`,
    `copies ${report?.figures.files ?? 0}`,
    `looks ${watch.counts.looks}, files seen ${watch.counts.checked}, fetched by link ${fetched}`,
    `drained in ${drained} ms, stopped in ${stopped} ms`,
    `checks ${report?.figures.checks ?? 0}`,
    `problems ${problems.length}`,
  ].join(", ");
  return { summary, problems, folder };
}

function fateOf(round: number, random: Random): Fate {
  const dice = random.float();
  if (round === 1) return "starting"; // the first start makes the database
  if (round === 2) return "working"; // also where there are two rounds only
  return dice < 0.25 ? "starting" : dice < 0.9 ? "working" : "stopping";
}

async function endRound(
  relay: ServeProcess,
  fate: Fate,
  { random, startUps, kept }: { random: Random; startUps: number[]; kept: Kept },
): Promise<Ending> {
  const from = performance.now();
  if (fate === "starting") {
    const usual = startUps.length > 0 ? startUps.reduce((sum, each) => sum + each, 0) / startUps.length : 400;
    await Promise.race([sleep(random.float() * usual * 1.2), relay.ended]);
  } else {
    await relay.ready();
    startUps.push(performance.now() - from);
    if (fate === "uploading") await untilHalfDone(kept, 5_000);
    else await Promise.race([sleep(random.float() * 800), relay.ended]);
  }
  if (relay.hasEnded()) throw new Error(`the relay ended by itself: ${JSON.stringify(await relay.ended)}`);
  if (fate !== "stopping") return relay.kill();
  // It may be quicker than the kill: then it has stopped, which is as good.
  const end = await relay.stop(Math.round(random.float() * 150));
  if (end.code !== null && end.code !== 0) throw new Error(`SIGTERM ended it with ${end.code}`);
  return end;
}

/** Waits, at most so many milliseconds, until the target holds a part of a copy. */
async function untilHalfDone(kept: Kept, ms: number): Promise<void> {
  for (const until = Date.now() + ms; Date.now() < until && !(await kept.isHalfDone()); ) await sleep(2);
}
