import { type Apart, aboutSome, type Job, sql, type Tx, type Value } from "../tx.ts";
import type { Prefix } from "./ids.ts";
import { among } from "./merge.ts";

const FROM = {
  deliveries: { from: "deliveries o", id: "o.id", video: "o.video" },
  events: { from: "events o", id: "o.id", video: "o.video" },
  media: { from: "media o", id: "o.id", video: "o.video" },
  videos: { from: "videos o", id: "o.id", video: "o.id" },
} as const;

/** The names of the videos that these rows are of; "" stands for none, as 0 does. */
export async function videosOf(tx: Tx, table: keyof typeof FROM, ids: number[]): Promise<string[]> {
  const { from, id, video } = FROM[table];
  const select = `SELECT coalesce(v.video_id, '') AS name FROM ${from} LEFT JOIN videos v ON v.id = ${video}`;
  const found = await Promise.all(
    among(id, ids).map(({ text, values }) => tx.all(sql<Value[], { name: string }>(`${select} WHERE ${text}`), values)),
  );
  return [...new Set([...(ids.includes(0) ? [""] : []), ...found.flat().map(({ name }) => name)])];
}

/** A job about the video of this row, and rows that are `apart`. RelayError("not_found") for an id that is none. */
export function ofRow<Result>(
  table: keyof typeof FROM,
  prefix: Prefix,
  id: string,
  run: (tx: Tx) => Promise<Result>,
  apart?: Apart,
): Job<Result> {
  return aboutSome((tx) => videosOf(tx, table, [tx.ids.read(prefix, id)]), run, apart);
}

/**
 * A job about the videos that `find` gives. What it finds when it runs may be of others, too: of those `isHeld` says so, and they
 * are left to the next.
 */
export function aboutFound<Result>(
  find: (tx: Tx) => Promise<number[]>,
  run: (tx: Tx, isHeld: (video: number) => boolean) => Promise<Result>,
  table?: Apart,
): Job<Result> {
  // Null: there is no other relay.
  let held: Set<number> | null = null;
  const videos = async (tx: Tx) => {
    held = new Set(await find(tx));
    return videosOf(tx, "videos", [...held]);
  };
  return aboutSome(videos, (tx) => run(tx, (video) => held === null || held.has(video)), table);
}

/**
 * Does the work of each of these: of different lanes (videos) side by side, in one of them in order. Gives what came of each. A
 * relay that is alone gains nothing by that: it does all in order.
 */
export async function inLanes<One, Result>(
  tx: Tx,
  some: One[],
  laneOf: (one: One) => unknown,
  work: (one: One) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const numbered = some.map((one, at) => ({ one, at }));
  const lanes = [...Map.groupBy(numbered, ({ one }) => (tx.relay.isAlone ? null : laneOf(one))).values()];
  await Promise.all(
    lanes.map(async (lane) => {
      for (const { one, at } of lane) results[at] = await work(one);
    }),
  );
  return results;
}
