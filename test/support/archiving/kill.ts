import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { endpoint } from "../config.ts";
import { seededRandom } from "../random.ts";
import { fillOld } from "../retention/fill-old.ts";
import { lastingPort, spawnServe } from "../serve-process.ts";
import { missingIn, noteIds, strayIn } from "./lost.ts";

const MAIN = join(import.meta.dirname, "../retention/serve.ts");

/** Milliseconds that the end is waited for. */
const PATIENCE = 600_000;

/**
 * A relay that archives and prunes a database of old events is killed with SIGKILL again and again. A problem is an event that is
 * pruned and in no file that is kept, and what is not pruned, or lies about, in the end.
 */
export async function runArchiveKills({
  kills,
  events,
  seed,
}: {
  kills: number;
  events: number;
  seed: string;
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
  const made = fillOld(join(dataDir, "relay.db"), events);
  noteIds(dataDir);
  const problems: string[] = [];
  const stages = new Set<string>();
  let relay = spawnServe({ configPath, port, main: MAIN });
  await relay.ready(PATIENCE);
  // All is looked at once before the first file is written.
  const from = Date.now() + PATIENCE;
  while (standing(dataDir).kept === 0 && Date.now() < from) await sleep(50);
  for (let nth = 0; nth < kills; nth++) {
    await relay.ready(PATIENCE);
    await sleep(20 + random.float() * 700);
    await relay.kill();
    const state = standing(dataDir);
    stages.add(`${state.writing > 0 ? "writing" : "between"}`);
    for (const id of missingIn(dataDir, archive).slice(0, 5))
      problems.push(`kill ${nth}: event ${id} is pruned, and in no file`);
    relay = spawnServe({ configPath, port, main: MAIN });
  }
  await relay.ready(PATIENCE);
  const until = Date.now() + PATIENCE;
  while (standing(dataDir).bodies > made.waiting && Date.now() < until) await sleep(100);
  const { code, signal } = await relay.stop();
  if (code !== 0) problems.push(`SIGTERM ended it with ${signal ?? code}`);
  const end = standing(dataDir);
  if (end.bodies !== made.waiting) problems.push(`${end.bodies} events have a body, and ${made.waiting} wait`);
  problems.push(
    ...missingIn(dataDir, archive)
      .slice(0, 20)
      .map((id) => `event ${id} is pruned, and in no file`),
  );
  problems.push(...strayIn(dataDir, archive).map((name) => `${name} is no part of the archive`));
  if (kills > 10 && stages.size < 2) problems.push(`all kills were ${[...stages]}: the run has shown little`);
  const summary = `killed ${kills} times while it archived and pruned: ${made.expired} events in ${end.kept} files, ${made.waiting} wait (seed ${seed})`;
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  return { summary, problems, folder };
}

function standing(dataDir: string): { bodies: number; writing: number; kept: number } {
  const db = new Database(join(dataDir, "relay.db"), { readonly: true });
  try {
    const count = (from: string) => db.prepare<[], number>(`SELECT count(*) FROM ${from}`).pluck().get()!;
    return {
      bodies: count("events WHERE body IS NOT NULL"),
      writing: count("archive_parts WHERE state = 'writing'"),
      kept: count("archive_parts WHERE state = 'kept'"),
    };
  } finally {
    db.close();
  }
}
