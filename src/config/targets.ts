import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { typeOf } from "../targets/table.ts";
import type { CheckedOptions } from "../targets/type.ts";
import type { Look, Places } from "./look.ts";
import type { Path, Problems } from "./problems.ts";
import { reasonOf } from "./secrets.ts";

// `mirror.target` and `mirror.formerTargets`. What is particular to a type of target stands in targets/<type>/options.ts.

/** Where the present target and each of the former ones stand, also when something in them is wrong. */
function pathsOfTargets(look: Look): Path[] {
  const former = look<{ mirror?: { formerTargets?: unknown } | null }>([])?.mirror?.formerTargets;
  const list = Array.isArray(former) ? former : [];
  return [["mirror", "target"], ...list.map((_, at): Path => ["mirror", "formerTargets", at])];
}

/** Adds what the schema cannot say. */
export function checkTargets(look: Look, problems: Problems, places: Places): void {
  for (const path of pathsOfTargets(look)) {
    const type = look<string>([...path, "type"]);
    if (type !== undefined) typeOf({ type }).check(optionsAt(path, look, problems, places));
  }
}

function optionsAt(path: Path, look: Look, problems: Problems, places: Places): CheckedOptions {
  const { folder, dataDir, readsSecrets } = places;
  const get = <Value>(option: string) => look<Value>([...path, option]);
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
        return { path: file, text: readFileSync(file, "utf8") };
      } catch (error) {
        add(option, `cannot read ${file}: ${reasonOf(error)}`);
        return null;
      }
    },
    folder,
    dataDir,
  };
}

/** The secrets of each target by their options, the present one's first. `read` gives null for one that is not set, or wrong. */
export function readTargetSecrets(
  look: Look,
  read: (path: Path, decode: (text: string) => string) => string | null,
): Record<string, string | null>[] {
  return pathsOfTargets(look).map((path) => {
    const type = look<string>([...path, "type"]);
    const secrets = type === undefined ? [] : Object.entries(typeOf({ type }).secrets);
    return Object.fromEntries(secrets.map(([option, decode]) => [option, read([...path, option], decode)]));
  });
}
