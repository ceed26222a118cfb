/** Deliveries, their attempts, and the state of endpoints. */
export const DELIVERIES = [
  // One row per event and endpoint, and per replay. 'due' is "not before" while pending, "lease until" while running, and when
  // the gate opens by itself while waiting; null while an earlier one of its lane (video, endpoint) comes first.
  `CREATE TABLE deliveries (
    id int8 PRIMARY KEY,
    endpoint TEXT NOT NULL,
    video int8 NOT NULL,
    event int8 NOT NULL,
    type TEXT,                               -- of its event; null once it was delivered
    ordered int4 NOT NULL,                   -- 1: in a lane
    state TEXT NOT NULL,
    due int8,
    turn_at int8,                            -- the due time that it gets when its turn comes; null: at once
    gate_until int8,                         -- of one that waits for its media
    aside int4 NOT NULL DEFAULT 0,           -- 1: holds its lane no longer
    replay int4 NOT NULL DEFAULT 0,          -- 1: a replay; 2: a replay under a new message id
    attempts int4 NOT NULL DEFAULT 0,
    claims int4 NOT NULL DEFAULT 0,
    node TEXT,                               -- the store of the last claim
    spent int4 NOT NULL DEFAULT 0,           -- its schedule (rules/schedule.ts, Progress)
    waited int8 NOT NULL DEFAULT 0,
    wait int8 NOT NULL DEFAULT 0,
    scheduled_at int8,
    hint int8 NOT NULL DEFAULT 0,            -- the endpoint asked for nothing before then
    tried_at int8,                           -- when its last attempt began
    failed_by TEXT,
    last_error TEXT,
    settled_at int8,
    superseded_by int8,
    opened_at int8,                          -- when its gate opened, and why
    opened_by TEXT,
    generation int8 NOT NULL DEFAULT 0,      -- by it a task skips what has ended or was retried since the task was made
    task int8                                -- of a replay under a new id: the task that it is of
  ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)`,
  "CREATE INDEX deliveries_due ON deliveries (endpoint, due, id) WHERE due IS NOT NULL",
  // The head of a lane; those aside whose turn comes; what runs; what a newer event supersedes.
  `CREATE INDEX deliveries_head ON deliveries (video, endpoint, event, id)
    WHERE settled_at IS NULL AND ordered = 1 AND aside = 0`,
  `CREATE INDEX deliveries_passed ON deliveries (video, endpoint)
    WHERE settled_at IS NULL AND ordered = 1 AND aside = 1 AND due IS NULL`,
  "CREATE INDEX deliveries_running ON deliveries (video, endpoint) WHERE state IN ('running', 'canceling')",
  "CREATE INDEX deliveries_lane ON deliveries (video, endpoint, type) WHERE settled_at IS NULL",
  "CREATE INDEX deliveries_turn ON deliveries (endpoint, turn_at, id) WHERE turn_at IS NOT NULL AND settled_at IS NULL",
  // What a probe may be made of, among those that have failed, and when the first of them may be sent before its own time.
  "CREATE INDEX deliveries_tried ON deliveries (endpoint, tried_at) WHERE state = 'pending' AND tried_at IS NOT NULL",
  `CREATE INDEX deliveries_asked ON deliveries (endpoint, hint)
    WHERE state = 'pending' AND due IS NOT NULL AND failed_by IN ('shared', 'always')`,
  // Lists.
  "CREATE INDEX deliveries_listed ON deliveries (endpoint, state, id) WHERE state NOT IN ('running', 'canceling')",
  "CREATE INDEX deliveries_failed ON deliveries (state, endpoint, last_error, id) WHERE last_error IS NOT NULL",
  `CREATE INDEX deliveries_last_tried ON deliveries (state, endpoint, coalesce(tried_at, settled_at), id)
    WHERE last_error IS NOT NULL`,
  "CREATE INDEX deliveries_dead ON deliveries (event, endpoint) WHERE state = 'dead'",
  "CREATE INDEX deliveries_replay ON deliveries (event, id) WHERE replay > 0",
  "CREATE INDEX deliveries_again ON deliveries (endpoint, id) WHERE replay > 0",
  "CREATE INDEX deliveries_replayed ON deliveries (endpoint, state, event) WHERE replay > 0",
  "CREATE INDEX deliveries_replaying ON deliveries (event) WHERE replay > 0 AND settled_at IS NULL",

  // One row per attempt of a delivery; n is the claim that made it, so a retried delivery keeps its earlier ones.
  `CREATE TABLE attempts (
    delivery int8 NOT NULL, n int4 NOT NULL, started_at int8 NOT NULL, duration int8 NOT NULL, status int4, error TEXT,
    response bytea, retry_after int8, probe int4 NOT NULL DEFAULT 0, bytes int8, sha256 bytea, PRIMARY KEY (delivery, n)
  )`,

  `CREATE TABLE endpoints (
    id TEXT PRIMARY KEY, paused_at int8, reason TEXT, gone int8 NOT NULL DEFAULT 0, health TEXT, probing int8
  ) WITH (fillfactor = 50)`,
  // Of endpoints with a rate: when the next delivery may begin.
  "CREATE TABLE paces (endpoint TEXT PRIMARY KEY, next_start float8 NOT NULL) WITH (fillfactor = 50)",
];
