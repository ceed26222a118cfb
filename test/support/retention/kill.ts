import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { codeOf } from "../../../src/errors.ts";
import { endpoint } from "../config.ts";
import { seededRandom } from "../random.ts";
import { openReceiver } from "../receiver.ts";
import { endpointTo } from "../relay-in-folder.ts";
import { lastingPort, spawnServe } from "../serve-process.ts";
import { finish, runCli, spawnCli } from "../spawn.ts";
import { openStored, type Stored } from "../stored.ts";

export type KillOptions = { kills: number; seed: string };

/** Milliseconds: how long bodies are kept, and how long is waited for the end. */
const KEPT = 300;
const PATIENCE = 120_000;

/** So many events that each video has some: its newest autosave is kept, and one before it goes. */
const ENOUGH = 300;

const MAIN = join(import.meta.dirname, "serve.ts");

type Sent = { id: string; type: string; body: string; waits: boolean };

/**
 * A relay that prunes all the time is killed, again and again, under load. Half of the videos wait for an app that is paused.
 * A problem is an acknowledged event without its very body although it waits, one that did not arrive, one that is gone and is
 * no autosave, and one that is not pruned in the end.
 */
export async function runKills({
  kills,
  seed,
}: KillOptions): Promise<{ summary: string; problems: string[]; folder: string }> {
  const random = seededRandom(seed);
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-retention-kill-"));
  const app = await openReceiver();
  const port = await lastingPort();
  const configPath = join(folder, "config.json");
  const config = {
    dataDir: join(folder, "data"),
    server: { listen: `127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url), endpoint("away", { paused: true, filter: { videoId: ["waits-*"] } })],
    retention: { bodies: `${KEPT}ms`, attempts: `${KEPT}ms` },
  };
  writeFileSync(configPath, JSON.stringify(config));
  const agent = new Agent({ connections: 8 });
  const sent: Sent[] = [];
  const problems: string[] = [];
  let isOver = false;
  let serial = 0;

  async function post(): Promise<void> {
    const nth = serial++;
    const waits = nth % 2 === 0;
    const type = nth % 7 === 0 ? "draft.exit" : "draft.update";
    const video = `${waits ? "waits" : "goes"}-${Math.floor(nth / 2) % 20}`;
    const body = JSON.stringify({ type, wochitVideoId: video, videoContext: "c", nth, pad: "x".repeat(500) });
    try {
      const options = {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
        dispatcher: agent,
      } as const;
      const answer = await request(`http://127.0.0.1:${port}/webhooks/wochit`, options);
      const { id, status } = (await answer.body.json()) as { id: string; status: string };
      if (answer.statusCode === 200 && status === "accepted") sent.push({ id, type, body, waits });
    } catch {
      // It was killed before it answered.
      await sleep(5);
    }
  }
  const posting = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!isOver) await post();
    }),
  );

  let relay = spawnServe({ configPath, port, main: MAIN });
  for (let nth = 0; nth < kills; nth++) {
    await relay.ready();
    await sleep(150 + random.float() * 500);
    await relay.kill();
    relay = spawnServe({ configPath, port, main: MAIN });
  }
  await relay.ready();
  const until = Date.now() + PATIENCE;
  while (sent.length < ENOUGH && Date.now() < until) await sleep(50);
  isOver = true;
  await posting;

  const stored = await openStored(configPath);
  try {
    const gone = await judge();
    const { code, signal } = await relay.stop();
    if (code !== 0) problems.push(`SIGTERM ended it with ${signal ?? code}`);
    const held = await countEvents(stored);
    await stored.close();
    for (let nth = 0; nth < kills; nth++) {
      await killCompaction(configPath, 100 + random.float() * 500);
      const again = await openStored(configPath);
      if (again.integrity() !== "ok") problems.push(`after a compaction was killed: ${again.integrity()}`);
      const now = await countEvents(again);
      if (now !== held) problems.push(`there were ${held} events, and after a compaction was killed ${now}`);
      await again.close();
    }
    const { code: ended, stderr } = await runCli(["prune", "--compact", "--config", configPath]);
    if (ended !== 0) problems.push(`the last compaction failed: ${stderr}`);
    const summary = `killed ${kills} times while it pruned: of ${sent.length} events ${gone.whole} went whole, ${gone.bodies} lost their body, ${gone.kept} wait (seed ${seed})`;
    if (gone.whole === 0 || gone.kept === 0) problems.push("the run has shown nothing");
    if (problems.length === 0) await rm(folder, { recursive: true, force: true });
    return { summary, problems, folder };
  } finally {
    await relay.kill();
    await stored.close().catch(() => {});
    await agent.close();
    await app.close();
  }

  async function judge() {
    const gone = { whole: 0, bodies: 0, kept: 0 };
    const until = Date.now() + PATIENCE;
    const arrived = () => new Set(app.requests.map(({ headers }) => headers["webhook-id"]));
    while (Date.now() < until && !sent.every(({ id }) => arrived().has(id))) await sleep(100);
    const all = arrived();
    for (const { id, type, body, waits } of sent) {
      if (!all.has(id)) problems.push(`${id} did not arrive`);
      const found = await stored.body(id).then((bytes) => new TextDecoder().decode(bytes), codeOf);
      if (waits) {
        if (found !== body) problems.push(`${id} waits, and its body is ${found.slice(0, 40)}`);
        gone.kept++;
        continue;
      }
      for (let now = found; now !== "body_expired"; now = await stored.body(id).then(() => "there", codeOf)) {
        if (Date.now() > until) {
          problems.push(`${id} has ended, and its body is not pruned`);
          break;
        }
        await sleep(20);
      }
      const isThere = await stored.event(id).then(
        () => true,
        () => false,
      );
      if (isThere) gone.bodies++;
      else gone.whole++;
      if (!isThere && type !== "draft.update") problems.push(`${id}, a ${type}, is gone`);
    }
    return gone;
  }
}

async function countEvents(stored: Stored): Promise<number> {
  let count = 0;
  for await (const _ of stored.events()) count++;
  return count;
}

/** Kills it after so many milliseconds. */
async function killCompaction(configPath: string, ms: number): Promise<void> {
  const child = spawnCli(["prune", "--compact", "--config", configPath]);
  const ended = finish(child);
  await Promise.race([ended, sleep(ms)]);
  child.kill("SIGKILL");
  await ended;
}
