import type { Inspection, SecretsWanted } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { OpenLog } from "../platform/log/log.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";

/** One option of a command: what `node:util` parseArgs needs, and what `--help` prints. */
export type Option = {
  type: "string" | "boolean";
  short?: string;
  /** It may be given more than once; read it with `texts`. */
  multiple?: boolean;
  /** What the value is called in `--help`: "FILE", "N". */
  value?: string;
  help: string;
};

/** A parsed command line. Every accessor throws when the command has no option of that name: a typo of ours, not the user's. */
export type Args = {
  positionals: string[];
  flag(option: string): boolean;
  text(option: string): string | undefined;
  texts(option: string): string[];
  /** One of these words, or RelayError("usage"). */
  word<Word extends string>(option: string, words: readonly Word[]): Word | undefined;
  /** A whole number from `least` on, or RelayError("usage"). */
  count(option: string, fallback: number, least?: number): number;
  /** A number above 0, or RelayError("usage"). */
  rate(option: string): number | undefined;
};

/** Where a command writes. `write` never throws on a reader that has gone away. */
export type Output = {
  write(data: string | Uint8Array): void;
  /**
   * Waited for between the parts of a long output, so that no more of it is held than the reader keeps up with. False: the
   * reader is gone, what is only shown need not go on.
   */
  drained(): Promise<boolean>;
  isTTY: boolean;
  /** Width of the terminal in cells; Infinity when it is none. */
  columns: number;
};

/** Everything a command may touch. */
export type Context = {
  env: Record<string, string | undefined>;
  cwd: string;
  hostname: string;
  pid: number;
  version: string;
  stdout: Output;
  stderr: Output;
  /** All of standard input. */
  stdin(): Promise<Uint8Array>;
  /** The line that is typed in answer to a question; null where nobody sits at a terminal. */
  ask(question: string): Promise<string | null>;
  /** Clock, randomness, and a log that writes its warnings and errors to stderr, one line each. */
  ports: Ports;
  /**
   * The config that `--config` names, or the one that is found (CONTRACT, "Config"); RelayError("config") with every
   * problem. Commands that only look into the database say `secrets: false`, those that look into the target as well
   * "target": they run where the service's other secrets are not.
   */
  loadConfig(options?: { secrets?: SecretsWanted }): Promise<Config>;
  /**
   * The same, judged only: every problem and warning, and the file (null: the defaults), which is `path` where that is
   * given; `config` is null when there is a problem. Never throws for a wrong config. `isOutside`: this is not the service, so what
   * systemd shows to the service alone is not missed.
   */
  inspectConfig(path?: string | null, options?: { isOutside?: boolean }): Promise<Inspection & { path: string | null }>;
  /** The database of a config, beside a relay that may be running. The program closes it when the command ends. */
  openStore(config: Config): Promise<Store>;
  /** Resolves with the signal's name at the first SIGINT or SIGTERM; a second one ends the program at once. */
  untilStopped(): Promise<string>;
  /** Calls back at every SIGHUP, which otherwise ends the program. */
  onHangup(run: () => void): void;
  /** From now on an error that is caught nowhere is a line of this log, not of stderr. The log is flushed when the command ends. */
  reportCrashesTo(log: OpenLog): void;
};

/** Something that runs. `run` returns the exit code; nothing means 0. */
export type Command = {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** The positional arguments as `--help` shows them: "ID", "[FILE]", "TYPE|all". None when it is left out. */
  positionals?: string;
  options: Record<string, Option>;
  /** More for `--help`: examples, what the options have in common. */
  help?: string;
  run(context: Context, args: Args): Promise<number | undefined>;
};

/** Commands under one noun: `events list`, `events show`. */
export type CommandGroup = { name: string; summary: string; verbs: Record<string, Command> };

/** What each file in this folder exports as `command`. */
export type CommandModule = { command: Command | CommandGroup };

/** Shared by every command that reads the configuration. */
export const configOption = {
  config: { type: "string", short: "c", value: "FILE", help: "the config file (default: see docs/CONFIGURE.md)" },
} satisfies Record<string, Option>;

/** Shared by every command whose output is data. */
export const jsonOption = {
  json: { type: "boolean", help: "one JSON object a line" },
} satisfies Record<string, Option>;
