import { test } from "node:test";
import { storeContracts } from "../../contracts/every-store.ts";
import { storeBackupsContract } from "../../contracts/store-backups.ts";
import { storeFeedContract } from "../../contracts/store-feed.ts";
import { storeIdsContract } from "../../contracts/store-ids.ts";
import { storeListsContract } from "../../contracts/store-lists.ts";
import { storeRetentionContract } from "../../contracts/store-retention.ts";
import { storeTaskFiltersContract } from "../../contracts/store-task-filters.ts";
import { noPostgres } from "../../support/postgres.ts";
import { openOnPostgres } from "../../support/postgres-store.ts";
import { isWhole } from "../../support/whole.ts";

// A database is backed up by other means than a file is.
const apart = new Set<unknown>([storeBackupsContract, storeIdsContract]);
// These store thousands of events one by one: the whole form has them.
const long = [storeFeedContract, storeListsContract, storeRetentionContract, storeTaskFiltersContract];
if (!isWhole) for (const one of long) apart.add(one);

if (noPostgres) test("the contracts of the store, on PostgreSQL", { skip: noPostgres }, () => {});
else {
  for (const contract of storeContracts) if (!apart.has(contract)) contract("postgres", openOnPostgres);
  storeIdsContract("postgres", openOnPostgres, { hasBackups: false });
}
