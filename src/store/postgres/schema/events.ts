import { INDEXED } from "../../core/rows/merge.ts";

const BEGINNING = `substr(context, 1, ${INDEXED})`;

/** Videos, their events, and what was refused. */
export const EVENTS = [
  `CREATE TABLE videos (
    id int8 PRIMARY KEY,
    video_id TEXT NOT NULL UNIQUE,
    context TEXT,                            -- the newest that is not null
    context_since int8,
    state TEXT NOT NULL,
    title TEXT,
    title_at int8,                           -- the place in order of the event that said the title, the duration
    duration float8,                         -- seconds
    duration_at int8,
    first_seen int8 NOT NULL,
    last_event_at int8 NOT NULL,
    sequence int8 NOT NULL,                  -- the last one given to an event of this video
    last_event int8,                         -- the last event that is no autosave, and its fingerprint:
    last_fingerprint TEXT,                   -- what the next event may be a duplicate of
    has_file int4 NOT NULL DEFAULT 0,        -- 1: was ready, and nothing has deleted it since
    ordered_at int8 NOT NULL DEFAULT 0,      -- the latest place in order that was given to an event in time, or to an import
    forgotten_at int8,
    forgotten_through int8 NOT NULL DEFAULT 0 -- events up to this sequence were erased
  ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)`,
  // A context is of any length, which an entry is not. In a hash index all that have the same one would be gone through to add one.
  `CREATE INDEX videos_context ON videos (${BEGINNING}, id) WHERE context IS NOT NULL`,
  "CREATE INDEX videos_state ON videos (state, id)",

  // Contexts that a video had before its present one; mappings that were made elsewhere.
  "CREATE TABLE past_contexts (id int8 PRIMARY KEY, video int8 NOT NULL, context TEXT NOT NULL, since int8 NOT NULL)",
  "CREATE INDEX past_contexts_video ON past_contexts (video, id)",
  `CREATE INDEX past_contexts_context ON past_contexts (${BEGINNING}, video)`,
  `CREATE TABLE imports (
    id int8 PRIMARY KEY, video int8 NOT NULL, context TEXT NOT NULL, at int8 NOT NULL,
    ordered_at int8                          -- the place in order; null: before all that events say
  )`,
  "CREATE INDEX imports_video ON imports (video, id)",

  `CREATE TABLE events (
    id int8 PRIMARY KEY,
    received_at int8 NOT NULL,
    video int8 NOT NULL,
    sequence int8 NOT NULL,
    type TEXT,
    dialect TEXT NOT NULL,
    failure int4 NOT NULL,
    context TEXT,                            -- the event's own
    source TEXT NOT NULL,
    duplicates int4 NOT NULL DEFAULT 0,
    video_medium int8,
    thumbnail_medium int8,
    deliveries int4 NOT NULL,                -- how many ids after its own are its deliveries
    body bytea
  )`,
  "CREATE UNIQUE INDEX events_video ON events (video, sequence)",
  "CREATE INDEX events_type ON events (type, id)",
  "CREATE INDEX events_notices ON events (type, id) WHERE dialect = 'notice'",
  "CREATE INDEX events_received ON events (id) WHERE dialect <> 'notice'",
  `CREATE INDEX events_disguised ON events (id)
    WHERE dialect <> 'notice' AND type || '' >= 'relay.' AND type || '' < 'relay/'`,
  `CREATE INDEX events_context ON events (${BEGINNING}, id) WHERE context IS NOT NULL`,

  // What an event has beside what it came with; most events have none of it.
  `CREATE TABLE annotations (
    event int8 PRIMARY KEY,
    context TEXT,                            -- of one without a context of its own
    context_at int8,                         -- when that became known, where that was after the event was accepted
    late int4 NOT NULL DEFAULT 0,            -- 1: from quarantine
    ordered_at int8,                         -- its place in order, where that is not received_at
    trace TEXT                               -- traceparent and tracestate of its request, a line each
  )`,
  `CREATE INDEX annotations_given ON annotations (${BEGINNING}, event) WHERE context IS NOT NULL`,
  "CREATE INDEX annotations_found ON annotations (event) WHERE context_at IS NOT NULL",

  "CREATE TABLE duplicates (id int8 PRIMARY KEY, event int8 NOT NULL, received_at int8 NOT NULL, source TEXT NOT NULL, body bytea)",
  "CREATE INDEX duplicates_event ON duplicates (event, id)",

  `CREATE TABLE quarantine (
    id int8 PRIMARY KEY, received_at int8 NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL, ring int4 NOT NULL,
    sha256 bytea NOT NULL, bytes int8 NOT NULL, video_id TEXT, type TEXT, context TEXT, detail TEXT, body bytea NOT NULL
  )`,
  "CREATE UNIQUE INDEX quarantine_body ON quarantine (sha256, reason) WHERE ring = 0",
  "CREATE INDEX quarantine_ring ON quarantine (ring, id)",
  "CREATE INDEX quarantine_source ON quarantine (ring, source, id, bytes)",
  // What was taken in after all, and the event that it became, or that it repeats.
  "CREATE TABLE taken_in (refused int8 PRIMARY KEY, event int8 NOT NULL)",
];
