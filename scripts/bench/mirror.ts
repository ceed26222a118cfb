import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { request } from "undici";
import type { Bench, Conditions } from "./bench.ts";
import { bodyTemplate, fillBody, spreadId } from "./bodies.ts";
import type { Row, Side } from "./measure.ts";
import { writeLargeVideo, writeTinyMedia } from "./media-files.ts";
import { type Child, runProgram, startChild } from "./processes.ts";
import { benchConfig, databaseOf, startRelay } from "./start-relay.ts";

const MIB = 2 ** 20;

/** Memory must not follow the file: so much more for four times the bytes is still flat. */
const FLAT = 1.2;

/** How long a copy may take, in milliseconds. */
const PATIENCE = 300_000;

/** A large video from a local server, until it is mirrored: fetched, hashed, verified, synced, in its place. */
export const benchMirror: Bench = async (conditions) => {
  const sizes = conditions.small ? [4, 16] : [256, 1024];
  const rows: Row[] = [];
  for (const size of sizes) rows.push(await measureSize(size, conditions));
  const [less, more] = rows;
  const held = (row: Row | undefined) => ({
    values: row?.ours?.memory?.flatMap((bytes) => (bytes === null ? [] : [bytes / 1e6])) ?? [],
  });
  return [
    less!,
    { ...more!, wanted: { of: "ratio", atMost: 2 } },
    {
      figure: `memory for ${sizes[1]} MiB`,
      unit: "MB",
      baseline: null,
      ours: held(more),
      wanted: { of: "ours", atMost: 200 },
    },
    {
      figure: `memory for ${sizes[1]} MiB, to that for ${sizes[0]}`,
      unit: "MB",
      baseline: held(less),
      ours: held(more),
      wanted: { of: "ratio", atMost: FLAT },
    },
  ];
};

async function measureSize(size: number, { rounds, folder, say }: Conditions): Promise<Row> {
  const baseline = { values: [] as number[] } satisfies Side;
  const ours = { values: [] as number[], memory: [] as (number | null)[] } satisfies Side;
  const dir = folder();
  const media = writeTinyMedia(dir);
  writeLargeVideo(media.video, size * MIB);
  const server = await startChild("media-server.ts", media);
  try {
    for (let round = 1; round <= rounds; round++) {
      baseline.values.push(await copyWithCurl(join(folder(), "copy"), `${server.ready.url}/video.mp4`));
      const copied = await copyWithRelay(folder(), server.ready.url);
      ours.values.push(copied.seconds);
      ours.memory.push(copied.memory);
      const [curl, relay] = [baseline, ours].map(({ values }) => `${values.at(-1)?.toFixed(2)} s`);
      say(`mirror ${size} MiB: round ${round}, ${curl} with curl, ${relay} with the relay`);
    }
  } finally {
    await server.stop();
    rmSync(dir, { recursive: true });
  }
  return { figure: `mirror ${size} MiB`, unit: "s", baseline, ours, wanted: null };
}

/** Seconds. */
async function copyWithCurl(file: string, url: string): Promise<number> {
  const begun = performance.now();
  await runProgram("sh", ["-c", 'curl -sS -f -o "$1" "$2" && sync "$1"', "sh", file, url]);
  const seconds = (performance.now() - begun) / 1000;
  rmSync(file);
  return seconds;
}

async function copyWithRelay(dir: string, media: string): Promise<{ seconds: number; memory: number | null }> {
  const relay = await startRelay(dir, benchConfig({ endpoints: [] }), { workers: true });
  try {
    const begun = performance.now();
    await postVideo(relay, media);
    await untilMirrored(databaseOf(dir));
    return { seconds: (performance.now() - begun) / 1000, memory: relay.peakMemory() };
  } finally {
    await relay.stop();
    rmSync(dir, { recursive: true });
  }
}

async function postVideo(relay: Child<{ url: string }>, media: string): Promise<void> {
  const { thumbnailUrl, ...event } = JSON.parse(fillBody(bodyTemplate(media), spreadId(1, 1)));
  const body = JSON.stringify(event);
  const answer = await request(relay.ready.url, { method: "POST", body });
  if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
  await answer.body.dump();
}

async function untilMirrored(path: string): Promise<void> {
  type Medium = { state: string; suspect: string | null; last_error: string | null };
  const db = new Database(path, { readonly: true });
  const medium = db.prepare<[], Medium>("SELECT state, suspect, last_error FROM media");
  try {
    for (let waited = 0; waited < PATIENCE; waited += 5) {
      const { state, suspect, last_error } = medium.get()!;
      if (last_error !== null || suspect !== null) throw new Error(`not mirrored: ${last_error ?? suspect}`);
      if (state === "mirrored") return;
      await sleep(5);
    }
  } finally {
    db.close();
  }
  throw new Error("the video was not mirrored in time");
}
