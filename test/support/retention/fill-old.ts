import { hash } from "node:crypto";
import Database from "better-sqlite3";
import { PER_MS } from "../../../src/store/core/rows/numbers.ts";
import { APPLICATION_ID, migrations } from "../../../src/store/sqlite/schema/migrations.ts";

/** The schema of version 0.2.0. */
const OLD = 3;

const DAY = 86_400_000;
const SOURCE = "54.81.68.237";

/** What becomes of a video: a draft, autosaves, an exit, a film. */
const LIFE = ["draft.new", ...Array.from({ length: 12 }, () => "draft.update"), "draft.exit", "video.ready"];

/** Bytes of a body that are unlike those of any other, as the signatures of two links are. */
const SIGNATURES = 128;

export type OldDatabase = { events: number; expired: number; waiting: number };

/**
 * Fills a database of version 0.2.0: so many events, which were received between 200 and 100 days ago, each with a delivery to
 * "app" that was delivered at its second attempt; of every fiftieth video all wait for "away" as well. Written in SQL: a
 * million take half a minute.
 */
export function fillOld(path: string, events: number, padding = 600): OldDatabase {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  for (const step of migrations.slice(0, OLD)) db.exec(step);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma(`user_version = ${OLD}`);
  db.pragma("synchronous = OFF");
  const insert = (table: string, columns: string) =>
    db.prepare(`INSERT INTO ${table} (${columns}) VALUES (${columns.replace(/\w+/g, "?")})`);
  const addVideo = insert(
    "videos",
    "id, video_id, context, context_since, state, title, first_seen, last_event_at, sequence",
  );
  const addEvent = insert(
    "events",
    "id, received_at, video, sequence, type, dialect, failure, context, source, deliveries, body",
  );
  const addDelivery = insert(
    "deliveries",
    "id, endpoint, video, event, ordered, state, due, attempts, claims, settled_at",
  );
  const addAttempt = insert("attempts", "delivery, n, started_at, duration, status, error, response");
  const videos = Math.ceil(events / LIFE.length);
  const start = Date.now() - 200 * DAY;
  const step = Math.floor((100 * DAY * PER_MS) / (events + videos));
  let last = start * PER_MS;
  const next = () => (last += step);
  const made: OldDatabase = { events: 0, expired: 0, waiting: 0 };
  const pad = "x".repeat(Math.max(0, padding - SIGNATURES));

  function add(nth: number): void {
    const video = next();
    const [videoId, context] = [`old-${nth}`, `page-${nth % 1000}`];
    const waits = nth % 50 === 0;
    const times: number[] = [];
    for (const [at, type] of LIFE.entries()) {
      if (made.events >= events) break;
      const id = next();
      const receivedAt = Math.floor(id / PER_MS);
      times.push(receivedAt);
      const signatures = hash("sha512", String(id));
      const body = JSON.stringify({ type, wochitVideoId: videoId, videoContext: context, pad, signatures });
      const about = [type, "typed", 0, context, SOURCE, waits ? 2 : 1];
      addEvent.run(id, receivedAt, video, at + 1, ...about, Buffer.from(body));
      addDelivery.run(id + 1, "app", video, id, 1, "delivered", null, 2, 2, receivedAt + 6_000);
      addAttempt.run(id + 1, 1, receivedAt, 12, 500, "HTTP 500", Buffer.from("no"));
      addAttempt.run(id + 1, 2, receivedAt + 5_000, 12, 200, null, Buffer.from("ok"));
      if (waits) addDelivery.run(id + 2, "away", video, id, 1, "pending", at === 0 ? receivedAt : null, 0, 0, null);
      made.events++;
      if (waits) made.waiting++;
      else made.expired++;
    }
    addVideo.run(video, videoId, context, times[0], "ready", `title ${nth}`, times[0], times.at(-1), times.length);
  }
  const some = db.transaction((from: number, to: number) => {
    for (let nth = from; nth < to; nth++) add(nth);
  });
  for (let from = 0; from < videos; from += 1_000) some(from, Math.min(from + 1_000, videos));
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.close();
  return made;
}
