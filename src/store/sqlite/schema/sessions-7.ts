/** The part of migration 7 that is about the dashboard: who has logged in. */
export const SESSIONS_7 = `
  -- 'hash': sha256 of what the browser has; 'token', 'mark': the token that it was begun with; 'once': a link that logs in.
  CREATE TABLE sessions (
    hash TEXT PRIMARY KEY, token TEXT NOT NULL, mark TEXT NOT NULL, address TEXT NOT NULL, once INTEGER NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
