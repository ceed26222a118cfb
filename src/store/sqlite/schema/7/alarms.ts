/** The part of migration 7 that is about telling people. */
export const ALARMS_7 = `
  -- How far an alarm has come (JSON), and how it was last put in words (JSON). 'subject' is "" where it is of none.
  CREATE TABLE alarms (
    name TEXT NOT NULL, subject TEXT NOT NULL, course TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY (name, subject)
  ) STRICT, WITHOUT ROWID;

  -- What is still to be sent to a receiver (JSON).
  CREATE TABLE alerts (
    id INTEGER PRIMARY KEY, receiver TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, says TEXT NOT NULL, alert TEXT NOT NULL
  ) STRICT;
  CREATE INDEX alerts_receiver ON alerts (receiver, id);

  -- Nothing is said of these meanwhile.
  CREATE TABLE silences (
    name TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL, reason TEXT
  ) STRICT, WITHOUT ROWID;

  -- 'name', 'place' and 'at_least': of the config; 'due': when it may be sent something; 'lease': until when another is at it.
  CREATE TABLE receivers (
    id TEXT PRIMARY KEY, name TEXT, place TEXT NOT NULL, at_least TEXT NOT NULL, due INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, failing_since INTEGER, error TEXT, sent_at INTEGER
  ) STRICT, WITHOUT ROWID;
`;
