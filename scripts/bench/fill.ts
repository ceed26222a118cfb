import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { PER_MS } from "../../src/store/core/rows/numbers.ts";
import { migrate } from "../../src/store/sqlite/schema/migrations.ts";
import { bodyTemplate, fillBody, spreadId } from "./load/bodies.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Over how long the past is spread. */
const PAST = 90 * DAY;

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
  const addVideo = insert(
    "videos",
    "id, video_id, context, context_since, state, title, duration, first_seen, last_event_at, sequence, last_event, last_fingerprint",
  );
  const addEvent = insert(
    "events",
    "id, received_at, video, sequence, type, dialect, failure, context, source, video_medium, thumbnail_medium, deliveries, body",
  );
  const addMediumRow = insert(
    "media",
    "id, video, kind, event, sequence, url, host, deadline, changes, state, attempts, claims, duration, linked_at, target, key, bytes, sha256, content_type, etag",
  );
  const addDeliveryRow = insert(
    "deliveries",
    "id, endpoint, video, event, ordered, state, gate_until, attempts, claims, settled_at",
  );
  const target = 1;
  insert("targets", "id, name, place").run(target, "local /media", JSON.stringify({ type: "local", dir: "/media" }));
  const addAttempt = insert("attempts", "delivery, n, started_at, duration, status, response");

  const template = bodyTemplate(`https://${HOST}`);
  const start = Date.now() - PAST;
  const step = Math.floor((PAST * PER_MS) / (events * 3));
  let last = start * PER_MS;
  const next = () => (last += step);

  return (pair) => {
    const videoId = spreadId(0, pair);
    const body = fillBody(template, videoId);
    const { videoUrl, thumbnailUrl, title } = JSON.parse(body) as Record<string, string>;
    const context = `page-${pair % 50_000}`;
    const video = next();

    const addMedium = (kind: string, url: string, ext: string, event: number, at: number) => {
      const id = next();
      const key = `${videoId}/${kind}${ext}`;
      const copy = [
        target,
        key,
        1_048_576,
        SHA256,
        kind === "video" ? "video/mp4" : "image/jpeg",
        `"${SHA256.slice(32)}"`,
      ];
      addMediumRow.run(id, video, kind, event, 1, url, HOST, at + DAY, 0, "mirrored", 1, 1, 31.5, at, ...copy);
      return id;
    };
    // The id of an event's delivery follows its own.
    const addDelivery = (event: number, at: number) => {
      addDeliveryRow.run(event + 1, "app", video, event, 1, "delivered", at + HOUR, 1, 1, at + 1_000);
      addAttempt.run(event + 1, 1, at + 990, 12, 200, Buffer.from("ok"));
    };

    const ready = next();
    const readyAt = Math.floor(ready / PER_MS);
    addDelivery(ready, readyAt);
    const media = [
      addMedium("video", videoUrl!, ".mp4", ready, readyAt),
      addMedium("thumbnail", thumbnailUrl!, ".jpg", ready, readyAt),
    ];
    const about = ["typed", 0, context, "54.81.68.237"];
    addEvent.run(ready, readyAt, video, 1, "video.ready", ...about, ...media, 1, Buffer.from(body));

    const gone = next();
    const goneAt = Math.floor(gone / PER_MS);
    addDelivery(gone, goneAt);
    const farewell = Buffer.from(body.replace("video.ready", "video.delete").replace(',"title":"A', ',"title":"'));
    addEvent.run(gone, goneAt, video, 2, "video.delete", ...about, null, null, 1, farewell);
    const life = [context, readyAt, "deleted", title, 31.5, readyAt, goneAt, 2, gone, SHA256.slice(0, 43)];
    addVideo.run(video, videoId, ...life);
  };
}
