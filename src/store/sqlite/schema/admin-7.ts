/** The part of migration 7 that is about the admin API: who did what. */
export const ADMIN_7 = `
  -- 'through': cli, api, dashboard or relay; 'actor': who there; 'subject': to what; 'outcome': done, or the error.
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, through TEXT NOT NULL, actor TEXT NOT NULL, verb TEXT NOT NULL,
    subject TEXT, count INTEGER, outcome TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_verb ON audit (verb, id);
  CREATE INDEX audit_actor ON audit (actor, id);
`;
