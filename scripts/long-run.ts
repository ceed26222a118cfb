import process from "node:process";
import { parseArgs } from "node:util";

type Value = number | string | boolean | null;
type Read<Default> = Default extends number ? number : Default extends boolean ? boolean : Default;

/**
 * The options of a long run, `--name VALUE`: whole numbers where the default is a number, switches where it is false, else text.
 * Ends the process with 2 and a line that says why when they are wrong.
 */
export function readOptions<Defaults extends Record<string, Value>>(
  defaults: Defaults,
): { [Name in keyof Defaults]: Read<Defaults[Name]> } {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      name,
      typeof value === "boolean" ? { type: "boolean" as const } : { type: "string" as const },
    ]),
  );
  try {
    const { values } = parseArgs({ options });
    return Object.fromEntries(
      Object.entries(defaults).map(([name, value]) => [name, read(name, values[name], value)]),
    ) as { [Name in keyof Defaults]: Read<Defaults[Name]> };
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

function read(name: string, given: string | boolean | undefined, otherwise: Value): Value {
  if (given === undefined || typeof otherwise !== "number") return given ?? otherwise;
  const number = Number(given);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} ${given}: it takes a whole number`);
  return number;
}

/** A seed of its own for each run; its summary says it. */
export function newSeed(): string {
  return Date.now().toString(36);
}

/** Hands on the first of the lines that come within five seconds. */
export function nowAndThen(print: (line: string) => void): (line: string) => void {
  let last = 0;
  return (line) => {
    if (Date.now() - last < 5_000) return;
    last = Date.now();
    print(line);
  };
}

/** Prints the summary and the first of what failed. `folder`: what the run left behind, where it failed. */
export function report({ summary, problems, folder }: { summary: string; problems: string[]; folder?: string }): void {
  console.log(summary);
  for (const problem of problems.slice(0, 40)) console.error(`FAILED: ${problem}`);
  if (problems.length > 40) console.error(`… and ${problems.length - 40} more`);
  if (problems.length > 0 && folder !== undefined) console.error(`what it left behind is in ${folder}`);
}
