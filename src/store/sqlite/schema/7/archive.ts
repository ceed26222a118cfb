/** The part of migration 7 that is about the archive of what is pruned. */
export const ARCHIVE_7 = `
  -- Files of the archive, each a part of a day's events. 'day': the first millisecond of it (UTC); 'place': where it lies (JSON);
  -- 'state': 'writing', then 'kept', which is when it has been read back; 'text': bytes before they were compressed.
  CREATE TABLE archive_parts (
    id INTEGER PRIMARY KEY, day INTEGER NOT NULL, number INTEGER NOT NULL, place TEXT NOT NULL, key TEXT NOT NULL,
    state TEXT NOT NULL, sha256 BLOB, bytes INTEGER, text INTEGER, events INTEGER, made_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX archive_parts_day ON archive_parts (day, number);

  -- Files that may be there and are in no part: about to be written by 'writer', or (null) to be removed.
  CREATE TABLE archive_files (
    key TEXT NOT NULL, place TEXT NOT NULL, part INTEGER, writer TEXT, PRIMARY KEY (key, place)
  ) STRICT, WITHOUT ROWID;

  -- Events with a body of which a part has all but what came since: then their revision is another one (archive/marks.ts).
  CREATE TABLE archived (event INTEGER PRIMARY KEY, part INTEGER NOT NULL, revision INTEGER NOT NULL) STRICT;
  CREATE INDEX archived_part ON archived (part);

  -- The parts that have events of a video; of those, the ones that it is still to be removed from (0), or was (1).
  CREATE TABLE archive_videos (video INTEGER NOT NULL, part INTEGER NOT NULL, PRIMARY KEY (video, part)) STRICT, WITHOUT ROWID;
  CREATE INDEX archive_videos_part ON archive_videos (part);
  CREATE TABLE archive_erasures (
    video INTEGER NOT NULL, part INTEGER NOT NULL, done INTEGER NOT NULL, PRIMARY KEY (video, part)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX archive_erasures_due ON archive_erasures (part) WHERE done = 0;
`;
