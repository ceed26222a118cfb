/** The part of migration 4 that is about what events say of their videos. */
export const SAID_OF_VIDEOS = `
  ALTER TABLE videos ADD COLUMN has_file INTEGER NOT NULL DEFAULT 0; -- 1: was ready, and nothing has deleted it since
  -- The latest place in order that was given to an event in time, or to an import. Late events take the place of their receipt.
  ALTER TABLE videos ADD COLUMN ordered_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE videos ADD COLUMN title_at INTEGER;    -- the place in order of the event that said the title, the duration
  ALTER TABLE videos ADD COLUMN duration_at INTEGER;
  ALTER TABLE videos ADD COLUMN forgotten_through INTEGER NOT NULL DEFAULT 0; -- events up to this sequence were erased

  -- What an event has beside what it came with; most events have none of it.
  CREATE TABLE annotations (
    event INTEGER PRIMARY KEY,
    context TEXT,                     -- of one without a context of its own: its video's when it was accepted, or the first after
    context_at INTEGER,               -- when that became known, where that was after the event was accepted
    late INTEGER NOT NULL DEFAULT 0,  -- 1: from quarantine
    ordered_at INTEGER                -- its place in order, where that is not received_at
  ) STRICT;
  CREATE INDEX annotations_context ON annotations (context_at) WHERE context_at IS NOT NULL;

  -- Mappings that were made elsewhere. 'ordered_at': the place in order; null: before all that events say.
  CREATE TABLE imports (
    id INTEGER PRIMARY KEY, video INTEGER NOT NULL, context TEXT NOT NULL, at INTEGER NOT NULL, ordered_at INTEGER
  ) STRICT;
  CREATE INDEX imports_video ON imports (video);

  UPDATE videos SET ordered_at = last_event_at, title_at = iif(title IS NULL, NULL, last_event_at),
    duration_at = iif(duration IS NULL, NULL, last_event_at);
  -- Up to schema 3 only an erasure takes bodies.
  UPDATE videos SET forgotten_through = coalesce((SELECT max(e.sequence) FROM events e WHERE e.video = videos.id
    AND e.sequence > 0 AND e.body IS NULL), 0) WHERE forgotten_at IS NOT NULL;
  UPDATE videos SET has_file = 1 WHERE state = 'ready' OR state <> 'unknown' AND (
    SELECT e.type = 'video.ready' FROM events e WHERE e.video = videos.id AND e.sequence > videos.forgotten_through
      AND e.failure = 0 AND e.type IN ('video.ready', 'video.delete') ORDER BY e.sequence DESC LIMIT 1);
  -- What the rules of before made of a failure after a video was ready, and of an autosave after a delete.
  UPDATE videos SET state = 'ready' WHERE has_file = 1 AND state IN ('draft', 'deleted');
  UPDATE videos SET state = 'deleted' WHERE state = 'draft' AND (
    SELECT e.failure = 0 AND e.type LIKE '%.delete' FROM events e WHERE e.video = videos.id
      AND e.sequence > videos.forgotten_through AND (e.failure = 1
        OR e.type IN ('draft.new', 'video.ready', 'video.delete', 'draft.delete')) ORDER BY e.sequence DESC LIMIT 1);

  -- A past context's id was made when another took its place: the first after an event is what the event had.
  INSERT INTO annotations (event, context) SELECT e.id, coalesce((SELECT p.context FROM past_contexts p
      WHERE p.video = e.video AND p.id > e.id ORDER BY p.id LIMIT 1), v.context) AS known
    FROM events e JOIN videos v ON v.id = e.video
    WHERE e.context IS NULL AND e.sequence > v.forgotten_through AND known IS NOT NULL;
  -- Contexts that no event said were imported, each as the newest of its time.
  INSERT INTO imports (id, video, context, at, ordered_at) SELECT h.id, h.video, h.context, h.since, h.since
    FROM (SELECT id, video, context, since FROM past_contexts
      UNION ALL SELECT id, id, context, context_since FROM videos WHERE context IS NOT NULL) h
    WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.video = h.video AND e.sequence > 0 AND e.context = h.context);
`;
