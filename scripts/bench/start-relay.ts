import { join } from "node:path";
import type { ConfigInput } from "../../src/config/schema.ts";
import { type Child, startChild } from "./processes.ts";
import type { RelaySettings } from "./relay.ts";
import { OURS, scriptOf, type Version } from "./versions.ts";

/** A secret of the bench's own; whoever signs in it signs with this one. */
export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/** The config that the figures are measured with: what a user has, but on this machine. Overrides go one level deep. */
export function benchConfig(overrides: ConfigInput = {}): ConfigInput {
  return {
    dataDir: "data",
    admin: { listen: "127.0.0.1:0" },
    endpoints: [{ id: "app", url: "http://127.0.0.1:9/", secret: SECRET }],
    ...overrides,
    server: { listen: "127.0.0.1:0", publicUrl: "http://127.0.0.1", ...overrides.server },
    receive: { allowFrom: ["127.0.0.1"], ...overrides.receive },
    mirror: { allowPrivateAddresses: true, minFreeDisk: "64MiB", ...overrides.mirror },
  };
}

/** Starts a relay, ours unless it is another version, over a folder: config.json, log, and data/ with the database. */
export function startRelay(
  dir: string,
  config: ConfigInput,
  options: { workers: boolean; env?: Record<string, string>; flags?: string[]; version?: Version },
): Promise<Child<{ url: string }>> {
  const settings: RelaySettings = { dir, config, workers: options.workers };
  const { version = OURS, env, flags } = options;
  return startChild(scriptOf(version, "relay.ts"), settings, { log: join(dir, "log"), env, flags });
}

/** The relay's database in such a folder. */
export function databaseOf(dir: string): string {
  return join(dir, "data", "relay.db");
}
