import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { UTC } from "../actions/parse-time.ts";
import type { SecretsWanted } from "../config/hidden.ts";
import type { Config } from "../config/schema.ts";
import { RelayError } from "../errors.ts";
import { type OpenLog, withoutQueries } from "../platform/log/log.ts";
import { type Environment, exit, onSignals, type Stream, systemClock, systemRandom } from "../platform/runtime.ts";
import type { Log, Ports } from "../ports.ts";
import type { Args } from "./args.ts";
import type { RunNote } from "./config/run-note.ts";
import { harmless } from "./output/terminal-text.ts";

/** What the process that runs a command gives it; a test gives its own. */
export type Surroundings = {
  environment: Environment;
  streams: {
    stdout: Stream;
    stderr: Stream;
    /** All of standard input. */
    stdin(): Promise<Uint8Array>;
    /** The line that is typed in answer to a question, hidden where it is a secret; null without a terminal. */
    ask(question: string, how?: { isHidden?: boolean }): Promise<string | null>;
  };
  version: string;
  /** Lowers the priority of the process. */
  lowerPriority(): void;
  /** Where an uncaught error is written: this log, or stderr. */
  crash: { log: OpenLog | null };
};

type ToRead = { secrets?: "marks" | false; isQuiet?: boolean };

/** Everything that a command may touch. */
export type Program = ReturnType<typeof openProgram>["program"];

