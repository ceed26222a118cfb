/** Kinds of media, and the states in which one has ended: only these are counted as they change, the others are few. */
const KINDS = ["video", "thumbnail"];
const ENDED = ["mirrored", "failed", "expired", "skipped", "superseded", "deleted"];

const values = KINDS.flatMap((kind) => ENDED.map((state) => `('${kind}/${state}', 0)`)).join(", ");

/** The bytes of a medium's copy, while it has one. */
const copyOf = (row: "new" | "old") =>
  `CASE WHEN ${row}.key IS NULL OR ${row}.state IN ('superseded', 'deleted') THEN 0 ELSE coalesce(${row}.bytes, 0) END`;

const count = (name: string, by: "+" | "-") => `UPDATE counters SET value = value ${by} 1 WHERE name = ${name};`;

/** The part of migration 7 that counts. */
export const COUNTS_7 = `
  -- How many rows there are: of events without notices, of videos, and of media that have ended, by kind and state. 'copies':
  -- bytes. What is added, and events that go, is counted once for each commit (core/rows/tallies.ts): a trigger for each costs more.
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters (name, value) VALUES ${values}, ('events', 0), ('videos', 0), ('copies', 0);
  UPDATE counters SET value = (SELECT count(*) FROM events WHERE dialect <> 'notice') WHERE name = 'events';
  UPDATE counters SET value = (SELECT count(*) FROM videos) WHERE name = 'videos';
  UPDATE counters SET value = n FROM (SELECT kind || '/' || state AS of, count(*) AS n FROM media GROUP BY kind, state)
    WHERE name = of;

  UPDATE counters SET value = (SELECT coalesce(sum(${copyOf("new")}), 0) FROM media AS new) WHERE name = 'copies';

  CREATE TRIGGER media_begun AFTER UPDATE OF state ON media
    WHEN new.state <> old.state AND old.state NOT IN ('pending', 'running') BEGIN
    ${count("old.kind || '/' || old.state", "-")}
  END;
  CREATE TRIGGER media_ended AFTER UPDATE OF state ON media
    WHEN new.state <> old.state AND new.state NOT IN ('pending', 'running') BEGIN
    ${count("new.kind || '/' || new.state", "+")}
  END;
  CREATE TRIGGER media_copied AFTER UPDATE OF state, key, bytes ON media WHEN ${copyOf("new")} <> ${copyOf("old")} BEGIN
    UPDATE counters SET value = value + ${copyOf("new")} - ${copyOf("old")} WHERE name = 'copies';
  END;

  -- What happened within an hour (store/counts.ts). 'writer': "", where one relay owns the database. 'ms': how long all of it took; 'times': how much of it took how long (JSON).
  CREATE TABLE tallies (
    hour INTEGER NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, writer TEXT NOT NULL, ok INTEGER NOT NULL,
    failed INTEGER NOT NULL, ms INTEGER NOT NULL, times TEXT NOT NULL, PRIMARY KEY (kind, label, hour, writer)
  ) STRICT, WITHOUT ROWID;
`;
