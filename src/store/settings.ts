import type { Config } from "../config/schema.ts";
import type { StoreSettings } from "./store.ts";

/** What of a config concerns the store. */
export function settingsOf({
  endpoints,
  receive,
  mirror,
}: Pick<Config, "endpoints"> & {
  receive: Pick<Config["receive"], "keepRefused">;
  mirror: Pick<Config["mirror"], "enabled" | "onDelete">;
}): StoreSettings {
  const { keepRefused } = receive;
  return { endpoints, keepRefused, isMirroring: mirror.enabled, keepsDeleted: mirror.onDelete === "keep" };
}
