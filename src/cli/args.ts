import { parseArgs } from "node:util";
import { RelayError } from "../errors.ts";
import { nearest } from "../rules/nearest.ts";

/** One option of a command: what `node:util` parseArgs needs, and what `--help` prints. */
export type Option = {
  type: "string" | "boolean";
  short?: string;
  /** It may be given more than once; read it with `texts`. */
  multiple?: boolean;
  /** What the value is called in `--help`, "FILE", "N": some names say what a shell may complete (completion/candidates.ts). */
  value?: string;
  /** All values that it may have. */
  words?: readonly string[];
  help: string;
};

export type Options = Record<string, Option>;

/** Every command has it; `run.ts` answers it. */
export const helpOption: Options = { help: { type: "boolean", short: "h", help: "show this" } };

/**
 * Reads a command's arguments. RelayError("usage") for an unknown option (naming the nearest), an option without its value,
 * and too few or too many positional arguments. With `--help` nothing else is checked.
 */
export function parse(command: { options: Options; positionals?: string }, argv: string[]): Args {
  const options = { ...command.options, ...helpOption };
  const { tokens } = parseArgs({ args: argv, options, strict: false, allowPositionals: true, tokens: true });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  let wrong: string | null = null;
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const problem = optionProblem(token, options);
    wrong ??= problem;
    if (problem === null) values.set(token.name, [...(values.get(token.name) ?? []), token.value ?? ""]);
  }
  if (!values.has("help")) {
    wrong ??= countProblem(positionals, command.positionals ?? "");
    if (wrong !== null) throw new RelayError("usage", wrong);
  }
  return readers(positionals, values, options);
}

type Token = { name: string; rawName: string; value: string | undefined; inlineValue: boolean | undefined };

function optionProblem({ name, rawName, value, inlineValue }: Token, options: Options): string | null {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const meant = rawName.startsWith("--") ? nearest(name, Object.keys(options)) : null;
    return `unknown option ${rawName}${meant ? `: did you mean --${meant}?` : ""}`;
  }
  if (option.type === "boolean") return inlineValue ? `--${name} takes no value` : null;
  if (value === undefined) return `--${name} needs a value`;
  // parseArgs reads "--config --json" as a config called "--json".
  if (!inlineValue && value.startsWith("-") && value.length > 1) {
    return `--${name} needs a value (one that begins with a dash is written --${name}=${value})`;
  }
  return value === "" ? `--${name} needs a value that is not empty` : null;
}

/** `spec` is what `--help` shows: "ID" is required, "[FILE]" is optional, "ID..." may be repeated. */
function countProblem(given: string[], spec: string): string | null {
  const words = spec === "" ? [] : spec.split(" ");
  const needed = words.filter((word) => !word.startsWith("["));
  if (given.length < needed.length) return `${needed[given.length]} is missing`;
  const most = spec.includes("...") ? Number.POSITIVE_INFINITY : words.length;
  return given.length > most ? `unexpected argument "${given[most]}"` : null;
}

/** A parsed command line. Every reader throws when the command declares no option of that name: a mistake in the program. */
export type Args = ReturnType<typeof readers>;

function readers(positionals: string[], values: Map<string, string[]>, options: Options) {
  const texts = (name: string): string[] => {
    if (!Object.hasOwn(options, name)) throw new Error(`the command has no option "${name}"`);
    return values.get(name) ?? [];
  };
  const text = (name: string): string | undefined => texts(name).at(-1);
  const number = (name: string, isFine: (value: number) => boolean, what: string): number | undefined => {
    const given = text(name);
    if (given === undefined) return undefined;
    const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
    if (!isFine(value)) throw new RelayError("usage", `--${name} must be ${what}, not "${given}"`);
    return value;
  };
  return {
    positionals,
    texts,
    text,
    flag: (name: string) => texts(name).length > 0,
    /** Whether it was given, also where the command declares no such option. */
    isGiven: (name: string) => values.has(name),
    /** What was given as it may be typed, but for these options: `--state dead --since 1d`. */
    typed: (except: Options): string =>
      [...values]
        .filter(([name]) => !Object.hasOwn(except, name))
        .flatMap(([name, texts]) => texts.map((text) => (text === "" ? `--${name}` : `--${name} ${text}`)))
        .join(" "),
    /** Some of these words with commas between them, or RelayError("usage"). */
    words(name: string, words: readonly string[]): string | undefined {
      const given = text(name)
        ?.split(",")
        .map((word) => word.trim());
      const wrong = given?.find((word) => !words.includes(word));
      if (wrong === undefined) return given?.join(",");
      const meant = nearest(wrong, words);
      const hint = meant === null ? "" : `: did you mean "${meant}"?`;
      const which = given!.length === 1 ? "one" : "some";
      throw new RelayError("usage", `--${name} must be ${which} of ${words.join(", ")}, not "${wrong}"${hint}`);
    },
    /** One of these words, or RelayError("usage"). */
    word<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
      const given = text(name);
      if (given === undefined || (words as readonly string[]).includes(given)) return given as Word | undefined;
      const meant = nearest(given, words);
      const hint = meant === null ? "" : `: did you mean "${meant}"?`;
      throw new RelayError("usage", `--${name} must be one of ${words.join(", ")}, not "${given}"${hint}`);
    },
    /** A whole number from `least` on, or RelayError("usage"). */
    count: (name: string, fallback: number, least = 1): number =>
      number(name, (value) => Number.isSafeInteger(value) && value >= least, `a whole number from ${least} on`) ??
      fallback,
    /** A number above 0, or RelayError("usage"). */
    rate: (name: string) => number(name, (value) => value > 0, "a number above 0"),
  };
}
