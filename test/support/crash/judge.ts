import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { topicMatches } from "../../../src/patterns.ts";
import { showId } from "../../../src/store/sqlite/ids.ts";
import type { App, Arrival } from "./app.ts";
import { type Posted, sha256Of, type World } from "./world.ts";

type EventRow = { id: string; videoId: string; sequence: number; type: string | null; posted: Posted };
type MediumRow = {
  id: number;
  kind: "video" | "thumbnail";
  state: string;
  key: string | null;
  bytes: number | null;
  sha256: string | null;
  last_error: string | null;
  video_id: string;
};

export type Figures = { stored: number; files: number; checks: number };
export type Judgement = { problems: string[]; figures: Figures };

/**
 * Judges what a run left behind: the database, read with plain SQL (none of the relay's own reading), the folder of the
 * copies, the spool, and what the applications got. The relay must have stopped.
 */
export function judge(given: {
  dataDir: string;
  mediaDir: string;
  world: World;
  app: App;
  endpoints: { id: string; events: string[] }[];
}): Judgement {
  const { world, app } = given;
  const problems: string[] = [];
  const figures: Figures = { stored: 0, files: 0, checks: 0 };
  const check = (holds: boolean, why: () => string) => {
    figures.checks++;
    if (!holds) problems.push(why());
  };
  const db = new Database(join(given.dataDir, "relay.db"), { readonly: true, fileMustExist: true });
  try {
    const integrity = db.pragma("integrity_check", { simple: true });
    check(integrity === "ok", () => `integrity_check: ${integrity}`);
    const events = judgeEvents(db, world, check);
    figures.stored = events.size;
    judgeDeliveries(events, app.arrivals, given.endpoints, check);
    for (const row of db
      .prepare("SELECT state, count(*) AS n FROM jobs WHERE state <> 'delivered' GROUP BY state")
      .all() as { state: string; n: number }[])
      check(row.state === "canceled", () => `${row.n} jobs ended as ${row.state}`);
    figures.files = judgeMedia(db, given.mediaDir, world, check);
    const left = listFiles(join(given.dataDir, "spool"));
    check(left.length === 0, () => `the spool still holds ${left.slice(0, 5).join(", ")} (${left.length} files)`);
  } finally {
    db.close();
  }
  return { problems, figures };
}

type Check = (holds: boolean, why: () => string) => void;

/** Nothing acknowledged is lost, nothing is there that nobody sent, bytes are bytes, sequences follow the sending. */
function judgeEvents(db: Database.Database, world: World, check: Check): Map<string, EventRow> {
  const bySerial = new Map<string, Posted>(world.posted.map((posted) => [sha256Of(posted.body), posted]));
  const events = new Map<string, EventRow>();
  const copies = new Map<Posted, string[]>();
  const lastOf = new Map<string, { sequence: number; serial: number }>();
  const rows = db.prepare(
    "SELECT e.id, e.sequence, e.type, e.body, v.video_id FROM events e JOIN videos v ON v.id = e.video ORDER BY e.video, e.sequence",
  );
  for (const row of rows.iterate() as Iterable<{
    id: number;
    sequence: number;
    type: string | null;
    body: Buffer;
    video_id: string;
  }>) {
    const id = showId("evt", row.id);
    const posted = bySerial.get(sha256Of(row.body));
    check(posted !== undefined, () => `${id} holds bytes that nobody sent: ${row.body.toString().slice(0, 200)}`);
    if (posted === undefined) continue;
    check(posted.videoId === row.video_id, () => `${id} is filed under ${row.video_id}, not ${posted.videoId}`);
    events.set(id, { id, videoId: row.video_id, sequence: row.sequence, type: row.type, posted });
    copies.set(posted, [...(copies.get(posted) ?? []), id]);

    const last = lastOf.get(row.video_id) ?? { sequence: 0, serial: -1 };
    check(
      row.sequence === last.sequence + 1,
      () => `${row.video_id}: sequence ${last.sequence} is followed by ${row.sequence}`,
    );
    check(
      posted.serial >= last.serial,
      () => `${row.video_id}: event ${posted.serial} was stored after ${last.serial}`,
    );
    lastOf.set(row.video_id, { sequence: row.sequence, serial: posted.serial });
  }
  for (const posted of world.posted) {
    const stored = copies.get(posted) ?? [];
    for (const { id } of posted.answers)
      check(
        stored.includes(id),
        () =>
          `LOST: event ${posted.serial} (${posted.type}) was acknowledged as ${id}, stored is ${stored.join() || "nothing"}`,
      );
    // An autosave that is sent again is another autosave; what the contract calls a duplicate is there once.
    const isDeduped = !["draft.update", "draft.exit", "video.failed"].includes(posted.type);
    const most = isDeduped || !posted.resends ? 1 : posted.cuts + 1;
    check(
      stored.length <= most,
      () => `event ${posted.serial} (${posted.type}) is stored ${stored.length} times: ${stored.join()}`,
    );
  }
  return events;
}

