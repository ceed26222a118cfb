import type { Config } from "../config/schema.ts";
import { databaseOf } from "../store/backup.ts";
import { openStore } from "../store/open.ts";
import type { PipelineOptions } from "./supervise.ts";

/**
 * Opens the store of the relay. `ports`: those of all that works on it: with several relays they go by the database's time.
 * `database`: its file; null: it is on a server.
 */
export async function openRelayStore(config: Config, { ports, threads, onLost }: PipelineOptions) {
  const store = await openStore(config, ports, { role: "relay", onLost, onThread: threads });
  const { shared } = store;
  if (shared === null) return { store, ports, database: databaseOf(config.dataDir) };
  // When the database's clock is set, no relay moves what is due: each of them would.
  return { store, ports: { ...ports, clock: { ...shared.clock, onJump() {} } }, database: null };
}
