import pkg from "../../package.json" with { type: "json" };
import { errorLine, errorTable, RelayError } from "../errors.ts";
import { withoutQueries } from "../platform/log/log.ts";
import { packed } from "../platform/packed.ts";
import { lowerPriority } from "../platform/processes/process-priority.ts";
import {
  askTerminal,
  assertRuntime,
  environment,
  exit,
  onUncaught,
  readStdin,
  runtimeName,
  type Stream,
  standardStream,
} from "../platform/runtime.ts";
import { suggest } from "../rules/nearest.ts";
import { parse } from "./args.ts";
import { type Command, type CommandGroup, type CommandTable, isGroup, jsonOption } from "./command.ts";
import { harmless } from "./output/terminal-text.ts";
import { endingOf, openProgram, type Surroundings } from "./program.ts";

/** Only a start that prints it needs it. */
const help = () => import("./output/help.ts");

/** How long a service, or a process that has crashed, waits at its end for its output to be read; milliseconds. */
const PATIENCE = 500;

/** Runs the command line of this process and ends the process with its exit code. */
export function runProgram(table: CommandTable): void {
  const streams = {
    stdout: standardStream("stdout"),
    stderr: standardStream("stderr"),
    stdin: readStdin,
    ask: askTerminal,
  };
  const crash: Surroundings["crash"] = { log: null };
  onUncaught((error) => {
    // Node would print a stack and the source line. Registered before all else: even reading the working folder may throw.
    const { log } = crash;
    if (log) log.error("crashed", { error: errorLine(error) });
    else report(error, streams.stderr);
    void Promise.resolve(log?.flush()).then(() => exit(1, { patience: PATIENCE, ...endingOf(crash) }));
  });
  const surroundings: Surroundings = {
    ...{ environment: environment(), streams, version: pkg.version, lowerPriority, crash },
  };
  void runCommandLine(table, surroundings).then((code) =>
    exit(code, crash.log ? { patience: PATIENCE, ...endingOf(crash) } : {}),
  );
}

/** Runs one command line and resolves with its exit code; an error is written to stderr. Never rejects. */
export async function runCommandLine(table: CommandTable, surroundings: Surroundings): Promise<number> {
  try {
    return await dispatch(table, surroundings);
  } catch (error) {
    report(error, surroundings.streams.stderr);
    await hintAfter(error, table, surroundings);
    return error instanceof RelayError ? errorTable[error.code].exit : 1;
  }
}

/** Where nothing of an id was found, a person at a terminal may want to see what there is. */
async function hintAfter(error: unknown, table: CommandTable, { environment, streams }: Surroundings): Promise<void> {
  const [name = "", verb] = environment.args;
  // A message that says more after the id has advice of its own.
  const isOfId = error instanceof RelayError && error.code === "not_found" && error.message.endsWith('"');
  if (!isOfId || verb === "list" || !Object.hasOwn(table, name)) return;
  const { command } = await table[name]!();
  if (!isGroup(command) || !("list" in command.verbs)) return;
  const { hint } = await import("./output/print.ts");
  hint({ ...streams, env: environment.env }, `"wochit-relay ${name} list" shows what there is`);
}

async function dispatch(table: CommandTable, surroundings: Surroundings): Promise<number> {
  assertRuntime();
  const { stdout } = surroundings.streams;
  const say = (text: string) => {
    stdout.write(text);
    return 0;
  };
  const [first, ...rest] = surroundings.environment.args;
  if (first === "--complete") return say(await completed(table, rest, surroundings));
  if (first === "--version" || first === "-V") {
    const json = parse({ options: jsonOption }, rest).flag("json");
    return say(`${await describeVersion(surroundings.version, json)}\n`);
  }
  if (first === "--help" || first === "-h" || (first === "help" && rest.length === 0)) {
    const modules = await Promise.all(Object.values(table).map((load) => load()));
    const all = modules.map(({ command }) => command);
    const { programHelp } = await help();
    return say(programHelp(surroundings.version, all));
  }
  // `npm start` alone serves, and so does `npm start -- --config FILE`.
  const [name, argv] =
    first === undefined || first.startsWith("-")
      ? ["serve", surroundings.environment.args]
      : first === "help"
        ? [rest[0]!, [...rest.slice(1), "--help"]]
        : [first, rest];
  const load = Object.hasOwn(table, name) ? table[name] : undefined;
  if (load === undefined) throw new RelayError("usage", `unknown command "${name}"${await meantBy(name, table)}`);
  const { command } = await load();
  if (!isGroup(command)) return runCommand(command, argv, surroundings);
  const [verb, ...verbArgs] = argv;
  if (verb === "--help" || verb === "-h") return say((await help()).groupHelp(command));
  return runCommand(findVerb(command, verb), verbArgs, surroundings);
}

