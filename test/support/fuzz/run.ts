import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { openProvider } from "../../../src/simulator/provider.ts";
import { seededRandom } from "../random.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { openStored, type Stored } from "../stored.ts";
import { type App, openApp, openTrap } from "./app.ts";
import { type Audited, audit } from "./audit.ts";
import { ALLOWED, WEBHOOK } from "./case.ts";
import { mirrorHostileIds } from "./copies.ts";
import { judgeMemory, type MemorySummary, summarise, watchMemory } from "./memory.ts";
import { makePlace, type Place } from "./place.ts";
import { type Ledger, sendCases } from "./senders.ts";
import { sendSlowly } from "./slow.ts";

export type FuzzOptions = {
  cases: number;
  seed: string;
  /** Only the case of this number. */
  only?: number;
  /** A long run also sends requests that never end, and waits for what becomes of them: about half a minute. */
  long: boolean;
  onProgress?: (line: string) => void;
};

export type FuzzReport = { summary: string; problems: string[]; folder: string };

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/** So many events may wait for their delivery before the senders pause. */
const MOST_WAITING = 2_000;

/**
 * Sends generated requests to the real listener of the real process and judges every answer; then restarts it and has it
 * mirror videos of hostile ids; then stops it and compares all that is on the disk with what was sent. Case number n of a
 * seed is always the same request.
 */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const place = makePlace();
  const app = await openApp(SECRET);
  const trap = await openTrap();
  const provider = await openProvider({ clock: systemClock(), random: seededRandom(`${options.seed} provider`) });
  const port = await lastingPort();
  const problems: string[] = [];
  const ledger: Ledger = {
    problems,
    begun: 0,
    statuses: new Map(),
    taken: new Map(),
    kept: new Map(),
    guessed: new Set(),
    unanswered: 0,
    quarantined: new Map(),
  };
  const onLine = (line: string) => {
    if (/"level":"?(?:error|50)\b/.test(line) && problems.length < 50)
      problems.push(`it logged an error: ${line.slice(0, 400)}`);
    if (/^\s+at .*:\d+:\d+\)?$/.test(line)) problems.push(`a stack trace is in the log: ${line.trim()}`);
  };
  let relay: ServeProcess | null = null;
  let stored: Stored;
  let memory: MemorySummary | null = null;
  let audited: Audited | null = null;
  const from = performance.now();
  let seconds = 0;
  let drained = 0;
  let timedOut = 0;
  try {
    const configs = [writeConfig(place, port, app, false), writeConfig(place, port, app, ["localhost"])] as const;
    const before = place.snapshot();
    relay = await start(place, configs[0], port, onLine);
    const watched = watchMemory(relay.pid, () => ledger.begun / options.cases);
    const ground = { trapPort: trap.port, outside: place.outside, seeds: readSeeds(trap.port) };
    const numbers =
      options.only === undefined ? { from: 0, until: options.cases } : { from: options.only, until: options.only + 1 };
    const progress = setInterval(() => {
      options.onProgress?.(
        `${ledger.begun} cases, ${ledger.taken.size} events taken, ${app.delivered.size} delivered, ${watched.samples.at(-1)?.mib ?? "?"} MiB`,
      );
    }, 5_000);
    try {
      const slow = options.long ? sendSlowly(port, problems) : Promise.resolve(0);
      await sendCases({
        seed: options.seed,
        numbers,
        port,
        ground,
        ledger,
        pause: () => keepPace(ledger, app, () => relay!.hasEnded()),
      });
      seconds = (performance.now() - from) / 1000;
      timedOut = await slow;
      if (relay.hasEnded())
        throw new Error(
          `the relay died: ${JSON.stringify(await relay.ended)}: ${relay.lastLines().slice(-3).join(" | ")}`,
        );
      stored = await openStored(configs[0]);
      drained = await stored.drained(120_000);
      await askReady(port, problems);
    } finally {
      clearInterval(progress);
      watched.stop();
    }
    memory = summarise(watched);
    await stop(relay, problems);

    relay = await start(place, configs[1], port, onLine);
    const { bodies, copies } = await mirrorHostileIds({
      webhook: `http://127.0.0.1:${port}${WEBHOOK}`,
      provider,
      app,
      outside: place.outside,
      seed: options.seed,
      problems,
    });
    await stored.drained(120_000);
    await askReady(port, problems);
    await stop(relay, problems);

    audited = await audit({
      stored,
      mediaDir: join(place.dataDir, "media"),
      ledger,
      app,
      others: bodies,
      copies,
      problems,
    });
    await stored.close();
    const changed = difference(before, place.snapshot());
    if (changed.length > 0) problems.push(`outside the data folder changed: ${changed.slice(0, 10).join("; ")}`);
    const strangers = place.strangers();
    if (strangers.length > 0) problems.push(`in the data folder are ${strangers.join(", ")}`);
    const grown = memory && judgeMemory(memory, options.cases);
    if (grown) problems.push(grown);
  } catch (error) {
    problems.push((error as Error).message);
  } finally {
    if (relay && !relay.hasEnded()) await relay.kill();
    await Promise.all([app.close(), trap.close(), provider.close()]);
  }
  if (trap.calls() > 0) problems.unshift(`${trap.calls()} connections were made to a forbidden address`);
  problems.push(...app.problems);
  if (problems.length === 0) place.remove();
  const statuses = [...ledger.statuses].sort(([, a], [, b]) => b - a).map(([what, times]) => `${what}: ${times}`);
  const summary = [
    `fuzz, seed ${options.seed}: ${ledger.begun} cases in ${seconds.toFixed(1)} s`,
    ...(timedOut > 0 ? [`slow requests ended ${timedOut}`] : []),
    `answers ${statuses.join(" ")}`,
    `events stored ${audited?.events ?? 0}, duplicates ${audited?.duplicates ?? 0}, quarantined and found again ${audited?.quarantined ?? 0}`,
    `delivered ${app.delivered.size} (drained in ${drained} ms), compared member by member ${audited?.compared ?? 0}`,
    `copies of hostile ids ${audited?.files ?? 0} files`,
    `connections to forbidden addresses ${trap.calls()}`,
    memory ? `memory ${memory.warm} MiB warm, ${memory.end} at the end, ${memory.peak} at most` : "memory not measured",
    `problems ${problems.length}`,
  ].join(", ");
  return { summary, problems, folder: place.root };
}

