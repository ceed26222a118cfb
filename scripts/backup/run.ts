import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { median, quantile } from "../bench/measure.ts";
import { runProgram } from "../bench/processes.ts";
import { benchConfig, databaseOf, startRelay } from "../bench/start-relay.ts";
import type { Inspected } from "./inspect.ts";
import { type Poster, startPosting } from "./post.ts";

const INSPECT = join(import.meta.dirname, "inspect.ts");
const MAIN = join(import.meta.dirname, "../../src/main.ts");

/** As much of the load is not measured. Seconds. */
const WARM_UP = 3;

/** What is wanted: with backups the 99th percentile of an event's answer is at most so many times what it is without. */
const AT_MOST = 2;

export type Wish = {
  seconds: number;
  /** Milliseconds from one backup's begin to the next one's. */
  every: number;
  connections: number;
  /** Events a second; null: as many as it takes. */
  rate: number | null;
  say(line: string): void;
};

type Made = { ms: number; bytes: number; events: number; acknowledged: number };

/** Runs the load without and with backups, in turn, on one database that grows; checks every copy. */
export async function runBackupLoad(wish: Wish): Promise<{ isFine: boolean }> {
  const { seconds, connections, rate, say } = wish;
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-backups-"));
  const relay = await startRelay(dir, benchConfig(), { workers: false });
  const poster = startPosting(relay.ready.url, { connections, rate });
  const wrong: string[] = [];
  try {
    await sleep(WARM_UP * 1000);
    const without: number[] = await measure(poster, Math.min(seconds, 60));
    tell(say, "without backups", without);
    const backups = backUpAgainAndAgain({ ...wish, database: databaseOf(dir), dir, poster, wrong });
    const during = await measure(poster, seconds);
    const made = await backups.stop();
    tell(say, "with backups", during);
    const after: number[] = await measure(poster, Math.min(seconds, 60));
    tell(say, "without, once more", after);
    await poster.stop();
    const ratio = quantile(during, 0.99) / quantile([...without, ...after], 0.99);
    const took = made.map(({ ms }) => ms);
    const last = made.at(-1);
    say(
      `${made.length} backups: ${Math.round(median(took))} ms each (the longest ${Math.max(...took)} ms), the last one of ` +
        `${Math.round((last?.bytes ?? 0) / 2 ** 20)} MiB and ${last?.events} events`,
    );
    say(`every copy opened, integrity_check ok, all that was acknowledged before in it: ${wrong.length === 0}`);
    for (const line of wrong) say(line);
    say(
      `p99 with against without: ${ratio.toFixed(2)} (wanted: at most ${AT_MOST}); ${poster.acknowledged()} events, ${poster.refused()} refused`,
    );
    return { isFine: wrong.length === 0 && made.length > 0 && ratio <= AT_MOST && poster.refused() === 0 };
  } finally {
    await poster.stop();
    await relay.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measure(poster: Poster, seconds: number): Promise<number[]> {
  poster.takeTimes();
  await sleep(seconds * 1000);
  return poster.takeTimes();
}

function tell(say: Wish["say"], what: string, times: number[]): void {
  const at = (part: number) => `${quantile(times, part).toFixed(1)} ms`;
  say(`${what}: ${times.length} events, p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}`);
}

function backUpAgainAndAgain(given: Wish & { database: string; dir: string; poster: Poster; wrong: string[] }) {
  const { database, dir, poster, wrong, every } = given;
  const made: Made[] = [];
  let goesOn = true;
  const loop = (async () => {
    while (goesOn) {
      const began = performance.now();
      const acknowledged = poster.acknowledged();
      const newest = poster.newestId();
      const file = join(dir, "copy.db");
      const failure = await backUp(database, file);
      const ms = Math.round(performance.now() - began);
      if (failure !== null) wrong.push(`backup ${made.length + 1}: ${failure}`);
      else {
        const found = await inspect(file, newest);
        if (found.trouble !== null) wrong.push(`backup ${made.length + 1}: ${found.trouble}`);
        if (found.upTo < acknowledged) {
          wrong.push(`backup ${made.length + 1}: ${acknowledged} were acknowledged before it, ${found.upTo} are in it`);
        }
        made.push({ ms, bytes: statSync(file).size, events: found.events, acknowledged });
      }
      await sleep(Math.max(0, every - (performance.now() - began)));
    }
    return made;
  })();
  return {
    stop() {
      goesOn = false;
      return loop;
    },
  };
}

/** What it said when it failed; null: it did not. */
function backUp(database: string, file: string): Promise<string | null> {
  const child = spawn(process.execPath, [MAIN, "backup", file, "--database", database], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve(code === 0 ? null : said.trim())));
}

/** In a process of its own, so that it keeps nobody's answers waiting here. */
async function inspect(file: string, newest: string | null): Promise<Inspected> {
  return JSON.parse(await runProgram(process.execPath, [INSPECT, file, newest ?? ""])) as Inspected;
}
