import type Database from "better-sqlite3";
import { RelayError } from "../../errors.ts";

/**
 * The schema, as numbered steps that are only ever appended to. `user_version` counts the steps a database has taken.
 *
 * Ids are made by ids.ts: numbers that grow with time and commit order, shared by all tables, so that rows are appended
 * at the right edge of their trees and an id says when its row was made. Times are milliseconds since 1970.
 */
export const migrations: string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE videos (
    id INTEGER PRIMARY KEY,
    video_id TEXT NOT NULL UNIQUE,
    context TEXT,                     -- the newest that is not null
    context_since INTEGER,
    state TEXT NOT NULL,
    title TEXT,
    duration REAL,                    -- seconds
    first_seen INTEGER NOT NULL,
    last_event_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,        -- the last one given to an event of this video
    last_event INTEGER,               -- the last event that is no autosave, and its fingerprint:
    last_fingerprint TEXT             -- what the next event may be a duplicate of
  ) STRICT;
  CREATE INDEX videos_context ON videos (context) WHERE context IS NOT NULL;

  -- Contexts that a video had before its present one.
  CREATE TABLE past_contexts (
    id INTEGER PRIMARY KEY, video INTEGER NOT NULL, context TEXT NOT NULL, since INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX past_contexts_video ON past_contexts (video);
  CREATE INDEX past_contexts_context ON past_contexts (context);

  CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    video INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    type TEXT,
    dialect TEXT NOT NULL,
    failure INTEGER NOT NULL,
    context TEXT,                     -- the event's own; the mapping fills it in when it is read
    source TEXT NOT NULL,
    duplicates INTEGER NOT NULL DEFAULT 0,
    video_medium INTEGER,
    thumbnail_medium INTEGER,
    body BLOB
  ) STRICT;
  CREATE UNIQUE INDEX events_video ON events (video, sequence);

  CREATE TABLE duplicates (
    id INTEGER PRIMARY KEY, event INTEGER NOT NULL, received_at INTEGER NOT NULL, source TEXT NOT NULL, body BLOB
  ) STRICT;

  CREATE TABLE media (
    id INTEGER PRIMARY KEY,
    video INTEGER NOT NULL,
    kind TEXT NOT NULL,
    event INTEGER NOT NULL,           -- the event that announced it last
    sequence INTEGER NOT NULL,        -- that event's
    url TEXT NOT NULL,                -- the freshest link
    host TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    changes INTEGER NOT NULL,         -- a draft's: the file behind the link may change
    state TEXT NOT NULL,              -- 'pending' also while its job runs
    job INTEGER,                      -- its last download
    key TEXT,                         -- the copy, while there is one; it outlives a refetch that fails
    bytes INTEGER,
    sha256 TEXT,
    content_type TEXT,
    suspect TEXT,
    etag TEXT,
    last_modified TEXT,
    last_error TEXT
  ) STRICT;
  CREATE INDEX media_live ON media (video, kind) WHERE state <> 'superseded';
  CREATE INDEX media_key ON media (key) WHERE key IS NOT NULL;

  -- Everything that is done later. 'due' is "not before" while pending and "lease until" while running; null while a job
  -- waits for its gate or for its turn in its lane. A first download's due time is its deadline, moved far into the past
  -- (jobs.ts): so one index gives first tries by deadline, then repeated ones.
  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,              -- 'download/<host>' or 'deliver/<endpoint>'
    lane TEXT,                        -- its jobs run one after the other, by id; null: no order
    state TEXT NOT NULL,
    due INTEGER,
    alarm INTEGER,                    -- when the gate opens by itself, or a failing head steps aside
    aside INTEGER NOT NULL DEFAULT 0, -- 1: holds its lane no longer
    video INTEGER NOT NULL,
    event INTEGER NOT NULL,
    medium INTEGER,                   -- of a download
    gate_until INTEGER,               -- of a delivery that waits for its media
    replay INTEGER NOT NULL DEFAULT 0, -- 1: a replay; 2: a replay under a new message id
    attempts INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    last_error TEXT,
    settled_at INTEGER
  ) STRICT;
  CREATE INDEX jobs_due ON jobs (queue, due) WHERE due IS NOT NULL;
  CREATE INDEX jobs_alarm ON jobs (alarm) WHERE alarm IS NOT NULL;
  CREATE INDEX jobs_lane ON jobs (lane) WHERE lane IS NOT NULL AND settled_at IS NULL;
  CREATE INDEX jobs_waiting ON jobs (video) WHERE state = 'waiting';
  CREATE INDEX jobs_event ON jobs (event) WHERE medium IS NULL;
  CREATE INDEX jobs_dead ON jobs (queue) WHERE state = 'dead' AND medium IS NULL;

  -- One row per attempt of a delivery; n is the claim that made it, so a retried delivery keeps its earlier ones.
  CREATE TABLE attempts (
    job INTEGER NOT NULL, n INTEGER NOT NULL, started_at INTEGER NOT NULL, duration INTEGER NOT NULL,
    status INTEGER, error TEXT, response BLOB,
    PRIMARY KEY (job, n)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE endpoints (
    id TEXT PRIMARY KEY, paused_at INTEGER, reason TEXT, gone INTEGER NOT NULL DEFAULT 0 -- 410s in a row
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL,
    ring INTEGER NOT NULL,            -- 1: refused for its sender, token or size; 0: not an event
    sha256 BLOB NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX quarantine_body ON quarantine (sha256, reason);
  CREATE INDEX quarantine_ring ON quarantine (ring, bytes);
  `,
];

/** Marks the file as ours ("wrly"), so that another program's database is refused instead of migrated. */
const APPLICATION_ID = 0x77726c79;

/** Brings a database to the newest schema; refuses one that is newer than this program, or not ours. */
export function migrate(db: Database.Database): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    const version = checkVersion(db);
    for (const [index, step] of migrations.entries()) if (index >= version) db.exec(step);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${migrations.length}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** The schema version of a database; throws when it is not ours, or newer than this program. */
export function checkVersion(db: Database.Database): number {
  const version = Number(db.pragma("user_version", { simple: true }));
  const owner = Number(db.pragma("application_id", { simple: true }));
  const empty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (!empty && owner !== APPLICATION_ID) {
    throw new RelayError("conflict", `${db.name} is not a database of wochit-relay; choose another dataDir`);
  }
  if (version > migrations.length) {
    throw new RelayError(
      "conflict",
      `${db.name} has schema ${version}, this program knows ${migrations.length}; run the newer wochit-relay`,
    );
  }
  return version;
}
