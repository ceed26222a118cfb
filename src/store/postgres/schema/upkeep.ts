/** What operators, alarms, retention and the archive write down. */
export const UPKEEP = [
  `CREATE TABLE tasks (
    id int8 PRIMARY KEY, verb TEXT NOT NULL, asked_by TEXT NOT NULL, filter TEXT NOT NULL, options TEXT NOT NULL,
    state TEXT NOT NULL, total int8, done int8 NOT NULL DEFAULT 0, failed int8 NOT NULL DEFAULT 0, position TEXT,
    created_at int8 NOT NULL, ended_at int8, error TEXT, due int8 NOT NULL, claims int4 NOT NULL DEFAULT 0, node TEXT
  )`,
  "CREATE UNIQUE INDEX tasks_open ON tasks (verb) WHERE ended_at IS NULL",

  `CREATE TABLE audit (
    id int8 PRIMARY KEY, at int8 NOT NULL, through TEXT NOT NULL, actor TEXT NOT NULL, verb TEXT NOT NULL, subject TEXT,
    count int8, outcome TEXT NOT NULL
  )`,
  "CREATE INDEX audit_verb ON audit (verb, id)",
  "CREATE INDEX audit_actor ON audit (actor, id)",
  // What commands have decided, until relays remember it (epoch/hand-over.ts); 'heard': one does.
  "CREATE TABLE handed_over (id int8 PRIMARY KEY, decision TEXT NOT NULL, heard int4 NOT NULL)",

  `CREATE TABLE sessions (
    hash TEXT PRIMARY KEY, token TEXT NOT NULL, mark TEXT NOT NULL, address TEXT NOT NULL, once int4 NOT NULL,
    created_at int8 NOT NULL, expires_at int8 NOT NULL
  )`,

  `CREATE TABLE alarms (
    name TEXT NOT NULL, subject TEXT NOT NULL, course TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY (name, subject)
  )`,
  `CREATE TABLE alerts (
    id int8 PRIMARY KEY, receiver TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, says TEXT NOT NULL, alert TEXT NOT NULL
  )`,
  "CREATE INDEX alerts_receiver ON alerts (receiver, id)",
  "CREATE TABLE silences (name TEXT PRIMARY KEY, since int8 NOT NULL, until int8 NOT NULL, reason TEXT)",
  `CREATE TABLE receivers (
    id TEXT PRIMARY KEY, name TEXT, place TEXT NOT NULL, at_least TEXT NOT NULL, due int8 NOT NULL DEFAULT 0, lease int8 NOT NULL DEFAULT 0,
    claims int4 NOT NULL DEFAULT 0, failures int4 NOT NULL DEFAULT 0, failing_since int8, error TEXT, sent_at int8, node TEXT
  )`,

  "CREATE TABLE retained (what TEXT NOT NULL, since int8 NOT NULL, id int8 NOT NULL, PRIMARY KEY (what, since, id))",

  `CREATE TABLE archive_parts (
    id int8 PRIMARY KEY, day int8 NOT NULL, number int8 NOT NULL, place TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL,
    sha256 bytea, bytes int8, text int8, events int8, made_at int8 NOT NULL
  )`,
  "CREATE UNIQUE INDEX archive_parts_day ON archive_parts (day, number)",
  "CREATE TABLE archive_files (key TEXT NOT NULL, place TEXT NOT NULL, part int8, writer TEXT, PRIMARY KEY (key, place))",
  "CREATE TABLE archived (event int8 PRIMARY KEY, part int8 NOT NULL, revision int8 NOT NULL)",
  "CREATE INDEX archived_part ON archived (part)",
  "CREATE TABLE archive_videos (video int8 NOT NULL, part int8 NOT NULL, PRIMARY KEY (video, part))",
  "CREATE INDEX archive_videos_part ON archive_videos (part)",
  "CREATE TABLE archive_erasures (video int8 NOT NULL, part int8 NOT NULL, done int4 NOT NULL, PRIMARY KEY (video, part))",
  "CREATE INDEX archive_erasures_due ON archive_erasures (part) WHERE done = 0",
];
