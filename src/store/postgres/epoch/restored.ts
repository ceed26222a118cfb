import type { Database } from "../../../config/store/database.ts";
import { RelayError } from "../../../errors.ts";
import type { Ports } from "../../../ports.ts";
import { schemaOf } from "../schema/migrate.ts";
import { openWire } from "../wire/open.ts";
import { beginEpoch } from "./begin.ts";

/**
 * Begins a new epoch of a database that was put back in time by other means, where that cannot be seen: a snapshot of the same
 * server. Relays that run notice it. Resolves with the epoch's number. RelayError("config") where `store.url` cannot be read here;
 * RelayError("store_unavailable") where no server takes writes; RelayError("not_found", "conflict"): the database is not ours.
 */
export async function beginRestoredEpoch(
  { database, actor }: { database: Database; actor: { through: string; by: string } },
  ports: Ports,
): Promise<number> {
  if (database.url === null) throw new RelayError("config", database.why);
  const wire = await openWire(database, ports);
  try {
    const schema = await wire.transaction(schemaOf, { readonly: true });
    if (schema === 0) throw new RelayError("not_found", "the database of store.url is empty: restore it first");
    const how = { now: wire.now(), seen: 0, random: ports.random, isWanted: () => true, restoredBy: actor };
    return (await wire.transaction((transaction) => beginEpoch(transaction, how)))!;
  } finally {
    await wire.close();
  }
}