/** The answer to a shell that completes a command line: what it cannot use is no line of it, errors included. */
async function completed(table: CommandTable, words: string[], surroundings: Surroundings): Promise<string> {
  const { findCandidates } = await import("./completion/candidates.ts");
  const found = await findCandidates(table, words, surroundings).catch(() => []);
  return found === "files" ? ":files\n" : found.map(({ word, help }) => `${word}\t${harmless(help)}\n`).join("");
}

/** What an unknown command was probably meant to be: a verb comes after its noun, as in "events list". */
async function meantBy(word: string, table: CommandTable): Promise<string> {
  const all = await Promise.all(Object.values(table).map(async (load) => (await load()).command));
  const nouns = all.filter(isGroup).filter(({ verbs }) => Object.hasOwn(verbs, word));
  if (nouns.length === 0) return suggest(word, Object.keys(table));
  return `: did you mean ${nouns.map(({ name }) => `"${name} ${word}"`).join(", ")}?`;
}

/**
 * `wochit-relay 0.2.0 (commit 37ee033, Node 24.21.0, SQLite 3.54.1)`, with "from source" in place of a commit there; or an
 * object with all that the build knows.
 */
async function describeVersion(version: string, json: boolean): Promise<string> {
  const sqlite = packed?.sqlite ?? (await import("../store/sqlite/files/driver.ts")).sqliteVersion();
  const { commit, lockfile } = packed ?? { commit: "source", lockfile: "source" };
  const runtime = runtimeName();
  if (json) {
    const [name = "", of = null] = runtime.split(" ");
    return JSON.stringify({ version, commit, [name.toLowerCase()]: of, sqlite, lockfile });
  }
  const origin = packed === null ? "from source" : `commit ${commit.replace(/^([0-9a-f]{7})[0-9a-f]+/, "$1")}`;
  return `wochit-relay ${version} (${origin}, ${runtime}, SQLite ${sqlite})`;
}

function findVerb({ name, verbs }: CommandGroup, verb: string | undefined): Command {
  const found = verb !== undefined && Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (found) return found;
  const known = Object.keys(verbs);
  if (verb === undefined || verb.startsWith("-")) throw new RelayError("usage", `${name} what? ${known.join(", ")}`);
  throw new RelayError("usage", `unknown command "${name} ${verb}"${suggest(verb, known)}`);
}

async function runCommand(command: Command, argv: string[], surroundings: Surroundings): Promise<number> {
  const args = parse(command, argv);
  if (args.flag("help")) {
    surroundings.streams.stdout.write((await help()).commandHelp(command));
    return 0;
  }
  const { program, close } = openProgram(surroundings, args);
  try {
    return (await command.run(program, args)) ?? 0;
  } catch (error) {
    const [text] = args.positionals;
    if (!(error instanceof RelayError && error.code === "not_found") || text === undefined) throw error;
    const { pointElsewhere } = await import("./look/elsewhere.ts");
    throw await pointElsewhere(program, error, text);
  } finally {
    await close();
  }
}

/** One line, or for a config one line per problem; never a stack. */
function report(error: unknown, stderr: Stream): void {
  const lines = error instanceof RelayError && error.code === "config" ? error.message.split("\n") : [errorLine(error)];
  const hint = error instanceof RelayError && error.code === "usage" ? " (--help says more)" : "";
  for (const line of lines) stderr.write(`wochit-relay: ${harmless(withoutQueries(line))}${hint}\n`);
}
