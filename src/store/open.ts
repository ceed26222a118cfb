import type { Config } from "../config/schema.ts";
import type { Ports } from "../ports.ts";
import { type Opening, settingsOf } from "./settings.ts";
import type { Store, StoreOptions } from "./store.ts";

type OpenEngine = (opening: Opening, ports: Ports, options: StoreOptions) => Promise<Store>;

/** One line per store engine; each is loaded only when it is used. */
const engines: Record<"sqlite" | "thread" | "postgres", () => Promise<OpenEngine>> = {
  sqlite: async () => (await import("./sqlite/open.ts")).openSqliteStore,
  thread: async () => (await import("./thread/client.ts")).openThreadStore,
  postgres: async () => (await import("./postgres/relays/open.ts")).openOnServer,
};

/**
 * Opens the store of a config. RelayError("conflict") when another relay has the data folder, or the database is not
 * ours or newer than this program; RelayError("not_found") when an operator's command finds none; RelayError("config") where
 * `store.url` cannot be read here; RelayError("store_unavailable") where no PostgreSQL takes writes.
 */
export async function openStore(config: Config, ports: Ports, options: StoreOptions): Promise<Store> {
  const { dataDir, store: server } = config;
  const open = await engines[server !== null ? "postgres" : options.onThread ? "thread" : "sqlite"]();
  return open({ dataDir, settings: settingsOf(config), server }, ports, options);
}

/** Starts the thread of a store that will be opened `onThread`: its program is loaded while this one's is. */
export async function warmUpThread(): Promise<void> {
  (await import("./thread/remote.ts")).warmUp();
}

/** Ends it where the store is opened on none. */
export async function coolDownThread(): Promise<void> {
  await (await import("./thread/remote.ts")).coolDown();
}
