import { DOCUMENTED_TYPES } from "../../model/event.ts";
import type { Option, Options } from "../args.ts";
import { helpOption, parse } from "../args.ts";
import { type Command, type CommandTable, configOption, isGroup } from "../command.ts";
import { openProgram, type Surroundings } from "../program.ts";

/** A word that may come next, and what it is. */
export type Candidate = { word: string; help: string };

/** What may come next: words, or the name of a file. */
export type Candidates = Candidate[] | "files";

/** A command line up to the word that is being typed. */
type Line = { table: CommandTable; before: string[]; current: string; surroundings: Surroundings };

/** What the last of these words may become; they are those after the program's name, the last may be empty. */
export async function findCandidates(
  table: CommandTable,
  words: string[],
  surroundings: Surroundings,
): Promise<Candidates> {
  const [head = ""] = /^--[a-z-]+=/.exec(words.at(-1) ?? "") ?? [];
  const typed = words.flatMap(splitValue);
  const current = words.at(-1) === "=" ? "" : (typed.pop() ?? "");
  const found = await candidates({ table, before: typed, current, surroundings });
  if (found === "files") return found;
  return found
    .filter(({ word }) => word.startsWith(current))
    .map(({ word, help }) => ({ word: `${head}${word}`, help }));
}

/** "--state=dead" is one word in zsh and fish, and three in bash. */
function splitValue(word: string): string[] {
  const [, option, value] = /^(--[a-z-]+)=(.*)$/.exec(word) ?? [];
  if (option !== undefined) return [option, value!];
  return word === "=" ? [] : [word];
}

async function candidates(line: Line): Promise<Candidates> {
  const { table, before, current } = line;
  // Without a command it serves.
  const bare = before[0] === undefined ? current.startsWith("-") : before[0].startsWith("-");
  const [name, ...rest] = bare ? ["serve", ...before] : before;
  if (name === undefined) {
    const all = await Promise.all(Object.values(table).map(async (load) => (await load()).command));
    return all.map(({ name, summary }) => ({ word: name, help: summary }));
  }
  const load = Object.hasOwn(table, name) ? table[name] : undefined;
  if (load === undefined) return [];
  const { command } = await load();
  if (!isGroup(command)) return ofCommand(command, rest, line);
  const [verb, ...after] = rest;
  if (verb === undefined) return Object.entries(command.verbs).map(([word, { summary }]) => ({ word, help: summary }));
  return Object.hasOwn(command.verbs, verb) ? ofCommand(command.verbs[verb]!, after, line) : [];
}

async function ofCommand(command: Command, before: string[], line: Line): Promise<Candidates> {
  const options: Options = { ...command.options, ...helpOption };
  const last = optionOf(options, before.at(-1) ?? "");
  if (last?.option.type === "string") return valuesOf(last.option.value ?? "", last.option.words, line);
  if (!line.current.startsWith("-")) return valuesOf(command.positionals ?? "", await command.words?.(), line);
  const given = new Set(before.map((word) => optionOf(options, word)?.name));
  return Object.entries(options)
    .filter(([name, { multiple }]) => multiple || !given.has(name))
    .map(([name, { help }]) => ({ word: `--${name}`, help }));
}

function optionOf(options: Options, word: string): { name: string; option: Option } | null {
  const found = Object.entries(options).find(
    ([name, { short }]) => word === `--${name}` || (short !== undefined && word === `-${short}`),
  );
  return found === undefined ? null : { name: found[0], option: found[1] };
}

/** The values of what `--help` calls so, or these words. */
async function valuesOf(called: string, words: readonly string[] | undefined, line: Line): Promise<Candidates> {
  if (words !== undefined) return words.map((word) => ({ word, help: "" }));
  if (/FILE|PATH/.test(called)) return "files";
  if (called === "TYPE") return DOCUMENTED_TYPES.map((word) => ({ word, help: "" }));
  return called === "ENDPOINT" ? endpointIds(line) : [];
}

/** The endpoints of the config that the command line names, or would find. No database is opened. */
async function endpointIds({ before, surroundings }: Line): Promise<Candidate[]> {
  const at = before.findIndex((word) => word === "--config" || word === "-c");
  const named = at < 0 || before[at + 1] === undefined ? [] : ["--config", before[at + 1]!];
  const { program } = openProgram(surroundings, parse({ options: configOption }, named));
  const { endpoints } = await program.loadConfigToRead({ isQuiet: true });
  return endpoints.map(({ id, events }) => ({ word: id, help: events.join(" ") }));
}
