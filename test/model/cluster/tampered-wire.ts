import type { Way } from "../../../src/store/postgres/open.ts";
import { CommitInDoubt } from "../../../src/store/postgres/wire/errors.ts";
import type { Wire } from "../../../src/store/postgres/wire/open.ts";

/**
 * What becomes of a COMMIT. `lost`: it is done, and its answer does not come; `fail`: neither; `slow`: it comes once the
 * transaction is let go.
 */
export type How = "ok" | "lost" | "fail" | "slow";

class RolledBack extends Error {}

/** A way to a database, of which the next transaction that writes ends as it was planned. */
export function tamper(real: Wire) {
  let planned: How = "ok";
  let isThere = Promise.withResolvers<void>();
  let mayGoOn = Promise.withResolvers<void>();

  const way: Way = {
    ...real,
    async transaction(work, how) {
      let end = "ok" as How;
      try {
        const result = await real.transaction(async (transaction) => {
          const done = await work({
            ...transaction,
            query(query) {
              // Each transaction of the rules writes its receipt.
              if (query.text.includes("INTO receipts") && query.text.includes("take_ids"))
                [end, planned] = [planned, "ok"];
              return transaction.query(query);
            },
          });
          if (end === "slow") {
            isThere.resolve();
            await mayGoOn.promise;
          }
          if (end === "fail") throw new RolledBack();
          return done;
        }, how);
        if (end === "lost") throw new CommitInDoubt("its answer was lost");
        return result;
      } catch (error) {
        throw error instanceof RolledBack ? new CommitInDoubt("it was not answered") : error;
      }
    },
  };

  return {
    way,
    /** Does this, whose transaction ends so. With `slow` it resolves when all but the COMMIT is done. */
    async plan<T>(how: How, work: () => Promise<T>): Promise<Promise<T>[]> {
      planned = how;
      if (how === "slow") [isThere, mayGoOn] = [Promise.withResolvers(), Promise.withResolvers()];
      const working = work().finally(() => {
        planned = "ok";
      });
      working.catch(() => {}); // it is awaited later
      await (how === "slow" ? Promise.race([working, isThere.promise]) : working);
      return [working];
    },
    letGo: () => mayGoOn.resolve(),
  };
}