function writeConfig({ dir }: Place, port: number, app: App, allowPrivateAddresses: false | string[]): string {
  const config: ConfigInput = {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}`, trustedProxies: ["127.0.0.1"] },
    receive: { path: WEBHOOK, allowFrom: ALLOWED },
    mirror: { allowPrivateAddresses, minFreeDisk: 0 },
    endpoints: [{ id: "app", url: app.url, secret: SECRET, concurrency: 16, retry: ["100ms", "1s"] }],
    admin: { listen: "127.0.0.1:0" },
    log: { format: "json" },
  };
  const path = join(dir, allowPrivateAddresses ? "config-by-name.json" : "config.json");
  writeFileSync(path, JSON.stringify(config, null, 2));
  return path;
}

async function start(
  place: Place,
  configPath: string,
  port: number,
  onLine: (line: string) => void,
): Promise<ServeProcess> {
  const relay = spawnServe({ configPath, port, cwd: place.cwd, env: place.env, onLine });
  await relay.ready();
  return relay;
}

async function stop(relay: ServeProcess, problems: string[]): Promise<void> {
  const end = await relay.stop();
  if (end.code !== 0) problems.push(`SIGTERM ended it with ${end.signal ?? end.code} after ${end.ms} ms`);
}

async function askReady(port: number, problems: string[]): Promise<void> {
  const answer = await request(`http://127.0.0.1:${port}/readyz`);
  const text = await answer.body.text();
  if (answer.statusCode !== 200) problems.push(`/readyz answers ${answer.statusCode} in the end: ${text}`);
}

/** The provider's documented events, their links led to the trap. */
function readSeeds(trapPort: number): Uint8Array[] {
  const dir = join(import.meta.dirname, "../../fixtures/provider");
  return readdirSync(dir).map((name) =>
    Buffer.from(readFileSync(join(dir, name), "utf8").replaceAll("example.com", `127.0.0.1:${trapPort}`)),
  );
}

async function keepPace(ledger: Ledger, app: App, isOver: () => boolean): Promise<void> {
  const until = Date.now() + 30_000;
  while (ledger.taken.size - app.delivered.size > MOST_WAITING && !isOver() && Date.now() < until) await sleep(20);
}

function difference(before: string[], after: string[]): string[] {
  const [was, is] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !is.has(line)).map((line) => `gone: ${line}`),
    ...after.filter((line) => !was.has(line)).map((line) => `new: ${line}`),
  ];
}
