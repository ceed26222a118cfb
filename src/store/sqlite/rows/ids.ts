import type { Clock } from "../../../ports.ts";
import { createNames, type Ids } from "../../core/rows/ids.ts";
import { createNumbers } from "../../core/rows/numbers.ts";
import { migrations } from "../schema/migrations.ts";
import { readEpochs } from "./epochs.ts";
import { newestNumber } from "./newest.ts";
import type { Sql } from "./sql.ts";

/** The ids of an open database. `catchUp` counts as taken what it has given so far, also to other processes. */
export function openIds(db: Sql, clock: Clock): Ids & { catchUp(): void } {
  const numbers = createNumbers(clock);
  const newest = newestNumber(db, migrations.length);
  return { ...numbers, ...createNames(readEpochs(db)), catchUp: () => numbers.taken(newest()) };
}
