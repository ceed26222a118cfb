/** The relays that work on the database, each by the name of its data folder (relays/node.ts). */
export const RELAYS = [
  `CREATE TABLE nodes (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, version TEXT NOT NULL, config TEXT NOT NULL, mirrors int4 NOT NULL,
    started_at int8 NOT NULL, seen_at int8 NOT NULL
  ) WITH (fillfactor = 50)`,
];
