import { type OpenLog, withoutQueries } from "../platform/log/log.ts";
import { type Environment, exit, onSignals, type Stream, systemClock, systemRandom } from "../platform/runtime.ts";
import type { Log, Ports } from "../ports.ts";
import type { Args, Context } from "./command.ts";
import { harmless } from "./output/terminal-text.ts";

/** The machine that a command runs on. */
export type Surroundings = {
  environment: Environment;
  streams: { stdout: Stream; stderr: Stream; stdin(): Promise<Uint8Array>; ask: Context["ask"] };
  version: string;
  /** Where an error that nobody caught is written: into this log, or on stderr. */
  crash: { log: OpenLog | null };
};

/** What the program holds for a command, and takes back when the command has ended. */
export type Held = { context: Context; close(): Promise<void> };

/** Ties a command to the machine it runs on. */
export function openContext({ environment, streams, version, crash }: Surroundings, args: Args): Held {
  const { env, cwd, hostname, pid } = environment;
  const ports: Ports = { clock: systemClock(), random: systemRandom(), log: stderrLog(streams.stderr) };
  const closers: (() => Promise<void> | void)[] = [];
  // Loaded when they are used: `--version` and `secret generate` need neither a schema nor a database.
  const configFile = async () => {
    const { inspectConfig, loadConfig, locateConfig } = await import("../config/load.ts");
    return { inspectConfig, loadConfig, path: locateConfig(args.text("config"), env, cwd) };
  };
  const context: Context = {
    env,
    cwd,
    hostname,
    pid,
    version,
    ...streams,
    ports,
    async inspectConfig(given, { isOutside = false } = {}) {
      const { inspectConfig, path: found } = await configFile();
      const path = given === undefined ? found : given;
      const { OUTSIDE } = await import("../config/secrets.ts");
      return { path, ...inspectConfig(path, { env, cwd, ...(isOutside && { outside: OUTSIDE }) }) };
    },
    async loadConfig({ secrets = true } = {}) {
      const { loadConfig, path } = await configFile();
      // Into a target a person looks; the service itself reads all of its secrets.
      const outside = secrets === "target" ? (await import("../config/secrets.ts")).OUTSIDE : null;
      return loadConfig(path, { env, cwd, secrets, ...(outside && { outside }) });
    },
    async openStore(config) {
      const { openStore } = await import("../store/open.ts");
      const store = await openStore(config, ports, { role: "operator" });
      closers.push(() => store.close());
      return store;
    },
    untilStopped: () =>
      new Promise((resolve) => {
        let first = true;
        const off = onSignals(["SIGINT", "SIGTERM"], (signal) => {
          if (!first) exit(1, { patience: 0 });
          first = false;
          resolve(signal);
        });
        closers.push(off);
      }),
    onHangup(run) {
      closers.push(onSignals(["SIGHUP"], run));
    },
    reportCrashesTo(log) {
      crash.log = log;
      closers.push(log.flush);
    },
  };
  return {
    context,
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}

/** For commands whose output is data: warnings and errors are lines on stderr, the rest is not said. */
function stderrLog(stderr: Stream): Log {
  const say = (fact: string, fields: Record<string, unknown> = {}) => {
    const details = Object.entries(fields).map(([name, value]) => ` ${name}=${String(value)}`);
    stderr.write(`wochit-relay: ${harmless(withoutQueries(fact + details.join("")))}\n`);
  };
  return { debug() {}, info() {}, warn: say, error: say };
}
