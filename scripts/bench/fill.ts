import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { migrate } from "../../src/store/sqlite/migrations.ts";
import { bodyTemplate, fillBody, spreadId } from "./bodies.ts";

const DAY = 86_400_000;

/** Over how long the past is spread. */
const PAST = 90 * DAY;

/** Ids are milliseconds and ten bits more (src/store/sqlite/ids.ts). */
const PER_MS = 1024;

const HOST = "media.wochit.example";
const SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/**
 * Fills a new database with a past: so many events in pairs, each pair one video that was announced (two media, two
 * downloads, one delivery) and deleted (one delivery). All jobs, two for each event, are settled; each delivery has its
 * attempt. Written straight in SQL: it takes a minute or two for a million.
 */
export function fillDatabase(path: string, events: number, say: (text: string) => void): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  migrate(db);
  db.pragma("synchronous = OFF");
  db.pragma("cache_size = -262144");
  const add = createFiller(db, events);
  const some = db.transaction((from: number, to: number) => {
    for (let pair = from; pair < to; pair++) add(pair);
  });
  const pairs = events / 2;
  for (let from = 0; from < pairs; from += 10_000) {
    some(from, Math.min(from + 10_000, pairs));
    if (from % 50_000 === 0) say(`growth: filling, ${Math.round((100 * from) / pairs)} %`);
  }
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.close();
}

/** Returns what adds the video of one pair of events, with all that belongs to it. */
function createFiller(db: Database.Database, events: number): (pair: number) => void {
  const insert = (table: string, columns: string) =>
    db.prepare(`INSERT INTO ${table} (${columns}) VALUES (${columns.replace(/\w+/g, "?")})`);
  const video = insert(
    "videos",
    "id, video_id, context, context_since, state, title, duration, first_seen, last_event_at, sequence, last_event, last_fingerprint",
  );
  const event = insert(
    "events",
    "id, received_at, video, sequence, type, dialect, failure, context, source, video_medium, thumbnail_medium, body",
  );
  const medium = insert(
    "media",
    "id, video, kind, event, sequence, url, host, deadline, changes, state, job, key, bytes, sha256, content_type, etag",
  );
  const job = insert("jobs", "id, queue, lane, state, video, event, medium, gate_until, attempts, claims, settled_at");
  const attempt = insert("attempts", "job, n, started_at, duration, status, response");

  const template = bodyTemplate(`https://${HOST}`);
  const start = Date.now() - PAST;
  const step = Math.floor((PAST * PER_MS) / (events * 6));
  let last = start * PER_MS;
  const next = () => (last += step);

  return (pair) => {
    const videoId = spreadId(0, pair);
    const body = fillBody(template, videoId);
    const { videoUrl, thumbnailUrl, title } = JSON.parse(body) as Record<string, string>;
    const context = `page-${pair % 50_000}`;
    const ready = next();
    const at = Math.floor(ready / PER_MS);
    const id = next();

    const addMedium = (kind: string, url: string, ext: string) => {
      const [mediumId, jobId] = [next(), next()];
      job.run(jobId, `download/${HOST}`, `${kind}/${id}`, "delivered", id, ready, mediumId, null, 1, 1, at + 900);
      const key = `${videoId}/${kind}${ext}`;
      const copy = [key, 1_048_576, SHA256, kind === "video" ? "video/mp4" : "image/jpeg", `"${SHA256.slice(32)}"`];
      medium.run(mediumId, id, kind, ready, 1, url, HOST, at + DAY, 0, "mirrored", jobId, ...copy);
      return mediumId;
    };
    const addDelivery = (eventId: number, time: number) => {
      const jobId = next();
      job.run(jobId, "deliver/app", `app/${id}`, "delivered", id, eventId, null, time + DAY / 24, 1, 1, time + 1_000);
      attempt.run(jobId, 1, time + 990, 12, 200, Buffer.from("ok"));
    };

    const media = [addMedium("video", videoUrl!, ".mp4"), addMedium("thumbnail", thumbnailUrl!, ".jpg")];
    const bytes = Buffer.from(body);
    event.run(ready, at, id, 1, "video.ready", "typed", 0, context, "54.81.68.237", ...media, bytes);
    addDelivery(ready, at);
    const gone = next();
    const later = Math.floor(gone / PER_MS);
    const farewell = Buffer.from(body.replace("video.ready", "video.delete").slice(0, -2).padEnd(599, " ").concat("}"));
    event.run(gone, later, id, 2, "video.delete", "typed", 0, context, "54.81.68.237", null, null, farewell);
    addDelivery(gone, later);
    video.run(id, videoId, context, at, "deleted", title, 31.5, at, later, 2, gone, SHA256.slice(0, 43));
  };
}
