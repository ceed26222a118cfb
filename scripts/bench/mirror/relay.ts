import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { request } from "undici";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { bodyTemplate, fillBody, spreadId } from "../load/bodies.ts";
import type { Child } from "../processes.ts";
import { benchConfig, databaseOf, startRelay } from "../start-relay.ts";

/** How long a copy may take, and how often the database is asked whether it is there. Milliseconds. */
const PATIENCE = 600_000;
const EVERY = 5;

/** What it took. `cpu` is the processor time of the whole process, in seconds; `memory` its peak, in bytes. */
export type Copied = { seconds: number; cpu: number; memory: number | null };

/**
 * Posts so many videos at once to a fresh relay, and waits until each of them is mirrored. `check` is given their keys
 * before the relay ends, and none of its time counts.
 */
export async function copyWithRelay(given: {
  dir: string;
  /** Base address of the links. */
  media: string;
  videos: number;
  mirror: ConfigInput["mirror"];
  /** A folder for CPU profiles; null: none are made. */
  profile: string | null;
  check(keys: string[]): Promise<void>;
}): Promise<Copied> {
  const { dir, media, videos, profile } = given;
  const config = benchConfig({ endpoints: [], mirror: given.mirror });
  const flags = profile === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  const relay = await startRelay(dir, config, { workers: true, flags });
  try {
    const before = await relay.ask<number>("cpu");
    const begun = performance.now();
    await Promise.all(Array.from({ length: videos }, (_, count) => postVideo(relay, media, count)));
    const keys = await untilMirrored(databaseOf(dir), videos);
    const seconds = (performance.now() - begun) / 1000;
    const cpu = ((await relay.ask<number>("cpu")) - before) / 1e6;
    const memory = relay.peakMemory();
    await given.check(keys);
    return { seconds, cpu, memory };
  } finally {
    await relay.stop();
  }
}

async function postVideo(relay: Child<{ url: string }>, media: string, count: number): Promise<void> {
  // Without a duration: the film behind the link is as long as it likes.
  const { thumbnailUrl, videoDuration, ...event } = JSON.parse(fillBody(bodyTemplate(media), spreadId(1, count)));
  const answer = await request(relay.ready.url, { method: "POST", body: JSON.stringify(event) });
  if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
  await answer.body.dump();
}

/** The keys of so many copies, once all of them are there. A second try is an error: then it is not the copying that is measured. */
async function untilMirrored(path: string, videos: number): Promise<string[]> {
  type Medium = { state: string; suspect: string | null; last_error: string | null; key: string | null };
  const db = new Database(path, { readonly: true });
  const read = db.prepare<[], Medium>("SELECT state, suspect, last_error, key FROM media");
  try {
    for (let waited = 0; waited < PATIENCE; waited += EVERY) {
      const media = read.all();
      const odd = media.find(({ suspect, last_error }) => suspect !== null || last_error !== null);
      if (odd) throw new Error(`not mirrored: ${odd.last_error ?? odd.suspect}`);
      const mirrored = media.filter(({ state }) => state === "mirrored");
      if (mirrored.length === videos) return mirrored.map(({ key }) => key!);
      await sleep(EVERY);
    }
  } finally {
    db.close();
  }
  throw new Error("the videos were not mirrored in time");
}
