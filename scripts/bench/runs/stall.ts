import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { Bench, Conditions } from "../bench.ts";
import { bodyTemplate, fillBody, spreadId } from "../load/bodies.ts";
import { postEvent } from "../load/post.ts";
import { median, quantile, type Side } from "../measure.ts";
import { startChild } from "../processes.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";
import type { Version } from "../versions.ts";
import { compileShim, NO_SHIM } from "./shims.ts";

/** How long one sync takes (stall-fsync.c), and for how much of that /healthz is asked; milliseconds. */
const STALL = 2_000;
const ASKED = STALL - 100;

/** Between two requests for /healthz, and between two events; milliseconds. */
const EVERY = 10;
const EVENT_EVERY = 20;

const WARM_UP = 2_000;

/** How long it may be until a sync comes that stalls; milliseconds. */
const PATIENCE = 10_000;

/** The most that is wanted of the 99th percentile, in milliseconds. */
const WANTED = 50;

/**
 * How soon /healthz answers while one sync of the disk takes 2 s. Requests go out at fixed times, whether or not earlier
 * ones were answered; events come in and are delivered all the while.
 */
export const benchStall: Bench = async (conditions) => {
  const figure = "/healthz p99 while one fsync takes 2 s";
  const shim = compileShim("stall-fsync", conditions.folder());
  if (shim === null) {
    return [{ figure, unit: "ms", baseline: null, ours: null, wanted: null, note: `left out: ${NO_SHIM}` }];
  }
  const relays = conditions.versions.map((version) => ({ version, side: emptySide() }));
  await takeTurns(
    conditions.rounds,
    relays.map(({ version, side }) => ({
      measure: (round: number) => measure(version, side, shim, conditions, round),
    })),
  );
  return [rowOf({ figure, unit: "ms", wanted: { of: "ours", atMost: WANTED } }, relays)];
};

async function measure(
  version: Version,
  side: Required<Side>,
  shim: string,
  { folder, say }: Conditions,
  round: number,
): Promise<void> {
  const dir = folder();
  const stall = join(dir, "stall");
  const app = await startChild<{ url: string }>("app.ts", {});
  const config = benchConfig({
    mirror: { enabled: false },
    endpoints: [{ id: "app", url: app.ready.url, secret: SECRET }],
  });
  const env = { LD_PRELOAD: shim, STALL_FILE: stall };
  const relay = await startRelay(dir, config, { workers: true, env, version });
  const events = startEvents(relay.ready.url, round);
  try {
    await sleep(WARM_UP);
    writeFileSync(stall, "");
    for (let waited = 0; existsSync(stall); waited++) {
      if (waited > PATIENCE) throw new Error("no sync came that could stall");
      await sleep(1);
    }
    const took = await askAllTheWhile(new URL("/healthz", relay.ready.url));
    side.values.push(quantile(took, 0.99));
    side.p50.push(median(took));
    side.p99.push(quantile(took, 0.99));
    side.memory.push(relay.peakMemory());
    const [p50, p99] = [side.p50, side.p99].map((values) => values.at(-1)!.toFixed(1));
    say(`stall: round ${round}, ${version.name}, /healthz p50 ${p50} ms, p99 ${p99} ms of ${took.length}`);
  } finally {
    await events.stop();
    await relay.stop();
    await app.stop();
    rmSync(dir, { recursive: true });
  }
}

/** Milliseconds that each request took, from the time at which it was due. */
async function askAllTheWhile(url: URL): Promise<number[]> {
  const dispatcher = new Agent({ connections: ASKED / EVERY, pipelining: 1 });
  const asked: Promise<number>[] = [];
  const begun = performance.now();
  const ask = async (due: number) => {
    const { statusCode, body } = await request(url, { dispatcher });
    await body.dump();
    if (statusCode !== 200) throw new Error(`/healthz answers ${statusCode}`);
    return performance.now() - due;
  };
  for (let due = begun; due < begun + ASKED; due += EVERY) {
    await sleep(Math.max(0, due - performance.now()));
    asked.push(ask(due));
  }
  const took = await Promise.all(asked);
  await dispatcher.close();
  return took;
}

/** Posts an event at a time, so that there is always a commit soon. */
function startEvents(url: string, round: number): { stop(): Promise<void> } {
  const template = bodyTemplate();
  const dispatcher = new Agent();
  let goesOn = true;
  const posting = (async () => {
    for (let count = 0; goesOn; count++) {
      await postEvent(url, fillBody(template, spreadId(round, count)), dispatcher);
      await sleep(EVENT_EVERY);
    }
  })();
  // Awaited at the end; a failure until then is no unhandled one.
  posting.catch(() => {});
  return {
    async stop() {
      goesOn = false;
      await posting.finally(() => dispatcher.close());
    },
  };
}
