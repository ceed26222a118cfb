/** What a column of SQLite and of PostgreSQL holds. */
export type Value = string | number | Uint8Array | null;
