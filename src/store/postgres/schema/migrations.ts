import { DELIVERIES } from "./deliveries.ts";
import { EVENTS } from "./events.ts";
import { LENGTHS } from "./lengths.ts";
import { LOCKS } from "./locks.ts";
import { MEDIA } from "./media.ts";
import { NUMBERS } from "./numbers.ts";
import { RELAYS } from "./relays.ts";
import { TITLES } from "./titles.ts";
import { UPKEEP } from "./upkeep.ts";

/**
 * Programs that know fewer steps must not work on a database that has all of them: raised with a step that they cannot live
 * with. A step that only adds leaves it: so the release before runs beside this one.
 */
export const OLDEST = 1;

/**
 * The schema, as numbered steps of statements that are only ever appended to. A database's row `schema` in `meta` counts the
 * steps that it has taken. Tables and columns are those of SQLite's (sqlite/schema), whose comments say more; the first step is
 * what its seven come to. An index of SQLite ends with the row's id by itself; here that is written.
 */
export const migrations: string[][] = [
  [...EVENTS, ...MEDIA, ...DELIVERIES, ...UPKEEP, ...NUMBERS, ...LENGTHS, ...TITLES, ...LOCKS, ...RELAYS].map(
    // Texts are compared by their bytes, in whatever language the database is: so SQLite does, and so do the rules.
    (statement) => statement.replace(/\bTEXT\b/g, 'text COLLATE "C"'),
  ),
];
