import { test } from "node:test";
import { storeContracts } from "../../contracts/every-store.ts";
import { storeBackupsContract } from "../../contracts/store-backups.ts";
import { storeIdsContract } from "../../contracts/store-ids.ts";
import { noPostgres } from "../../support/postgres.ts";
import { openOnPostgres } from "../../support/postgres-store.ts";

// A database is backed up by other means than a file is.
const apart = new Set<unknown>([storeBackupsContract, storeIdsContract]);

if (noPostgres) test("the contracts of the store, on PostgreSQL", { skip: noPostgres }, () => {});
else {
  for (const contract of storeContracts) if (!apart.has(contract)) contract("postgres", openOnPostgres);
  storeIdsContract("postgres", openOnPostgres, { hasBackups: false });
}
