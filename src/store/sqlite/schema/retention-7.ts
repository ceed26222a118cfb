/** The part of migration 7 that is about retention. */
export const RETENTION_7 = `
  -- What retention has looked at and has to look at again, because it had not ended, or not long enough ago. 'what': 'body',
  -- of an event and all that goes with its body, or 'attempts', of a delivery. 'since': when it ended, or, of what had not
  -- ended, when that was seen: it cannot be due before it is as old as the config says from then on.
  CREATE TABLE retained (
    what TEXT NOT NULL, since INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (what, since, id)
  ) STRICT, WITHOUT ROWID;
`;
