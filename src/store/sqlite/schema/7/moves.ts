/** The part of migration 7 that is about copies that are moved to another target. */
export const MOVES_7 = `
  -- Media that a task moves, each with the place where their copy is put, or may have been; or, 'error', that it could not.
  CREATE TABLE moves (
    medium INTEGER PRIMARY KEY, task INTEGER NOT NULL, target INTEGER, key TEXT, bytes INTEGER, error TEXT,
    claim INTEGER                            -- the claim of the task that is at it; null: none is
  ) STRICT;
  CREATE INDEX moves_placed ON moves (medium) WHERE error IS NULL;
  CREATE INDEX moves_failed ON moves (task, medium) WHERE error IS NOT NULL;

  -- Where moved copies are still, too.
  CREATE TABLE former_copies (
    medium INTEGER NOT NULL, target INTEGER NOT NULL, key TEXT NOT NULL, bytes INTEGER, PRIMARY KEY (medium, target, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX former_copies_target ON former_copies (target);
`;
