import { readOrMakeToken, replaceToken } from "../admin/token-file.ts";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import type { Ports } from "../ports.ts";
import { databaseOf } from "../store/backup.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import type { PipelineOptions } from "./supervise.ts";

/**
 * Opens the store of the relay. `ports`: those of all that works on it: with several relays they go by the database's time.
 * `database`: its file; null: it is on a server.
 */
export async function openRelayStore(config: Config, { ports, threads, onLost }: PipelineOptions) {
  const store = await openStore(config, ports, { role: "relay", onLost, onThread: threads });
  const { shared } = store;
  if (shared === null) return { store, ports, database: databaseOf(config.dataDir) };
  await shareToken(store, config, ports).catch((error) => {
    ports.log.warn("the admin token is this relay's alone, and not that of all of them", { error: errorLine(error) });
  });
  return { store, ports: { ...ports, clock: { ...shared.clock, onJump: shared.onJump } }, database: null };
}

/** Of the admin listener there is one token for all relays of a store, where their configs name none: the first that is made. */
async function shareToken(store: Store, { admin, dataDir }: Config, { log, random }: Ports): Promise<void> {
  if (admin === null || admin.token !== null) return;
  const { token, path, isNew } = readOrMakeToken(dataDir, random);
  const common = await store.ensureAdminToken(token);
  if (common !== token) replaceToken(dataDir, common, random);
  if (isNew || common !== token) log.info("the token for the admin listener is that of all relays", { file: path });
}
