import type { Config } from "../config/schema.ts";
import type { Ports } from "../ports.ts";
import type { Store, StoreOptions } from "./store.ts";

type OpenEngine = (config: Config, ports: Ports, options: StoreOptions) => Promise<Store>;

/** One line per store engine; each is loaded only when it is used. */
const engines: Record<"sqlite", () => Promise<OpenEngine>> = {
  sqlite: async () => (await import("./sqlite/open.ts")).openSqliteStore,
};

/**
 * Opens the store of a config. RelayError("conflict") when another relay has the data folder, or the database is not
 * ours or newer than this program; RelayError("not_found") when an operator's command finds none.
 */
export async function openStore(config: Config, ports: Ports, options: StoreOptions): Promise<Store> {
  const open = await engines.sqlite();
  return open(config, ports, options);
}
