import { helpOption, type Option } from "../args.ts";
import { type Command, type CommandGroup, isGroup } from "../command.ts";
import { wrap } from "./wrap.ts";

export const PROGRAM = "wochit-relay";

/** What the program is, in one line. */
export const ABOUT = "keeps every Wochit webhook and its media, and delivers each event signed, in order";

/** The list of all commands. */
export function programHelp(version: string, commands: (Command | CommandGroup)[]): string {
  const rows = commands.map((command): [string, string] => [
    isGroup(command) ? `${command.name} ${Object.keys(command.verbs).join("|")}` : command.name,
    command.summary,
  ]);
  return `${wrap(`${PROGRAM} ${version}: ${ABOUT}`)}

Usage: ${PROGRAM} COMMAND [options]     (no command: serve)

${twoColumns(rows)}

${wrap(`${PROGRAM} COMMAND --help says more of each. Exit codes: 0 done, 1 it failed, 2 wrong usage or config.`)}
`;
}

export function groupHelp({ name, summary, verbs }: CommandGroup): string {
  const rows = Object.entries(verbs).map(([verb, command]): [string, string] => [
    [name, verb, command.positionals].filter(Boolean).join(" "),
    command.summary,
  ]);
  return `${wrap(`${PROGRAM} ${name}: ${summary}`)}\n\nUsage: ${PROGRAM} ${name} VERB [options]\n\n${twoColumns(rows)}\n`;
}

export function commandHelp(command: Command): string {
  const { name, summary, help, examples } = command;
  const parts = [
    wrap(`${PROGRAM} ${name}: ${summary}`),
    `Usage: ${usageOf(command)}`,
    twoColumns(optionRows(command)),
    ...(help === undefined ? [] : [wrap(help)]),
    `Examples:\n${Object.entries(examples).map(describeExample).join("\n")}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

/** `wochit-relay events show ID [options]` */
export function usageOf({ name, positionals }: Pick<Command, "name" | "positionals">): string {
  return [PROGRAM, name, positionals, "[options]"].filter(Boolean).join(" ");
}

/** Each option as it is typed, and what it does. */
export function optionRows({ options }: Pick<Command, "options">): [string, string][] {
  return Object.entries({ ...options, ...helpOption }).map(([name, spec]) => [describeOption(name, spec), spec.help]);
}

function describeOption(name: string, { short, value, type, multiple }: Option): string {
  const argument = type === "string" ? ` ${value ?? "TEXT"}${multiple ? "..." : ""}` : "";
  return `${short ? `-${short}, ` : "    "}--${name}${argument}`;
}

function describeExample([line, what]: [string, string]): string {
  return `  ${line}\n${wrap(what, { indent: 6 })}`;
}

/** The left column takes at most this part of the width. */
const WIDEST_LEFT = 34;

function twoColumns(rows: [string, string][]): string {
  const width = Math.min(WIDEST_LEFT, Math.max(...rows.map(([left]) => left.length)));
  const indent = width + 4;
  return rows
    .map(([left, right]) => {
      const text = wrap(right, { indent });
      return left.length > width ? `  ${left}\n${text}` : `  ${left.padEnd(width)}  ${text.slice(indent)}`;
    })
    .join("\n");
}
