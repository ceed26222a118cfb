import { readPlainFile } from "../platform/files/plain-file.ts";
import { typeOf } from "../targets/table.ts";
import type { CheckedOptions } from "../targets/type.ts";
import { type CheckContext, readFileOf } from "./check-context.ts";
import type { Path } from "./problems.ts";

// `mirror.target` and `mirror.formerTargets`; targets/<type>/options.ts has what is particular to a type.

/** The paths of the present target and of each former one, also where something in them is wrong. */
function pathsOfTargets({ valueAt }: CheckContext): Path[] {
  const former = valueAt<{ mirror?: { formerTargets?: unknown } | null }>([])?.mirror?.formerTargets;
  const list = Array.isArray(former) ? former : [];
  return [["mirror", "target"], ...list.map((_, at): Path => ["mirror", "formerTargets", at])];
}

/** Adds what the schema cannot say. */
export function checkTargets(context: CheckContext): void {
  for (const path of pathsOfTargets(context)) typeAt(path, context)?.check(optionsAt(path, context));
}

/** Null where the type is missing or wrong. */
function typeAt(path: Path, { valueAt }: CheckContext) {
  const type = valueAt<string>([...path, "type"]);
  return type === undefined ? null : typeOf({ type });
}

function optionsAt(path: Path, context: CheckContext): CheckedOptions {
  const { valueAt, problems, folder, dataDir } = context;
  const get = <Value>(option: string) => valueAt<Value>([...path, option]);
  const isWrong = (option: string) => problems.has([...path, option]);
  const add = (option: string, problem: string) => problems.add([...path, option], problem);
  return {
    get,
    isSet: (option) => isWrong(option) || get(option) != null,
    isWrong,
    add,
    file: (option) =>
      readFileOf([...path, option], context, (file) => ({ path: file, text: readPlainFile(file).toString() })),
    folder,
    dataDir,
  };
}

/**
 * The secrets of each target by their options, the present target first. `read` gives null for a secret that is missing
 * or wrong.
 */
export function readTargetSecrets(
  context: CheckContext,
  read: (path: Path, decode: (text: string) => string) => string | null,
): Record<string, string | null>[] {
  return pathsOfTargets(context).map((path) => {
    const secrets = Object.entries(typeAt(path, context)?.secrets ?? {});
    return Object.fromEntries(secrets.map(([option, decode]) => [option, read([...path, option], decode)]));
  });
}
