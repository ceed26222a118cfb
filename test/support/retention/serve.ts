import process from "node:process";
import { loadConfig } from "../../../src/config/load.ts";
import { exit, onSignals, systemClock, systemRandom } from "../../../src/platform/runtime.ts";
import type { Clock, Log } from "../../../src/ports.ts";
import { openRelay } from "../../../src/relay.ts";

// A relay as `serve` runs it, which does not wait a quarter of an hour before it prunes: node serve.ts serve --config FILE. It prints a line
// for each thing it logs.

const configPath = process.argv.at(-1)!;

/** Milliseconds. Longer waits, as those of the relay's upkeep, are as short as this. */
const LONGEST = 60_000;
const SHORT = 50;

const system = systemClock();
const clock: Clock = { ...system, after: (ms, run) => system.after(ms > LONGEST ? SHORT : ms, run) };
const print = (fact: string, fields = {}) => void process.stdout.write(`${JSON.stringify({ msg: fact, ...fields })}\n`);
const log: Log = { debug() {}, info: print, warn: print, error: print };

const config = loadConfig(configPath, { env: {}, cwd: process.cwd() });
const relay = await openRelay(config, { clock, random: systemRandom(), log }, { threads: true });
onSignals(["SIGTERM"], () => void relay.close().then(() => exit(0)));
