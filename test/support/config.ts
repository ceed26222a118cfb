import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import type { Config, ConfigInput } from "../../src/config/schema.ts";

/** A secret for endpoints in tests. */
export const SECRET = `whsec_${Buffer.from("a secret of thirty-two bytes....").toString("base64")}`;

/**
 * The config of a relay whose data folder is in `dir`, loaded from a real file as the program does it. The folder has a
 * reserve already, an empty one: to write and sync 16 MiB costs more than most tests.
 */
export function configIn(dir: string, input: ConfigInput = {}): Config {
  const config = freshConfigIn(dir, input);
  const reserve = join(config.dataDir, "reserve");
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  if (!existsSync(reserve)) writeFileSync(reserve, "", { mode: 0o600 });
  return config;
}

/** The same before the first start: there is no data folder. */
export function freshConfigIn(dir: string, input: ConfigInput = {}): Config {
  const path = join(dir, "config.json");
  writeFileSync(path, JSON.stringify({ dataDir: join(dir, "data"), admin: null, ...input }));
  return loadConfig(path, { env: {}, cwd: dir });
}

/** An endpoint with defaults that suit tests. */
export function endpoint(
  id: string,
  more: Record<string, unknown> = {},
): NonNullable<ConfigInput["endpoints"]>[number] {
  return { id, url: `http://127.0.0.1:9/${id}`, secret: SECRET, ...more };
}
