// First, as in src/main.ts: what is measured is the relay with the threads that it really has.
import "../../src/platform/thread-pool.ts";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { loadConfig } from "../../src/config/load.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { openLog } from "../../src/platform/log/log.ts";
import { systemClock, systemRandom } from "../../src/platform/runtime.ts";
import { openRelay } from "../../src/relay.ts";
import { readSettings, reportReady } from "./child.ts";

/** The relay as `serve` runs it, with its log as JSON lines on standard output, and its workers paused if so wished. */

const { dir, config: given, workers } = readSettings<RelaySettings>();
export type RelaySettings = { dir: string; config: ConfigInput; workers: boolean };

const path = join(dir, "config.json");
writeFileSync(path, JSON.stringify(given, null, 2));
const config = loadConfig(path, { env: {}, cwd: dir });
const log = await openLog({ level: config.log.level, format: "json" }, false);
const relay = await openRelay(
  config,
  { clock: systemClock(), random: systemRandom(), log },
  { workers, threads: process.env.INLINE === undefined },
);
reportReady({ ready: { url: relay.url }, close: () => relay.close() });
