import { helpOption, type Option } from "../args.ts";
import type { Command, CommandGroup } from "../command.ts";

const PROGRAM = "wochit-relay";

/** The list of all commands. */
export function programHelp(version: string, commands: (Command | CommandGroup)[]): string {
  const rows = commands.map((command): [string, string] => [
    isGroup(command) ? `${command.name} ${Object.keys(command.verbs).join("|")}` : command.name,
    command.summary,
  ]);
  return `${PROGRAM} ${version}: keeps every Wochit webhook and its media, and delivers each event signed, in order

Usage: ${PROGRAM} COMMAND [options]     (no command: serve)

${twoColumns(rows)}

${PROGRAM} COMMAND --help says more of each. Exit codes: 0 done, 1 it failed, 2 wrong usage or config.
`;
}

export function groupHelp({ name, summary, verbs }: CommandGroup): string {
  const rows = Object.entries(verbs).map(([verb, command]): [string, string] => [
    [name, verb, command.positionals].filter(Boolean).join(" "),
    command.summary,
  ]);
  return `${PROGRAM} ${name}: ${summary}\n\nUsage: ${PROGRAM} ${name} VERB [options]\n\n${twoColumns(rows)}\n`;
}

export function commandHelp({ name, summary, positionals, options, help }: Command): string {
  const rows = Object.entries({ ...options, ...helpOption }).map(([option, spec]): [string, string] => [
    describeOption(option, spec),
    spec.help,
  ]);
  const usage = [PROGRAM, name, positionals, "[options]"].filter(Boolean).join(" ");
  return `${PROGRAM} ${name}: ${summary}\n\nUsage: ${usage}\n\n${twoColumns(rows)}\n${help ? `\n${help}\n` : ""}`;
}

export function isGroup(command: Command | CommandGroup): command is CommandGroup {
  return "verbs" in command;
}

function describeOption(name: string, { short, value, type, multiple }: Option): string {
  const argument = type === "string" ? ` ${value ?? "TEXT"}${multiple ? "..." : ""}` : "";
  return `${short ? `-${short}, ` : "    "}--${name}${argument}`;
}

function twoColumns(rows: [string, string][]): string {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, right]) =>
      left.length > width ? `  ${left}\n  ${" ".repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
    )
    .join("\n");
}
