import { existsSync } from "node:fs";
import { errorLine, RelayError } from "../../../errors.ts";
import type { Ports } from "../../../ports.ts";
import { databaseOf } from "../../backup.ts";
import type { Opening } from "../../settings.ts";
import { lockFolder, makeFolder } from "../../sqlite/files/database.ts";
import type { Store, StoreOptions } from "../../store.ts";
import { openPostgresStore } from "../open.ts";
import { stateOf } from "../wire/errors.ts";
import { openWire } from "../wire/open.ts";
import { refuseOld, refusePooler } from "./inspect.ts";

/**
 * Opens the store on the server of `store.url`. The relay has its data folder for itself, as with SQLite: the spool is in it, and
 * its name among the relays. All times are the database's.
 */
export async function openOnServer(opening: Opening, ports: Ports, { role }: StoreOptions): Promise<Store> {
  const { dataDir, server } = opening;
  if (server?.url == null) throw new RelayError("config", server?.why ?? "store.url is not set");
  let unlock = () => {};
  if (role === "relay") {
    makeFolder(dataDir);
    unlock = lockFolder(dataDir);
    if (existsSync(databaseOf(dataDir)))
      ports.log.warn("dataDir has an SQLite database, which is not used: the store is on PostgreSQL", { dataDir });
  }
  try {
    const wire = await openWire(server, ports);
    try {
      refuseOld(wire);
      await refusePooler(wire);
    } catch (error) {
      await wire.close();
      throw error;
    }
    const store = await openPostgresStore(opening, wire, { ...ports, clock: wire.clock }, { role });
    return {
      ...store,
      async close() {
        await store.close();
        unlock();
        unlock = () => {};
      },
    };
  } catch (error) {
    unlock();
    throw withoutRights(error);
  }
}

/** The role may not make tables, or those that are there are of another one. */
function withoutRights(error: unknown): unknown {
  if (stateOf(error) !== "42501") return error;
  const line = `the role of store.url may not use its database: ${errorLine(error)}; give it a database that it owns`;
  return new RelayError("conflict", line, { cause: error });
}
