import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { databaseOf } from "../../../src/store/backup.ts";
import { openBenchStore } from "../seed.ts";

// A database of years, as the relay would have left it: written by SQL, because the store would take a day for it.

const DAY = 86_400_000;
const PER_MS = 1024;

/** Events a day, and of each hundred so many of each type. */
const PER_DAY = 50_000;
const TYPES: [string, number][] = [
  ["draft.new", 6],
  ["draft.update", 72],
  ["draft.exit", 12],
  ["video.ready", 8],
  ["video.delete", 1],
  ["draft.delete", 1],
];

/** Events of one video. */
const PER_VIDEO = 16;

const WORDS =
  "market storm election results police fire rescue river london climate summit report minister before after video watch final score health doctors energy prices winter summer travel airport strike deal trade war peace talks president visit court ruling company shares launches phone car battery plant opens school students protest city council vote budget million people homes power flood bridge road train station crash driver saved dog zoo panda birth royal wedding film star award show music album tour dates".split(
    " ",
  );

/** The same numbers in each run. */
function createDice(): (below: number) => number {
  let state = 1;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state % below;
  };
}

/** Fills a folder with so many events, unless that was done before; `bytes`: of each body. */
export async function fill(dir: string, events: number, bytes: number, say: (text: string) => void): Promise<void> {
  const path = databaseOf(join(dir, "data"));
  if (existsSync(path)) return say(`operate: ${path} is used again`);
  const { store } = await openBenchStore(dir, { endpoints: [] });
  await store.close();
  const db = new Database(path);
  db.pragma("journal_mode = OFF");
  db.pragma("synchronous = OFF");
  db.pragma("cache_size = -1000000");
  const putBack = takeAway(db);
  const add = (table: string, columns: string) =>
    db.prepare(`INSERT INTO ${table} (${columns}) VALUES (${columns.replace(/[a-z_0-9]+/g, "?")})`);
  const video = add(
    "videos",
    "id, video_id, context, context_since, state, title, first_seen, last_event_at, sequence, has_file, ordered_at, title_at",
  );
  const event = add(
    "events",
    "id, received_at, video, sequence, type, dialect, failure, context, source, video_medium, thumbnail_medium, deliveries, body",
  );
  const delivery = add(
    "deliveries",
    "id, endpoint, video, event, type, ordered, state, due, attempts, claims, last_error, settled_at, tried_at, spent, failed_by",
  );
  const attempt = add("attempts", "delivery, n, started_at, duration, status, error, response, bytes, sha256");
  const medium = add(
    "media",
    "id, video, kind, event, sequence, url, host, deadline, changes, state, due, key, bytes, sha256, content_type, target, linked_at, announced_at, settled_at, last_error",
  );
  const dice = createDice();
  const now = Date.now();
  const begin = now - (events / PER_DAY) * DAY;
  const deck = TYPES.flatMap(([type, share]) => Array<string>(share).fill(type));
  const sha256 = Buffer.alloc(32, 7);
  const answer = Buffer.from("ok");
  const body = Buffer.alloc(bytes, 0x20);
  let last = 0;
  const next = (at: number, size: number) => {
    const id = Math.max(last + 1, Math.floor(at) * PER_MS);
    last = id + size - 1;
    return id;
  };
  const videos: { id: number; sequence: number }[] = [];
  const title = () => Array.from({ length: 4 + dice(6) }, () => WORDS[dice(WORDS.length)]).join(" ");
  db.exec("BEGIN");
  for (let n = 0; n < events; n++) {
    const at = Math.floor(begin + (n / events) * (now - begin));
    const isRecent = n > events - 200;
    if (n % PER_VIDEO === 0) {
      const id = next(at, 1);
      const name = [dice(2 ** 31), n, dice(2 ** 31)].map((part) => part.toString(16).padStart(8, "0")).join("");
      const state = ["draft", "ready", "ready", "deleted"][dice(4)]!;
      video.run(id, name, `page-${dice(Math.ceil(events / 40))}`, at, state, title(), at, at, PER_VIDEO, 1, at, at);
      videos.push({ id, sequence: 0 });
    }
    const of = videos[videos.length - 1 - dice(Math.min(videos.length, 50))]!;
    const sequence = ++of.sequence;
    const type = n % 100_000 === 99_000 ? "rare.type" : deck[dice(100)]!;
    const to = type.startsWith("video.") ? ["cms", "archive"] : ["cms"];
    const id = next(at, 1 + to.length);
    const media: number[] = [];
    for (const kind of type === "video.ready" ? ["video", "thumbnail"] : type === "draft.new" ? ["thumbnail"] : []) {
      const own = next(at, 1);
      const state = isRecent ? "pending" : dice(500) === 0 ? "failed" : dice(2000) === 0 ? "expired" : "mirrored";
      const isOpen = state === "pending";
      const hasCopy = state === "mirrored";
      const url = `https://media.example/${own}/file?Expires=1&Signature=abcdefghijklmnopqrstuvwxyz`;
      const copy = hasCopy
        ? [`${of.id}/${kind}-${own}`, 5_000_000, "ab".repeat(32), "video/mp4", 1]
        : [null, null, null, null, null];
      medium.run(
        ...[own, of.id, kind, id, sequence, url, "media.example", Math.floor(at) + DAY, 0, state],
        ...[isOpen ? Math.floor(at) : null, ...copy, at, at, isOpen ? null : at, hasCopy || isOpen ? null : "HTTP 403"],
      );
      media.push(own);
    }
    const [film = null, picture = null] = type === "draft.new" ? [null, media[0]] : media;
    const context = dice(3) === 0 ? null : `page-${dice(Math.ceil(events / 40))}`;
    event.run(id, at, of.id, sequence, type, "typed", 0, context, "192.0.2.1", film, picture, to.length, body);
    for (const [index, endpoint] of to.entries()) {
      const own = id + 1 + index;
      const state = isRecent && dice(2) === 0 ? "pending" : dice(2_000) === 0 ? "dead" : "delivered";
      const error = state === "dead" ? `HTTP ${500 + dice(4)}` : null;
      const isOpen = state === "pending";
      delivery.run(
        ...[own, endpoint, of.id, id, type, 1, state, isOpen ? Math.floor(at) : null, isOpen ? 0 : 1, isOpen ? 0 : 1],
        ...[error, isOpen ? null : at, isOpen ? null : at, 0, error === null ? null : "shared"],
      );
      if (!isOpen) attempt.run(own, 1, at, 12, error === null ? 200 : 500, error, answer, 1_024, sha256);
    }
    if (n % 1_000_000 === 999_999) say(`operate: ${(n + 1) / 1e6} million events are written`);
  }
  db.exec("COMMIT");
  say("operate: its indexes are made");
  putBack();
  db.close();
}

/** Drops indexes and triggers, which are made again, and what they keep, when all rows are there: that is several times as fast. */
function takeAway(db: Database.Database): () => void {
  const parts = db
    .prepare<[], { type: string; name: string; sql: string }>(
      "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type",
    )
    .all();
  for (const { type, name } of parts) db.exec(`DROP ${type} ${name}`);
  return () => {
    db.exec("PRAGMA temp_store = FILE");
    db.exec(`UPDATE counters SET value = (SELECT count(*) FROM events WHERE dialect <> 'notice') WHERE name = 'events';
      UPDATE counters SET value = (SELECT count(*) FROM videos) WHERE name = 'videos';
      UPDATE counters SET value = n FROM (SELECT kind || '/' || state AS of, count(*) AS n FROM media GROUP BY kind, state)
        WHERE name = of`);
    for (const { sql } of parts) db.exec(sql);
  };
}
