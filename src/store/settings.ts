import type { Config } from "../config/schema.ts";
import type { EndpointChoice, MirrorChoice } from "../rules/plan.ts";

/** `coalesce`: event types of which a newer one supersedes what waits; `paused`: by the config; times in milliseconds. */
export type EndpointSettings = EndpointChoice & {
  coalesce: string[];
  paused: boolean;
  concurrency: number;
  /** Null: it has none. */
  ratePerSecond: number | null;
  retry: number[];
  laneHold: number;
};

/** What the config says that concerns the store; a reload may change it. */
export type StoreSettings = {
  endpoints: EndpointSettings[];
  /** Endpoints that have left the config since the store was opened: what was under way to them ends by their rules. */
  former?: EndpointSettings[];
  mirror: MirrorChoice;
  /** Milliseconds; 0 turns the recognition of duplicates off. */
  dedupeWindow: number;
  /** Bytes of refused bodies that are kept. */
  keepRefused: number;
};

/**
 * What an engine needs to know of a config. It can be copied to a thread. `checkpointAt`: pages of the log at which a commit
 * moves them into the database itself; more where that is done beside it. `isBeside`: this process has the
 * database open already. `server`: the PostgreSQL that it is on.
 */
export type Opening = {
  dataDir: string;
  settings: StoreSettings;
  checkpointAt?: number;
  isBeside?: boolean;
  server?: Config["store"];
};

/** What holds after a reload: endpoints that have left are kept as former ones. */
export function reconfigured({ endpoints, former = [] }: StoreSettings, changed: StoreSettings): StoreSettings {
  const present = new Set(changed.endpoints.map(({ id }) => id));
  return { ...changed, former: [...endpoints, ...former].filter(({ id }) => !present.has(id)) };
}

/** What of a config concerns the store. */
export function settingsOf({
  endpoints,
  receive: { keepRefused, dedupeWindow },
  mirror: { enabled, onDelete, deleteAfter, linkLifetime },
}: Pick<Config, "endpoints"> & {
  receive: Pick<Config["receive"], "keepRefused" | "dedupeWindow">;
  mirror: MirrorChoice;
}): StoreSettings {
  return {
    endpoints: endpoints.map(({ id, events, filter, order, send, maxWait, coalesce, paused, ...rest }) => {
      const { concurrency, ratePerSecond, retry, laneHold } = rest;
      return {
        id,
        events,
        filter,
        order,
        send,
        maxWait,
        coalesce,
        paused,
        concurrency,
        ratePerSecond,
        retry,
        laneHold,
      };
    }),
    mirror: { enabled, onDelete, deleteAfter, linkLifetime },
    keepRefused,
    dedupeWindow,
  };
}
