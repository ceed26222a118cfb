import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { endpoint } from "../config.ts";
import { seededRandom } from "../random.ts";
import { fillOld } from "../retention/fill-old.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { missingIn, noteEvents, strayIn } from "./lost.ts";
import { openDatabase, type Progress, progressOf, type Stage, type Standing, standingOf } from "./stages.ts";

const MAIN = join(import.meta.dirname, "../retention/serve.ts");

/** Milliseconds that the end, and the moment for a kill, are waited for. */
const PATIENCE = 600_000;

/** In so many kills each of these is hit, on a machine that is busy too. */
const MANY = 30;

/** Days that the events are of (fill-old.ts). */
const DAYS = 100;

/** What is aimed at, the one that was hit least, and within how many milliseconds after it was seen the kill comes. */
const AIMS: [Stage, number][] = [
  ["write", 15],
  ["read back", 0],
  ["prune", 25],
];

/**
 * A relay that archives and prunes a database of old events is killed with SIGKILL again and again: while it writes a file,
 * while it reads that back, and while it prunes. `perDay`: bytes of bodies that a day's file has. A problem is an event that is
 * pruned and is not as it was in a file that is kept, and what is not pruned, or lies about, in the end.
 */
export async function runArchiveKills({
  kills,
  events,
  seed,
  perDay = 2 ** 20,
}: {
  kills: number;
  events: number;
  seed: string;
  perDay?: number;
}): Promise<{ summary: string; problems: string[]; folder: string }> {
  const random = seededRandom(seed);
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-archive-kill-"));
  const dataDir = join(folder, "data");
  const archive = join(folder, "archive");
  const configPath = join(folder, "config.json");
  const port = await lastingPort();
  const config = {
    dataDir,
    server: { listen: `127.0.0.1:${port}` },
    mirror: { enabled: false },
    endpoints: [endpoint("app"), endpoint("away", { paused: true })],
    admin: null,
    retention: { bodies: "90d", attempts: "30d", archive: { dir: archive } },
  };
  writeFileSync(configPath, JSON.stringify(config));
  mkdirSync(dataDir, { mode: 0o700 });
  const made = fillOld(join(dataDir, "relay.db"), events, Math.ceil((perDay * DAYS) / events));
  noteEvents(dataDir);
  const problems: string[] = [];
  const start = () => spawnServe({ configPath, port, main: MAIN });
  const hits: Record<Stage, number> = { write: 0, "read back": 0, prune: 0, between: 0 };
  let before: Standing = { part: 0, kept: 0, left: 0, bodies: events };
  let relay = start();
  for (let nth = 0; nth < kills; nth++) {
    const [aim, spread] = AIMS.toSorted(([one], [other]) => hits[one] - hits[other])[0]!;
    // Each life keeps a part: the next one has something to prune, and a hundred days are enough.
    const isAt = (now: Progress) =>
      aim === "prune" && before.left > 0
        ? now.stage === aim || now.kept > 0
        : now.stage === (aim === "prune" ? "write" : aim) && now.kept > 0;
    if (!(await waitUntil(relay, isAt))) {
      const why = relay.hasEnded() ? relay.lastLines().join("\n") : "nothing was left to archive: take fewer kills";
      problems.push(`kill ${nth} of ${kills}: ${why}`);
      break;
    }
    if (spread > 0) await sleep(random.float() * spread);
    await relay.kill();
    const after = look(({ standing, progress }) => ({ standing, progress }));
    hits[after.progress.stage]++;
    before = after.standing;
    const missing = missingIn(dataDir, archive).slice(0, 5);
    problems.push(...missing.map((problem) => `kill ${nth}: ${problem}`));
    relay = start();
  }
  await relay.ready(PATIENCE);
  const until = Date.now() + PATIENCE;
  while (look(({ standing }) => standing.bodies) > made.waiting && Date.now() < until) await sleep(100);
  const { code, signal } = await relay.stop();
  if (code !== 0) problems.push(`SIGTERM ended it with ${signal ?? code}`);
  const end = look(({ standing }) => standing);
  if (end.bodies !== made.waiting) problems.push(`${end.bodies} events have a body, and ${made.waiting} wait`);
  problems.push(...missingIn(dataDir, archive).slice(0, 20));
  problems.push(...strayIn(dataDir, archive).map((name) => `${name} is no part of the archive`));
  const missed = AIMS.map(([stage]) => stage).filter((stage) => hits[stage] === 0);
  if (kills >= MANY && missed.length > 0) problems.push(`no kill came in a ${missed.join(", or in a ")}`);
  const summary = [
    `killed ${kills} times: ${hits.write} while a file was written, ${hits["read back"]} while it was read back,`,
    `${hits.prune} while events were pruned, ${hits.between} in between; ${made.expired} events in ${end.kept} files,`,
    `${made.waiting} wait (seed ${seed})`,
  ].join(" ");
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  return { summary, problems, folder };

  function look<T>(read: (seen: { standing: Standing; progress: Progress }) => T): T {
    const db = openDatabase(dataDir);
    try {
      return read({ standing: standingOf(db), progress: progressOf(db, archive, before) });
    } finally {
      db.close();
    }
  }

  /** Looks each millisecond, while a file is written all the time; false: it did not come, or nothing is left that it could come with. */
  async function waitUntil(relay: ServeProcess, isAt: (now: Progress) => boolean): Promise<boolean> {
    const until = Date.now() + PATIENCE;
    let db: ReturnType<typeof openDatabase> | null = null;
    let isWriting = false;
    try {
      for (let looks = 1; Date.now() < until && !relay.hasEnded(); looks++) {
        await (isWriting ? nextTurn() : sleep(1));
        try {
          db ??= openDatabase(dataDir);
          const now = progressOf(db, archive, before);
          if (isAt(now)) return true;
          isWriting = now.stage === "write";
          if (looks % 1_000 === 0 && standingOf(db).bodies <= made.waiting) return false;
        } catch {
          // It is being opened, and recovered, by the relay.
          db?.close();
          db = null;
        }
      }
      return false;
    } finally {
      db?.close();
    }
  }
}
