import { parseArgs } from "node:util";
import { RelayError } from "../errors.ts";
import { nearest } from "../rules/nearest.ts";
import type { Args, Command, Option } from "./command.ts";

/** Every command has it; `help.ts` answers it. */
export const helpOption: Record<string, Option> = {
  help: { type: "boolean", short: "h", help: "show this" },
};

/**
 * Reads a command's arguments. RelayError("usage") for an unknown option (naming the nearest), an option without its value,
 * and too few or too many positional arguments. With `--help` the rest is not judged.
 */
export function parse(command: Pick<Command, "options" | "positionals">, argv: string[]): Args {
  const options = { ...command.options, ...helpOption };
  const { tokens } = parseArgs({
    args: argv,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  let wrong: string | null = null;
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const problem = judge(token, options);
    wrong ??= problem;
    if (problem === null) values.set(token.name, [...(values.get(token.name) ?? []), token.value ?? ""]);
  }
  if (!values.has("help")) {
    wrong ??= countProblem(positionals, command.positionals ?? "");
    if (wrong !== null) throw new RelayError("usage", wrong);
  }
  return accessors(positionals, values, options);
}

type Token = { name: string; rawName: string; value: string | undefined; inlineValue: boolean | undefined };

function judge({ name, rawName, value, inlineValue }: Token, options: Record<string, Option>): string | null {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const meant = rawName.startsWith("--") ? nearest(name, Object.keys(options)) : null;
    return `unknown option ${rawName}${meant ? `: did you mean --${meant}?` : ""}`;
  }
  if (option.type === "boolean") return inlineValue ? `--${name} takes no value` : null;
  if (value === undefined) return `--${name} needs a value`;
  // parseArgs takes "--config --json" for a config called "--json".
  if (!inlineValue && value.startsWith("-") && value.length > 1) {
    return `--${name} needs a value (one that begins with a dash is written --${name}=${value})`;
  }
  return value === "" ? `--${name} needs a value that is not empty` : null;
}

/** `spec` is what `--help` shows: "ID" is needed, "[FILE]" is not, "ID..." may come again. */
function countProblem(given: string[], spec: string): string | null {
  const words = spec === "" ? [] : spec.split(" ");
  const needed = words.filter((word) => !word.startsWith("["));
  if (given.length < needed.length) return `${needed[given.length]} is missing`;
  const most = spec.includes("...") ? Number.POSITIVE_INFINITY : words.length;
  return given.length > most ? `unexpected argument "${given[most]}"` : null;
}

function accessors(positionals: string[], values: Map<string, string[]>, options: Record<string, Option>): Args {
  const read = (name: string): string[] => {
    if (!Object.hasOwn(options, name)) throw new Error(`the command has no option "${name}"`);
    return values.get(name) ?? [];
  };
  const number = (name: string, isFine: (value: number) => boolean, what: string): number | undefined => {
    const text = read(name).at(-1);
    if (text === undefined) return undefined;
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!isFine(value)) throw new RelayError("usage", `--${name} must be ${what}, not "${text}"`);
    return value;
  };
  return {
    positionals,
    flag: (name) => read(name).length > 0,
    text: (name) => read(name).at(-1),
    texts: (name) => read(name),
    word<Word extends string>(name: string, words: readonly Word[]) {
      const given = read(name).at(-1);
      if (given === undefined || (words as readonly string[]).includes(given)) return given as Word | undefined;
      throw new RelayError("usage", `--${name} must be one of ${words.join(", ")}, not "${given}"`);
    },
    count: (name, fallback, least = 1) =>
      number(name, (value) => Number.isSafeInteger(value) && value >= least, `a whole number from ${least} on`) ??
      fallback,
    rate: (name) => number(name, (value) => value > 0, "a number above 0"),
  };
}