/** Ties a command to its surroundings; `close` releases what the command opened through them. */
export function openProgram({ environment, streams, version, lowerPriority, crash }: Surroundings, args: Args) {
  const { env, cwd, hostname, pid, utcOffset } = environment;
  /** Its log writes warnings and errors to stderr, one line each. */
  const ports: Ports = { clock: systemClock(), random: systemRandom(), log: stderrLog(streams.stderr) };
  const closers: (() => Promise<void> | void)[] = [];
  // Imported when they are used: `--version` and `secret generate` need neither a schema nor a database.
  const configFile = async () => {
    const { inspectConfig, loadConfig, locateConfig } = await import("../config/load.ts");
    const { OUTSIDE } = await import("../config/secrets.ts");
    return { inspectConfig, loadConfig, OUTSIDE, path: locateConfig(args.text("config"), env, cwd) };
  };

  /** `wrong`: why the config is not what a relay was started with; `config` is what can be used then. */
  async function findConfig(secrets: SecretsWanted) {
    const { path } = await configFile();
    try {
      const config = await program.loadConfig({ secrets });
      const running = path === null ? await runningOn(config.dataDir) : null;
      if (running === null || running.config === null) return { config, wrong: null, running: null };
      const why = "no config file was found";
      return { config, wrong: { path, why, error: new RelayError("config", why) }, running };
    } catch (error) {
      if (path === null || !(error instanceof RelayError && error.code === "config")) throw error;
      const { salvageConfig } = await import("./config/salvage.ts");
      const config = salvageConfig(path, { env, cwd });
      if (config === null) throw error;
      const why = `${path} has problems ("wochit-relay check" names them)`;
      return { config, wrong: { path, why, error }, running: await runningOn(config.dataDir) };
    }
  }

  const program = {
    env,
    cwd,
    hostname,
    pid,
    version,
    lowerPriority,
    ...streams,
    ports,
    /** The zone in which times are shown, and in which they are read where they name none. */
    zone: args.isGiven("utc") ? UTC : utcOffset,
    /**
     * Checks the config: all problems and warnings, and its file (null: the defaults), which is `path` where that is given;
     * `config` is null when there is a problem. Never throws for a wrong config. `isOutside`: the caller is not the service,
     * so secrets that systemd shows only to the service are not missed.
     */
    async inspectConfig(path?: string | null, { isOutside = false } = {}) {
      const { inspectConfig, OUTSIDE, path: found } = await configFile();
      const file = path === undefined ? found : path;
      return { path: file, ...inspectConfig(file, { env, cwd, ...(isOutside && { outside: OUTSIDE }) }) };
    },
    /**
     * The config that `--config` names, or the one that is found (CONTRACT, "Config"); RelayError("config") with every
     * problem. Commands that read only the database pass `secrets: false`, those that read the target as well "target": they
     * run where the service's other secrets are not.
     */
    async loadConfig({ secrets = true }: { secrets?: SecretsWanted } = {}) {
      const { loadConfig, OUTSIDE, path } = await configFile();
      const isOutside = secrets === "target" || secrets === "marks";
      return loadConfig(path, { env, cwd, secrets, ...(isOutside && { outside: OUTSIDE }) });
    },
    /**
     * The config for a command that only reads the database: of one with problems what can be used, with a warning, so that a
     * relay that runs with the former one can still be looked into. RelayError("config") where the file cannot be read.
     * `isQuiet`: without the warning.
     */
    async loadConfigToRead({ secrets = false, isQuiet = false }: ToRead = {}): Promise<Config> {
      const { config, wrong, running } = await findConfig(secrets);
      if (wrong === null) return config;
      const others = running === null ? "" : ", the others as the relay has them that runs";
      const left = `read with what is right in it: ${config.dataDir}, ${config.endpoints.length} of its endpoints${others}`;
      const said = wrong.path === null ? `${wrong.why}; ${startedWith(running)}` : `${wrong.why}; ${left}`;
      if (!isQuiet) ports.log.warn(said);
      return running?.holds ? (await runNote()).withNotedEndpoints(config, running.holds) : config;
    },
    /**
     * The config for a command that changes what is in the database, and needs no secret. Of one with problems, or that is gone,
     * what the relay holds that was started with it and runs, with a warning; else RelayError("config").
     */
    async loadConfigToChange(): Promise<Config> {
      const { config, wrong, running } = await findConfig(false);
      if (wrong === null) return config;
      const isItsOwn = wrong.path === null || running?.config === wrong.path;
      if (!running?.holds || !isItsOwn) throw wrong.error;
      ports.log.warn(`${wrong.why}; done by what the relay in ${config.dataDir} runs with`);
      return (await runNote()).asNoted(config, running.holds);
    },
    runningOn,
    /** The database of a config, beside a relay that may be running. It is closed when the command ends. */
    async openStore(config: Config) {
      const { openStore } = await import("../store/open.ts");
      const store = await openStore(config, ports, { role: "operator" });
      // What a command writes counts by the time that the relays go by.
      if (store.shared !== null) ports.clock.now = store.shared.clock.now;
      closers.push(() => store.close());
      return store;
    },
    /**
     * Resolves with the signal's name at the first SIGINT or SIGTERM, with `hangup` also when the terminal is closed; a
     * second one ends the program at once.
     */
    untilStopped: ({ hangup = false } = {}) =>
      new Promise<string>((resolve) => {
        let first = true;
        const off = onSignals(hangup ? ["SIGINT", "SIGTERM", "SIGHUP"] : ["SIGINT", "SIGTERM"], (signal) => {
          // Shell and kernel both send a SIGHUP.
          if (!first && signal !== "SIGHUP") exit(1, { patience: 0, ...endingOf(crash) });
          first = false;
          resolve(signal);
        });
        closers.push(off);
      }),
    /** Calls back at every SIGHUP, which otherwise ends the program. */
    onHangup(run: () => void): void {
      closers.push(onSignals(["SIGHUP"], run));
    },
    /** From now on an uncaught error is a line of this log, not of stderr. The log is flushed when the command ends. */
    reportCrashesTo(log: OpenLog): void {
      crash.log = log;
      closers.push(log.flush);
    },
  };
  return {
    program,
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}

const runNote = () => import("./config/run-note.ts");

const startedWith = (running: RunNote | null) => `the relay that runs here was started with ${running?.config}`;

/** What the relay that runs on a data folder has noted; null: none runs. */
async function runningOn(dataDir: string) {
  const { isRelayRunning } = await import("../store/sqlite/files/inspect.ts");
  return isRelayRunning(dataDir) ? (await runNote()).readRunNote(dataDir) : null;
}

/** A service ends also where its disk does not answer, and says so; a command waits. */
export function endingOf({ log }: Surroundings["crash"]): { onHang?: (hanging: string[]) => void } {
  if (log === null) return {};
  return {
    onHang: (hanging) =>
      log.error("the end is forced: the disk, or another call of the system, does not answer", { hanging }),
  };
}

/** Aborts at the first SIGINT or SIGTERM; `withStdin`: at the end of standard input, too. */
export function abortWhenStopped(program: Program, { withStdin = false } = {}): AbortSignal {
  const abort = new AbortController();
  const ended = () => abort.abort(new Error("the program that started this one has ended"));
  if (withStdin) void program.stdin().then(ended, ended);
  void program.untilStopped().then((signal) => abort.abort(new Error(`stopped by ${signal}`)));
  return abort.signal;
}

/** What a terminal answers to "… Go on?": false, with a word on stderr, for no; null where there is no terminal to ask. */
export async function askFirst({ ask, stderr }: Program, what: string): Promise<boolean | null> {
  const answer = await ask(`${what}. Go on? [y/N] `);
  if (answer === null) return null;
  if (/^y(es)?$/i.test(answer.trim())) return true;
  stderr.write("nothing was done\n");
  return false;
}

/** The bytes of a file that the command line names; of standard input without a name, or for "-". */
export async function readInput({ cwd, stdin }: Program, file: string | undefined): Promise<Uint8Array> {
  if (file === undefined || file === "-") return stdin();
  const path = resolve(cwd, file);
  return readFile(path).catch(async (error) => {
    const { reasonOf } = await import("../config/secrets.ts");
    throw new RelayError("usage", `cannot read ${path}: ${reasonOf(error)}`);
  });
}

/** For commands whose output is data: warnings and errors are lines on stderr, other entries are left out. */
function stderrLog(stderr: Stream): Log {
  const write = (fact: string, fields: Record<string, unknown> = {}) => {
    const details = Object.entries(fields).map(([name, value]) => ` ${name}=${String(value)}`);
    stderr.write(`wochit-relay: ${harmless(withoutQueries(fact + details.join("")))}\n`);
  };
  return { debug() {}, info() {}, warn: write, error: write };
}
