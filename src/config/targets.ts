import { resolve } from "node:path";
import { readPlainFile } from "../platform/files/plain-file.ts";
import { typeOf } from "../targets/table.ts";
import type { CheckedOptions } from "../targets/type.ts";
import type { CheckContext } from "./check-context.ts";
import type { Path } from "./problems.ts";
import { reasonOf } from "./secrets.ts";

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
  const { valueAt, problems, folder, dataDir, readsSecrets } = context;
  const get = <Value>(option: string) => valueAt<Value>([...path, option]);
  const isWrong = (option: string) => problems.has([...path, option]);
  const add = (option: string, problem: string) => problems.add([...path, option], problem);
  return {
    get,
    isSet: (option) => isWrong(option) || get(option) != null,
    isWrong,
    add,
    file(option) {
      const given = get<string>(option);
      if (given == null || !readsSecrets) return null;
      const file = resolve(folder, given);
      try {
        return { path: file, text: readPlainFile(file).toString() };
      } catch (error) {
        add(option, `cannot read ${file}: ${reasonOf(error)}`);
        return null;
      }
    },
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
