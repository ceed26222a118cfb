/** The part of migration 7 that is about refused bodies. */
export const REFUSED_7 = `
  ALTER TABLE quarantine ADD COLUMN detail TEXT; -- what was wrong, in words, where the reason does not say it

  -- What was taken in after all, and the event that it became, or that it repeats.
  CREATE TABLE taken_in (refused INTEGER PRIMARY KEY, event INTEGER NOT NULL) STRICT;
`;
