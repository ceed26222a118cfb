/** The part of migration 7 that is about the signatures of media links. */
export const LINKS_7 = `
  -- The newest signs; 'ends_at': until when links that were signed with an earlier one are valid.
  CREATE TABLE link_secrets (id INTEGER PRIMARY KEY, secret BLOB NOT NULL, ends_at INTEGER) STRICT;
  INSERT INTO link_secrets (id, secret) SELECT 1, value FROM meta WHERE name = 'media-secret';
  DELETE FROM meta WHERE name = 'media-secret';
`;
