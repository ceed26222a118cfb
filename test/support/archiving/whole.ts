import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { archiveQueued } from "../../../src/archive/archive.ts";
import { restoreFrom } from "../../../src/archive/restore.ts";
import { eachPart, examinePart } from "../../../src/archive/verify.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { expiryAt } from "../../../src/model/retention.ts";
import { openStore } from "../../../src/store/open.ts";
import { pruneArchived } from "../../../src/store/retention.ts";
import type { Store } from "../../../src/store/store.ts";
import { partsOf } from "../archive.ts";
import { endpoint, SECRET } from "../config.ts";
import { testClock } from "../ports.ts";
import { realPorts } from "../real-ports.ts";
import { openReceiver } from "../receiver.ts";
import { endpointTo } from "../relay-in-folder.ts";
import { fillOld } from "../retention/fill-old.ts";
import { lastingPort, spawnServe } from "../serve-process.ts";
import { runCli } from "../spawn.ts";
import { waitFor } from "../wait.ts";
import { missingIn, noteEvents } from "./lost.ts";

const { signal } = new AbortController();

/** Shorter waits, in milliseconds, are pauses. */
const PAUSES = 5_000;

/**
 * A database of 0.2.0 with this many events, of which most have expired, is upgraded, archived and pruned; every file is read
 * again; a day is restored, and one of its events sent again by a relay. A problem is an event that is pruned and in no file as it
 * was, a file that is not what was written, and a replay that does not arrive with a valid signature.
 */
export async function runWhole(
  { events }: { events: number },
  say: (line: string) => void = () => {},
): Promise<{ summary: string; problems: string[]; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-archive-"));
  const problems: string[] = [];
  const app = await openReceiver();
  const port = await lastingPort();
  const configPath = join(folder, "config.json");
  const input = {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}` },
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { id: "app", secret: SECRET }), endpoint("away", { paused: true })],
    admin: null,
    retention: { bodies: "90d", attempts: "30d", archive: { dir: "archive" } },
  };
  writeFileSync(configPath, JSON.stringify(input));
  mkdirSync(join(folder, "data"), { mode: 0o700 });
  const made = fillOld(join(folder, "data", "relay.db"), events);
  const config = loadConfig(configPath, { env: {}, cwd: folder });
  noteEvents(config.dataDir);
  say(`${made.events} events are there`);
  const store = await openStore(config, realPorts(), { role: "relay" });
  const at = { store, config, clock: testClock(Date.now()) };
  const parts = partsOf(at);
  const { clock } = parts.ports;
  // The pauses that leave the store to its other work would be most of the time.
  parts.ports.clock = { ...clock, after: (ms, run) => clock.after(ms < PAUSES ? 0 : ms, run) };
  say("upgraded");
  const timed = timing(store);
  const began = performance.now();
  const done = await pruneArchived(
    timed.store,
    {
      expiry: expiryAt(Date.now(), config.retention),
      by: "run",
      archive: (by, until) => archiveQueued({ ...parts, store: timed.store }, by, until),
    },
    { clock: parts.ports.clock, signal },
  );
  const seconds = (performance.now() - began) / 1_000;
  if (done.archiveError !== null || !done.isWhole) problems.push(`it did not come to its end: ${done.archiveError}`);
  say(`archived ${done.archived} and pruned in ${seconds.toFixed(0)} s`);
  const sums = { files: 0, events: 0, bytes: 0, text: 0 };
  let day = 0;
  for await (const part of eachPart(store, {})) {
    const wrong = await examinePart(parts, part, signal);
    if (wrong !== null) problems.push(wrong.detail);
    sums.files++;
    for (const name of ["events", "bytes", "text"] as const) sums[name] += part[name];
    if (sums.files === 7) day = part.day;
  }
  if (sums.events < made.expired) problems.push(`${made.expired} events have expired, and ${sums.events} are archived`);
  problems.push(...missingIn(config.dataDir, join(folder, "archive")).slice(0, 20));
  say("all files were read, and compared with what there was");
  const { bodies } = config.retention;
  const restored = await restoreFrom(parts, { since: day, until: day + 86_400_000, bodies }, { signal });
  if (restored.restored === 0) problems.push("nothing was restored of a day");
  const [replayed] = await store.events({ limit: 1, since: day, until: day + 86_400_000, types: ["video.ready"] });
  await store.close();
  if (replayed !== undefined) await replay(replayed.id);
  else problems.push("there is no event of the day");
  await app.close();
  const perEvent = (bytes: number) => (bytes / Math.max(1, sums.events)).toFixed(0);
  const summary = [
    `${made.events} events: ${sums.events} archived in ${sums.files} files and pruned in ${seconds.toFixed(0)} s`,
    `(${(sums.events / seconds).toFixed(0)} a second), ${perEvent(sums.text)} bytes of text an event, ${perEvent(sums.bytes)} in the file;`,
    `longest transactions ${timed.longest()}; of a day ${restored.restored} restored, ${restored.unknown} autosaves left, one sent again`,
  ].join(" ");
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  return { summary, problems, folder };

  async function replay(id: string): Promise<void> {
    const relay = spawnServe({ configPath, port });
    try {
      await relay.ready(600_000);
      const { code, stderr } = await runCli(["events", "replay", id, "--endpoint", "app", "--config", configPath]);
      if (code !== 0) return void problems.push(`events replay: ${stderr}`);
      await waitFor(() => app.requests.length > 0);
      const { headers, body } = app.requests[0]!;
      new Webhook(SECRET).verify(body, headers as Record<string, string>);
      if (headers["webhook-id"] !== id) problems.push(`${headers["webhook-id"]} was sent in place of ${id}`);
    } catch (error) {
      problems.push(`the replay: ${String(error)}`);
    } finally {
      await relay.kill();
    }
  }
}

/** The same store, and the longest that each verb took which writes; milliseconds. */
function timing(store: Store): { store: Store; longest(): string } {
  const most = new Map<string, number>();
  const verbs = ["prune", "markArchived", "releaseArchived", "keepPart"] as const;
  const timed = verbs.map((name) => {
    const call = async (...args: unknown[]) => {
      const began = performance.now();
      const answer = await (store[name] as (...args: unknown[]) => Promise<unknown>)(...args);
      most.set(name, Math.max(most.get(name) ?? 0, performance.now() - began));
      return answer;
    };
    return [name, call];
  });
  const longest = () => [...most].map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(", ");
  return { store: { ...store, ...Object.fromEntries(timed) }, longest };
}
