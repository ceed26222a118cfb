/** Migration 5: what breakers, coalescing and tasks need to know of deliveries and endpoints. */
export const DELIVERIES_5 = `
  -- Of its event, for coalescing and for notices about deliveries; null in rows that had ended before there was this column.
  ALTER TABLE deliveries ADD COLUMN type TEXT;
  -- Its schedule (rules/schedule.ts, Progress); 'hint': the endpoint asked for nothing before then.
  ALTER TABLE deliveries ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE deliveries ADD COLUMN waited INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE deliveries ADD COLUMN wait INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE deliveries ADD COLUMN scheduled_at INTEGER;
  ALTER TABLE deliveries ADD COLUMN hint INTEGER NOT NULL DEFAULT 0;
  -- The due time that it gets when its turn comes; null: at once.
  ALTER TABLE deliveries ADD COLUMN turn_at INTEGER;
  -- When its last attempt began, and what its last failure spoke of (rules/endpoint-health.ts, AnswerKind).
  ALTER TABLE deliveries ADD COLUMN tried_at INTEGER;
  ALTER TABLE deliveries ADD COLUMN failed_by TEXT;
  ALTER TABLE deliveries ADD COLUMN superseded_by INTEGER;
  -- When its gate opened, and why: settled, thumbnail, maxWait, delete.
  ALTER TABLE deliveries ADD COLUMN opened_at INTEGER;
  ALTER TABLE deliveries ADD COLUMN opened_by TEXT;
  -- Grows whenever it ends or is retried: a task skips what has changed since it was made.
  ALTER TABLE deliveries ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

  UPDATE deliveries SET type = (SELECT type FROM events WHERE id = deliveries.event) WHERE settled_at IS NULL;
  UPDATE deliveries SET spent = attempts, scheduled_at = due,
      tried_at = (SELECT max(started_at) FROM attempts WHERE delivery = deliveries.id),
      waited = coalesce((SELECT max(started_at) - min(started_at) FROM attempts WHERE delivery = deliveries.id), 0),
      failed_by = CASE WHEN (SELECT status FROM attempts WHERE delivery = deliveries.id ORDER BY n DESC LIMIT 1)
        BETWEEN 400 AND 499 THEN 'event' ELSE 'shared' END
    WHERE settled_at IS NULL AND attempts > 0;

  -- For how long the endpoint asked to be left alone, in milliseconds; 1: it was a probe; what was sent.
  ALTER TABLE attempts ADD COLUMN retry_after INTEGER;
  ALTER TABLE attempts ADD COLUMN probe INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE attempts ADD COLUMN bytes INTEGER;
  ALTER TABLE attempts ADD COLUMN sha256 BLOB;

  -- What is known of an endpoint by its answers (rules/endpoint-health.ts, Health; JSON; null: nothing is wrong), and the
  -- delivery that probes it.
  ALTER TABLE endpoints ADD COLUMN health TEXT;
  ALTER TABLE endpoints ADD COLUMN probing INTEGER;

  -- A replay stands in its lane at its event's place.
  DROP INDEX deliveries_head;
  CREATE INDEX deliveries_head ON deliveries (video, endpoint, event) WHERE settled_at IS NULL AND ordered = 1 AND aside = 0;
  -- What a newer event supersedes.
  DROP INDEX deliveries_lane;
  CREATE INDEX deliveries_lane ON deliveries (video, endpoint, type) WHERE settled_at IS NULL;
  CREATE INDEX deliveries_turn ON deliveries (endpoint, turn_at) WHERE turn_at IS NOT NULL AND settled_at IS NULL;
  -- What a probe may be made of, among those that have failed.
  CREATE INDEX deliveries_tried ON deliveries (endpoint, tried_at) WHERE state = 'pending' AND tried_at IS NOT NULL;
`;
