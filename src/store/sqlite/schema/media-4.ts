/** The part of migration 4 that is about media. */
export const MEDIA_4 = `
  ALTER TABLE media ADD COLUMN announced_at INTEGER; -- when the newest of the events that announced it was received
  UPDATE media SET announced_at = max(coalesce(linked_at, 0), coalesce((SELECT received_at FROM events WHERE id = media.event), 0));
  -- What is downloaded when mirroring is on again.
  CREATE INDEX media_off ON media (id) WHERE state IN ('skipped', 'mirrored') AND last_error = 'mirroring is off';

  -- Keys that a medium had before its present one: they were sent, and lead to its present copy.
  CREATE TABLE former_keys (
    key TEXT NOT NULL, medium INTEGER NOT NULL, PRIMARY KEY (key, medium)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX former_keys_medium ON former_keys (medium);

  -- Where an upload was to put its file, and may have. From now on 'target' and 'key' of a transfer are a deletion's only.
  CREATE TABLE places (
    medium INTEGER NOT NULL, target INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (medium, target, key)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO places SELECT medium, target, key FROM transfers
    WHERE action = 'upload' AND target IS NOT NULL AND key IS NOT NULL;

  -- 1: it was called pending, and any end is told; 0: it was called failed, expired or skipped, and only a copy is told.
  ALTER TABLE owed ADD COLUMN waits INTEGER NOT NULL DEFAULT 1;
`;
