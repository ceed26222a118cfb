/** Migration 6: work on many rows at once. */
export const TASKS_6 = `
  -- What a task takes needs no list: it is what its filter matches and is older than the task (its id is greater than
  -- theirs), less what has changed since ('generation' of a delivery, from now on: the last task there was when it last
  -- ended or was retried). 'filter' and 'options' are JSON. 'position': where its work is, as JSON; null: before the first.
  -- 'due': until when its worker, or the one who counts it, holds it.
  CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, verb TEXT NOT NULL, asked_by TEXT NOT NULL, filter TEXT NOT NULL, options TEXT NOT NULL,
    state TEXT NOT NULL, total INTEGER, done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    position TEXT, created_at INTEGER NOT NULL, ended_at INTEGER, error TEXT,
    due INTEGER NOT NULL, claims INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE UNIQUE INDEX tasks_open ON tasks (verb) WHERE ended_at IS NULL;

  -- Of a replay under a new id: the task that it is of.
  ALTER TABLE deliveries ADD COLUMN task INTEGER;
`;
