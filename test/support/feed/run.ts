import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { seededRandom } from "../random.ts";
import { lastingPort, spawnServe } from "../serve-process.ts";
import { runCli } from "../spawn.ts";
import { waitFor } from "../wait.ts";
import { readLog } from "./log.ts";

export type FeedOptions = {
  /** Events that are acknowledged. */
  events: number;
  /** How often a reader is killed, and the relay. */
  readerKills: number;
  relayKills: number;
  seed: string;
  onStep?: (line: string) => void;
};

export type FeedReport = { summary: string; problems: string[]; folder: string };

const WRITERS = 16;
const VIDEOS = 40;
const TOKEN = "the-token-of-the-feed-readers";

/** What each reader asks for: all of them get every event. */
const QUERIES = ["limit=7&wait=1s", "limit=50&wait=2s&include=body", "limit=500&wait=500ms&type=draft.*"];

const READER = join(import.meta.dirname, "reader.ts");

/**
 * Readers of the feed, each a process, while 16 writers post events, and readers and relay are killed (SIGKILL) again and again. A
 * reader goes on with the cursor that it kept. A problem is an event that one of them misses, gets twice, or in another order
 * than the others; and a cursor that is still taken after a restore.
 */
export async function runFeed({ events, readerKills, relayKills, seed, onStep }: FeedOptions): Promise<FeedReport> {
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-feed-"));
  const random = seededRandom(seed);
  const [port, adminPort] = [await lastingPort(), await lastingPort()];
  const configPath = join(folder, "config.json");
  const input: ConfigInput = {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}`, publicUrl: "http://relay.example" },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    admin: { listen: `127.0.0.1:${adminPort}`, token: TOKEN },
    log: { level: "warn" },
  };
  await writeFile(configPath, JSON.stringify(input));
  const admin = `http://127.0.0.1:${adminPort}`;
  const problems: string[] = [];
  const acknowledged: string[] = [];
  const agent = new Agent({ connections: WRITERS });
  const killed = { readers: 0, relay: 0 };

  const serve = () => spawnServe({ configPath, port, cwd: folder });
  let relay = serve();
  await relay.ready();

  const readers = QUERIES.map((query, at) => {
    const file = join(folder, `reader-${at}`);
    const start = (): ChildProcess => {
      const runtime = "Deno" in globalThis ? ["run", "-A"] : [];
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      return spawn(process.execPath, [...runtime, READER, admin, query, TOKEN, file], { env, stdio: "ignore" });
    };
    let child = start();
    const killNow = () => void child.kill("SIGKILL");
    process.once("exit", killNow);
    const kill = async () => {
      if (child.signalCode !== null || child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    };
    return {
      query,
      log: () => readLog(file),
      async restart() {
        await kill();
        child = start();
      },
      async stop() {
        process.off("exit", killNow);
        await kill();
      },
    };
  });

  /** After which numbers of acknowledged events something is killed. */
  const moments = (count: number) =>
    Array.from({ length: count }, () => Math.floor(random.float() * events)).sort((a, b) => a - b);
  const readerMoments = moments(readerKills);
  const relayMoments = moments(relayKills);
  let posted = 0;

  async function write(): Promise<void> {
    while (posted < events) {
      const n = posted++;
      const body = JSON.stringify({ type: "draft.update", wochitVideoId: `v${n % VIDEOS}`, n });
      // One whose answer the relay's death has taken may be there twice, as two events.
      const id = await waitFor(async () => {
        const answer = await request(`http://127.0.0.1:${port}/webhooks/wochit`, {
          ...{ method: "POST", body, dispatcher: agent },
        });
        const given = (await answer.body.json()) as { id?: string };
        return answer.statusCode === 200 && given.id;
      });
      acknowledged.push(id);
    }
  }

  async function killReaders(): Promise<void> {
    for (const moment of readerMoments) {
      await waitFor(() => acknowledged.length >= moment, 600_000);
      await sleep(random.float() * 50);
      await readers[Math.floor(random.float() * readers.length)]!.restart();
      killed.readers++;
    }
  }

  async function killRelay(): Promise<void> {
    for (const moment of relayMoments) {
      await waitFor(() => acknowledged.length >= moment, 600_000);
      await relay.kill();
      relay = serve();
      await relay.ready();
      killed.relay++;
      onStep?.(
        `${acknowledged.length} of ${events} events, ${killed.readers} readers and ${killed.relay} relays killed`,
      );
    }
  }

  async function backUp(): Promise<string> {
    await waitFor(() => acknowledged.length >= events / 2, 600_000);
    const file = join(folder, "backup.db");
    const { code, stderr } = await runCli(["backup", file, "--config", configPath]);
    if (code !== 0) problems.push(`the backup failed: ${stderr}`);
    return file;
  }

  /** All that is in the feed, read in one go. */
  async function readAll(): Promise<string[]> {
    const ids: string[] = [];
    for (let after = ""; ; ) {
      const { status, data, next } = await ask(after);
      if (status !== 200) throw new Error(`the feed answered ${status}`);
      if (data.length === 0) return ids;
      ids.push(...data.map(({ id }) => id));
      after = next;
    }
  }

  async function ask(after: string) {
    const headers = { authorization: `Bearer ${TOKEN}` };
    // After a start the admin listener opens a moment after the other one.
    const answer = await waitFor(() => request(`${admin}/api/v1/events?after=${after}&limit=500`, { headers }));
    return { status: answer.statusCode, ...((await answer.body.json()) as { data: { id: string }[]; next: string }) };
  }

  function judge(all: string[]): void {
    const missing = new Set(acknowledged);
    for (const id of all) missing.delete(id);
    if (missing.size > 0) problems.push(`${missing.size} acknowledged events are not in the feed: ${[...missing][0]}`);
    for (const { query, log } of readers) {
      const { ids } = log();
      const once = new Set(ids);
      if (once.size < ids.length) problems.push(`${query}: ${ids.length - once.size} events came twice`);
      const missed = all.filter((id) => !once.has(id));
      if (missed.length > 0) problems.push(`${query}: ${missed.length} events are missed, the first is ${missed[0]}`);
      const at = ids.findIndex((id, index) => id !== all[index]);
      if (at >= 0) problems.push(`${query}: event ${at} is ${ids[at]}, in the feed it is ${all[at]}`);
    }
  }

  async function restore(backup: string): Promise<number> {
    await relay.stop();
    await rename(join(folder, "data"), join(folder, "former"));
    const { code, stderr } = await runCli(["restore", backup, "--config", configPath]);
    if (code !== 0) throw new Error(`the restore failed: ${stderr}`);
    relay = serve();
    await relay.ready();
    // The third reader's cursors are of another query, whose filters are judged first.
    const cursors = new Set(readers.slice(0, 2).flatMap(({ log }) => log().cursors));
    for (const cursor of cursors) {
      const { status } = await ask(cursor);
      if (status !== 410) problems.push(`after the restore an old cursor is answered ${status}`);
    }
    const ids = await readAll();
    if (ids.length === 0) problems.push("after the restore the feed is empty");
    return cursors.size;
  }

  let summary = `seed ${seed}`;
  try {
    const writing = Promise.all(Array.from({ length: WRITERS }, write));
    const [backup] = await Promise.all([backUp(), writing, killReaders(), killRelay()]);
    const all = await readAll();
    const isThrough = () => readers.every(({ log }) => log().ids.length >= all.length);
    await waitFor(isThrough).catch(() => problems.push("a reader does not come to the end"));
    // What came too often would come now.
    await sleep(100);
    await Promise.all(readers.map((reader) => reader.stop()));
    judge(all);
    const pages = readers.map(({ log }) => log().cursors.length);
    const expired = await restore(backup);
    summary = `${acknowledged.length} events acknowledged to ${WRITERS} writers, ${all.length} in the feed; ${readers.length} readers in ${pages.join(", ")} pages; ${killed.readers} readers and ${killed.relay} relays killed; ${expired} cursors asked after a restore; ${problems.length} problems; seed ${seed}`;
  } finally {
    await Promise.all(readers.map((reader) => reader.stop()));
    await relay.stop();
    await agent.close();
  }
  if (problems.length === 0) await rm(folder, { recursive: true });
  return { summary, problems, folder };
}
