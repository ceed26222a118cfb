import { LIMIT } from "../../core/rows/numbers.ts";
import { NUMBERED_4 } from "../rows/newest.ts";

/** A tag, in SQL: 30 random bits (ids.ts). */
export const RANDOM_TAG = "random() & 0x3fffffff";

const NEWEST = NUMBERED_4.map((table) => `SELECT max(id) AS id FROM ${table} WHERE id <= ${LIMIT}`).join(" UNION ALL ");

/** Of the numbered tables those whose ids leave the store. */
const SHOWN = ["deliveries", "events", "media", "transfers", "targets", "backups", "quarantine"];

const KEEP_GIVEN = SHOWN.map(
  (table) => `
  CREATE TRIGGER ${table}_given AFTER DELETE ON ${table} WHEN old.id <= ${LIMIT} BEGIN
    UPDATE epochs SET given = old.id WHERE given < old.id AND id = (SELECT max(id) FROM epochs);
  END;`,
);

/** The part of migration 4 that is about the tags of ids. */
export const TAGS_4 = `
  -- The tag that ends the ids from 'first' on, up to the next epoch's first; ids before the first epoch have none.
  CREATE TABLE epochs (
    id INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    given INTEGER NOT NULL            -- ids up to this were given: before the epoch, or to rows that are gone
  ) STRICT;
  INSERT INTO epochs (first, tag, given) SELECT newest + 1, ${RANDOM_TAG}, newest
    FROM (SELECT coalesce(max(id), 0) AS newest FROM (${NEWEST}));
  ${KEEP_GIVEN.join("")}
`;