/** At least once everywhere, and never one ahead of another of its video that was not taken yet. */
function judgeDeliveries(
  events: Map<string, EventRow>,
  arrivals: Arrival[],
  endpoints: { id: string; events: string[] }[],
  check: Check,
): void {
  for (const endpoint of endpoints) {
    const wanted = new Map<string, number[]>();
    for (const { videoId, sequence, posted, type } of events.values()) {
      if (topicMatches(endpoint.events, type ?? posted.type))
        wanted.set(videoId, [...(wanted.get(videoId) ?? []), sequence]);
    }
    const next = new Map<string, number>();
    for (const arrival of arrivals) {
      if (arrival.endpoint !== endpoint.id) continue;
      const event = events.get(arrival.id);
      check(event !== undefined, () => `${endpoint.id} got ${arrival.id}, which is not stored`);
      if (event === undefined) continue;
      const { videoId, sequence } = event;
      check(
        arrival.serial === event.posted.serial,
        () => `${endpoint.id} got ${arrival.id} with the body of event ${arrival.serial}`,
      );
      check(
        arrival.sequence === null || arrival.sequence === sequence,
        () => `${endpoint.id} got ${arrival.id} as number ${arrival.sequence}, it is ${sequence}`,
      );
      const place = wanted.get(videoId)?.indexOf(sequence) ?? -1;
      check(place >= 0, () => `${endpoint.id} got ${arrival.id}, which it did not ask for`);
      const due = next.get(videoId) ?? 0;
      check(
        place <= due,
        () => `${endpoint.id} got number ${sequence} of ${videoId} before ${wanted.get(videoId)?.[due]} was taken`,
      );
      if (arrival.taken && place === due) next.set(videoId, due + 1);
    }
    for (const [videoId, sequences] of wanted) {
      const missing = sequences.slice(next.get(videoId) ?? 0);
      check(missing.length === 0, () => `${endpoint.id} never took number ${missing.join()} of ${videoId}`);
    }
  }
}

/** Every row has ended well, every file is the provider's and its row's, and there is no file without a row. */
function judgeMedia(db: Database.Database, dir: string, world: World, check: Check): number {
  const rows = db
    .prepare("SELECT m.*, v.video_id FROM media m JOIN videos v ON v.id = m.video ORDER BY m.id")
    .all() as MediumRow[];
  const keys = new Set<string>();
  const shown = new Map<string, string>();
  for (const row of rows) {
    const name = `${row.kind} ${row.id} of ${row.video_id}`;
    if (row.kind === "thumbnail" && row.state === "superseded") continue;
    check(row.state === "mirrored", () => `${name} ended as ${row.state}: ${row.last_error}`);
    if (row.state !== "mirrored" || row.key === null) continue;
    keys.add(row.key);
    const file = readFileSync(join(dir, row.key));
    const sha256 = sha256Of(file);
    check(
      file.length === row.bytes && sha256 === row.sha256,
      () => `${name}: the file ${row.key} is not what its row says`,
    );
    const served =
      row.kind === "video"
        ? world.videos.get(row.video_id)?.has(sha256)
        : world.thumbnails.get(row.video_id)?.includes(sha256);
    check(served === true, () => `${name}: ${row.key} is not what the provider served`);
    if (row.kind === "thumbnail") {
      check(!shown.has(row.video_id), () => `${row.video_id} shows two thumbnails`);
      shown.set(row.video_id, sha256);
    }
  }
  for (const { videoId, thumbnail, answers, serial } of world.posted) {
    if (thumbnail === null || answers.length === 0) continue;
    const at = world.thumbnails.get(videoId)!.indexOf(shown.get(videoId) ?? "");
    check(at >= thumbnail, () => `${videoId} shows its thumbnail ${at}, but event ${serial} announced ${thumbnail}`);
  }
  const files = listFiles(dir);
  for (const file of files) check(keys.has(file), () => `${file} is in the folder, but no row knows it`);
  return files.length;
}

function listFiles(dir: string): string[] {
  return (readdirSync(dir, { recursive: true }) as string[])
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => !lstatSync(join(dir, name)).isDirectory());
}
