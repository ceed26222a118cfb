import type { Args, Options } from "./args.ts";
import type { Program } from "./program.ts";

/** Something that runs. `run` resolves with the exit code; nothing means 0. */
export type Command = {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** The positional arguments as `--help` shows them: "ID", "[FILE]", "TYPE|all". None when it is left out. */
  positionals?: string;
  /** The words that the first positional may be, where it is one of some. */
  words?(): Promise<readonly string[]>;
  options: Options;
  /** More for `--help`, of any line length. */
  help?: string;
  /** Lines as they are typed, each with what it does: for `--help` and the man page. */
  examples: Record<string, string>;
  // biome-ignore lint/suspicious/noConfusingVoidType: a command that cannot fail half-way returns nothing
  run(program: Program, args: Args): Promise<number | void>;
};

/** Commands under one noun: `events list`, `events show`. */
export type CommandGroup = { name: string; summary: string; verbs: Record<string, Command> };

export function isGroup(command: Command | CommandGroup): command is CommandGroup {
  return "verbs" in command;
}

/** What each file in commands/ exports as `command`. */
export type CommandModule = { command: Command | CommandGroup };

/** Each command's file, imported only when the command is used. */
export type CommandTable = Record<string, () => Promise<CommandModule>>;

/** Shared by every command that reads the configuration. */
export const configOption = {
  config: { type: "string", short: "c", value: "FILE", help: "the config file (default: see docs/CONFIGURE.md)" },
} satisfies Options;

/** Shared by every command whose output is data. */
export const jsonOption = {
  json: { type: "boolean", help: "one JSON object a line" },
} satisfies Options;
