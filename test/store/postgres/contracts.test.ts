import assert from "node:assert/strict";
import { test } from "node:test";
import { migrate } from "../../../src/store/postgres/schema/migrate.ts";
import { storeContracts } from "../../contracts/every-store.ts";
import { storeBackupsContract } from "../../contracts/store-backups.ts";
import { storeFeedContract } from "../../contracts/store-feed.ts";
import { storeIdsContract } from "../../contracts/store-ids.ts";
import { storeListsContract } from "../../contracts/store-lists.ts";
import { storeRetentionContract } from "../../contracts/store-retention.ts";
import { storeTaskFiltersContract } from "../../contracts/store-task-filters.ts";
import { noPostgres, testDatabase } from "../../support/postgres.ts";
import { scans } from "../../support/postgres-plans.ts";
import { openOnPostgres, sent, wireTo } from "../../support/postgres-store.ts";
import { isWhole } from "../../support/whole.ts";

/** What is done seldom, and to all rows. */
const WHOLE = [/^transfers: UPDATE transfers SET due = due - /];

// A database is backed up by other means than a file is.
const apart = new Set<unknown>([storeBackupsContract, storeIdsContract]);
// These store thousands of events one by one: the whole form has them.
const long = [storeFeedContract, storeListsContract, storeRetentionContract, storeTaskFiltersContract];
if (!isWhole) for (const one of long) apart.add(one);

if (noPostgres) test("the contracts of the store, on PostgreSQL", { skip: noPostgres }, () => {});
else {
  for (const contract of storeContracts) if (!apart.has(contract)) contract("postgres", openOnPostgres);
  storeIdsContract("postgres", openOnPostgres, { hasBackups: false });
  test("no statement goes through a whole table that grows, but for what is done to all of its rows", async (t) => {
    const { url } = await testDatabase(t);
    const wire = await wireTo(url);
    t.after(() => wire.close());
    await migrate(wire);
    assert.ok(sent.size > 200, String(sent.size));
    const found = await scans(wire, sent);
    assert.deepEqual(
      found.filter((line) => !WHOLE.some((known) => known.test(line))),
      [],
    );
  });
}
