/** Media, and the work on their copies. */
export const MEDIA = [
  // A medium is its own download job. 'due' is "not before" while pending and "lease until" while running; null while there is
  // nothing to do. A first try's due time is its deadline moved far into the past (core/media/rows.ts).
  `CREATE TABLE media (
    id int8 PRIMARY KEY,
    video int8 NOT NULL,
    kind TEXT NOT NULL,
    event int8 NOT NULL,                     -- the event that announced it last
    sequence int8 NOT NULL,                  -- that event's
    url TEXT NOT NULL,                       -- the freshest link
    host TEXT NOT NULL,
    deadline int8 NOT NULL,
    changes int4 NOT NULL,                   -- a draft's: the file behind the link may change
    state TEXT NOT NULL,
    due int8,
    attempts int4 NOT NULL DEFAULT 0,
    claims int4 NOT NULL DEFAULT 0,
    node TEXT,                               -- the store of the last claim
    key TEXT,                                -- the copy, while there is one; it outlives a refetch that fails
    bytes int8,
    sha256 TEXT,
    content_type TEXT,
    suspect TEXT,
    etag TEXT,
    last_modified TEXT,
    last_error TEXT,
    target int8,                             -- the target of the copy
    duration float8,                         -- seconds, as announced
    spooled TEXT,                            -- what the spool holds for the target to take (JSON), until it has it
    linked_at int8,                          -- when the present link was received
    risk_at int8,                            -- when to tell next that the link dies and nothing is secured
    announced_at int8,                       -- when the newest of the events that announced it was received
    first_tried_at int8,
    secured_at int8,                         -- its bytes were in the spool
    settled_at int8
  ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)`,
  "CREATE INDEX media_due ON media (host, due, id) WHERE due IS NOT NULL",
  "CREATE INDEX media_live ON media (video) WHERE state <> 'superseded'",
  "CREATE INDEX media_superseded ON media (video) WHERE state = 'superseded'",
  "CREATE INDEX media_key ON media (key) WHERE key IS NOT NULL",
  "CREATE INDEX media_risk ON media (risk_at, id) WHERE risk_at IS NOT NULL",
  "CREATE INDEX media_state ON media (state, kind, id)",
  "CREATE INDEX media_off ON media (id) WHERE last_error = 'mirroring is off' AND state || '' IN ('skipped', 'mirrored')",
  "CREATE INDEX media_suspect ON media (id) WHERE suspect IS NOT NULL",
  `CREATE INDEX media_deadline ON media (deadline, id)
    WHERE state || '' IN ('pending', 'running') AND key IS NULL AND spooled IS NULL`,

  // Keys that a medium had before its present one, and where an upload was to put its file, and may have.
  "CREATE TABLE former_keys (key TEXT NOT NULL, medium int8 NOT NULL, PRIMARY KEY (key, medium))",
  "CREATE INDEX former_keys_medium ON former_keys (medium)",
  "CREATE TABLE places (medium int8 NOT NULL, target int8 NOT NULL, key TEXT NOT NULL, PRIMARY KEY (medium, target, key))",

  // What is done with copies later, each row a job; a row that is done is gone (sqlite/schema/migrations.ts).
  `CREATE TABLE transfers (
    id int8 PRIMARY KEY, action TEXT NOT NULL, medium int8 NOT NULL, target int8, key TEXT, bytes int8, due int8 NOT NULL,
    running int4 NOT NULL DEFAULT 0, attempts int4 NOT NULL DEFAULT 0, claims int4 NOT NULL DEFAULT 0, node TEXT,
    failing_since int8, last_error TEXT
  ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)`,
  "CREATE INDEX transfers_due ON transfers (action, due, id)",
  "CREATE INDEX transfers_own ON transfers (node, due, id) WHERE action = 'upload'",
  "CREATE INDEX transfers_medium ON transfers (medium)",
  "CREATE INDEX transfers_running ON transfers (due) WHERE running = 1",

  // Endpoints that were sent a medium as pending: they are owed its end.
  `CREATE TABLE owed (
    medium int8 NOT NULL, event int8 NOT NULL, endpoint TEXT NOT NULL, ordered int4 NOT NULL,
    waits int4 NOT NULL DEFAULT 1,           -- 1: it was called pending; 0: it was called failed, expired or skipped
    PRIMARY KEY (medium, event, endpoint)
  )`,

  "CREATE TABLE targets (id int8 PRIMARY KEY, name TEXT NOT NULL UNIQUE, place TEXT NOT NULL)",
  `CREATE TABLE moves (
    medium int8 PRIMARY KEY, task int8 NOT NULL, target int8, key TEXT, bytes int8, error TEXT,
    claim int4                               -- the claim of the task that is at it; null: none is
  )`,
  "CREATE INDEX moves_held ON moves (medium) WHERE claim IS NOT NULL",
  "CREATE INDEX moves_placed ON moves (medium) WHERE error IS NULL",
  "CREATE INDEX moves_failed ON moves (task, medium) WHERE error IS NOT NULL",
  `CREATE TABLE former_copies (
    medium int8 NOT NULL, target int8 NOT NULL, key TEXT NOT NULL, bytes int8, PRIMARY KEY (medium, target, key)
  )`,
  "CREATE INDEX former_copies_target ON former_copies (target)",

  "CREATE TABLE link_secrets (id int8 PRIMARY KEY, secret bytea NOT NULL, ends_at int8)",
];
