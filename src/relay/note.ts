import { hash } from "node:crypto";
import pkg from "../../package.json" with { type: "json" };
import type { Config } from "../config/schema.ts";
import { environment } from "../platform/runtime.ts";
import type { RelayNote } from "../store/access/relays.ts";
import { settingsOf } from "../store/settings.ts";
import { placeOfTarget } from "../targets/table.ts";

/** What a relay notes of itself for the others of its store, by the config that holds. */
export function noteOf(config: Config, startedAt: number): RelayNote {
  const { endpoints, mirror } = config;
  // What decides of events, wherever they come in, and where deliveries and copies go.
  const decides = {
    settings: settingsOf(config),
    endpoints: endpoints.map(({ url, body, timeout }) => ({ url, body, timeout })),
    copies: {
      target: mirror.enabled ? placeOfTarget(mirror.target) : null,
      key: mirror.key,
      publicBaseUrl: mirror.publicBaseUrl,
    },
  };
  return {
    host: environment().hostname,
    version: pkg.version,
    config: hash("sha256", JSON.stringify(decides)).slice(0, 16),
    mirrors: mirror.enabled,
    startedAt,
  };
}
