import type Database from "better-sqlite3";
import { RelayError } from "../../../errors.ts";
import { ALARMS_7 } from "./7/alarms.ts";
import { ARCHIVE_7 } from "./7/archive.ts";
import { LINKS_7 } from "./7/links.ts";
import { MOVES_7 } from "./7/moves.ts";
import { REFUSED_7 } from "./7/refused.ts";
import { ADMIN_7 } from "./admin-7.ts";
import { COUNTS_7 } from "./counts-7.ts";
import { DELIVERIES_4 } from "./deliveries-4.ts";
import { DELIVERIES_5 } from "./deliveries-5.ts";
import { DELIVERIES_6 } from "./deliveries-6.ts";
import { LISTS_7 } from "./lists-7.ts";
import { MEDIA_4 } from "./media-4.ts";
import { MEDIA_5 } from "./media-5.ts";
import { RETENTION_7 } from "./retention-7.ts";
import { SESSIONS_7 } from "./sessions-7.ts";
import { TAGS_4 } from "./tags-4.ts";
import { TASKS_6 } from "./tasks-6.ts";
import { TITLES_7 } from "./titles-7.ts";
import { TRACE_7 } from "./trace-7.ts";
import { SAID_OF_VIDEOS } from "./videos-4.ts";

/**
 * The schema, as numbered steps that are only ever appended to. `user_version` counts the steps a database has taken.
 *
 * Ids are made by core/rows/numbers.ts: numbers that grow with time and commit order, shared by all tables, so that rows are appended
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
    deliveries INTEGER NOT NULL,      -- how many ids after its own are its deliveries
    body BLOB
  ) STRICT;
  CREATE UNIQUE INDEX events_video ON events (video, sequence);

  CREATE TABLE duplicates (
    id INTEGER PRIMARY KEY, event INTEGER NOT NULL, received_at INTEGER NOT NULL, source TEXT NOT NULL, body BLOB
  ) STRICT;

  -- A medium is its own download job. 'due' is "not before" while pending and "lease until" while running; null while
  -- there is nothing to do, or an older thumbnail's download must end first. A first try's due time is its deadline moved
  -- far into the past (media.ts): so one index gives first tries by deadline, then repeated ones.
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
    state TEXT NOT NULL,
    due INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    key TEXT,                         -- the copy, while there is one; it outlives a refetch that fails
    bytes INTEGER,
    sha256 TEXT,
    content_type TEXT,
    suspect TEXT,
    etag TEXT,
    last_modified TEXT,
    last_error TEXT
  ) STRICT;
  CREATE INDEX media_due ON media (host, due) WHERE due IS NOT NULL;
  CREATE INDEX media_live ON media (video) WHERE state <> 'superseded';
  CREATE INDEX media_key ON media (key) WHERE key IS NOT NULL;

  -- One row per event and endpoint, and per replay. The ids of an event's own deliveries follow its id without a gap
  -- (events.deliveries says how many). 'due' is "not before" while pending, "lease until" while running, and when the
  -- gate opens by itself while waiting; null while an earlier one of its lane (video, endpoint) comes first.
  CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    video INTEGER NOT NULL,
    event INTEGER NOT NULL,
    ordered INTEGER NOT NULL,         -- 1: in a lane
    state TEXT NOT NULL,
    due INTEGER,
    gate_until INTEGER,               -- of one that waits for its media
    aside INTEGER NOT NULL DEFAULT 0, -- 1: holds its lane no longer
    aside_at INTEGER,                 -- when a failing head steps aside
    replay INTEGER NOT NULL DEFAULT 0, -- 1: a replay; 2: a replay under a new message id
    attempts INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    last_error TEXT,
    settled_at INTEGER
  ) STRICT;
  CREATE INDEX deliveries_due ON deliveries (endpoint, due) WHERE due IS NOT NULL;
  CREATE INDEX deliveries_lane ON deliveries (video, endpoint) WHERE settled_at IS NULL;
  CREATE INDEX deliveries_aside ON deliveries (endpoint, aside_at) WHERE aside_at IS NOT NULL;
  CREATE INDEX deliveries_replay ON deliveries (event) WHERE replay > 0;
  CREATE INDEX deliveries_dead ON deliveries (endpoint) WHERE state = 'dead';

  -- One row per attempt of a delivery; n is the claim that made it, so a retried delivery keeps its earlier ones.
  CREATE TABLE attempts (
    delivery INTEGER NOT NULL, n INTEGER NOT NULL, started_at INTEGER NOT NULL, duration INTEGER NOT NULL,
    status INTEGER, error TEXT, response BLOB,
    PRIMARY KEY (delivery, n)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE endpoints (
    id TEXT PRIMARY KEY, paused_at INTEGER, reason TEXT, gone INTEGER NOT NULL DEFAULT 0 -- 410s in a row
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL,
    ring INTEGER NOT NULL,            -- 1: refused for its sender, token or size; 0: not an event
    sha256 BLOB NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX quarantine_body ON quarantine (sha256, reason) WHERE ring = 0;
  CREATE INDEX quarantine_ring ON quarantine (ring, bytes);
  `,
  `
  -- Where copies are, or have been kept. 'name' tells two places apart, 'place' says how to get there (JSON).
  CREATE TABLE targets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, place TEXT NOT NULL) STRICT;

  ALTER TABLE media ADD COLUMN target INTEGER;   -- the target of the copy
  ALTER TABLE media ADD COLUMN duration REAL;    -- seconds, as announced
  ALTER TABLE media ADD COLUMN spooled TEXT;     -- what the spool holds for the target to take (JSON), until it has it
  ALTER TABLE media ADD COLUMN linked_at INTEGER; -- when the present link was received
  ALTER TABLE media ADD COLUMN risk_at INTEGER;  -- when to tell next that the link dies and nothing is secured
  UPDATE media SET linked_at = coalesce((SELECT received_at FROM events WHERE id = media.event), deadline);
  UPDATE media SET risk_at = (linked_at + deadline) / 2 WHERE due IS NOT NULL AND key IS NULL;
  CREATE INDEX media_risk ON media (risk_at) WHERE risk_at IS NOT NULL;
  CREATE INDEX duplicates_event ON duplicates (event);
  CREATE INDEX events_notices ON events (type) WHERE dialect = 'notice';

  -- What is done with copies later, each row a job. upload: a medium's spooled file, and where it was last to be put;
  -- delete: of a copy that no medium refers to, and of what the spool holds of one; erase: of a deleted video's medium,
  -- which makes it a delete. A row that is done is gone. 'due' is "not before", or, of one that runs, "lease until".
  CREATE TABLE transfers (
    id INTEGER PRIMARY KEY,
    action TEXT NOT NULL,
    medium INTEGER NOT NULL,
    target INTEGER,
    key TEXT,
    bytes INTEGER,                    -- of a delete: only what has this size
    due INTEGER NOT NULL,
    running INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    last_error TEXT
  ) STRICT;
  CREATE INDEX transfers_due ON transfers (action, due);
  CREATE INDEX transfers_medium ON transfers (medium);

  -- Endpoints that were sent a medium as pending: they are told how it ends.
  CREATE TABLE owed (
    medium INTEGER NOT NULL, event INTEGER NOT NULL, endpoint TEXT NOT NULL, ordered INTEGER NOT NULL,
    PRIMARY KEY (medium, event, endpoint)
  ) STRICT, WITHOUT ROWID;

  ALTER TABLE videos ADD COLUMN forgotten_at INTEGER;
  `,
  `
  -- Backups that were opened and checked. 'place': dir, target or file (an operator's own); 'name' is a path, or a name in
  -- the target; 'at': when the database was as the backup has it; 'planned': 1 where the relay made it by itself.
  CREATE TABLE backups (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL, bytes INTEGER NOT NULL,
    events INTEGER NOT NULL, newest INTEGER, planned INTEGER NOT NULL
  ) STRICT;

  -- Which life of the database this is: a restored one begins another.
  INSERT OR IGNORE INTO meta (name, value) VALUES ('epoch', randomblob(16));
  `,
  `${MEDIA_4 + SAID_OF_VIDEOS + TAGS_4 + DELIVERIES_4}
  -- The oldest body of a ring, and of an address in it; how much an address holds.
  DROP INDEX quarantine_ring;
  CREATE INDEX quarantine_ring ON quarantine (ring);
  CREATE INDEX quarantine_source ON quarantine (ring, source, id, bytes);
  `,
  DELIVERIES_5 + MEDIA_5,
  TASKS_6 + DELIVERIES_6,
  LISTS_7 +
    COUNTS_7 +
    RETENTION_7 +
    TITLES_7 +
    TRACE_7 +
    ADMIN_7 +
    SESSIONS_7 +
    ALARMS_7 +
    LINKS_7 +
    ARCHIVE_7 +
    MOVES_7 +
    REFUSED_7,
];

/** Marks the file as ours ("wrly"), so that another program's database is refused instead of migrated. */
export const APPLICATION_ID = 0x77726c79;

/** Brings a database to the newest schema; refuses one that is newer than this program, or not ours. */
export function migrate(db: Database.Database): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    const version = checkVersion(db);
    for (const [index, step] of migrations.entries()) if (index >= version) db.exec(step);
    // Where there is nothing to do nothing is written: a start on a full disk may still succeed.
    if (version < migrations.length) {
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${migrations.length}`);
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** The schema version of a database; throws when it is not ours, newer than this program, or, where it must be, not migrated. */
export function checkVersion(db: Database.Database, { isMigrated = false } = {}): number {
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
  if (isMigrated && version < migrations.length) {
    throw new RelayError(
      "conflict",
      `${db.name} has schema ${version}, this program needs ${migrations.length}; start this version's relay once`,
    );
  }
  return version;
}
