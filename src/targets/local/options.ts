import { resolve, sep } from "node:path";
import * as v from "valibot";
import { text } from "../../option-values.ts";
import type { CheckedOptions, ResolveContext } from "../type.ts";
import type { LocalTarget } from "./place.ts";

export const localOptions = v.strictObject({ type: v.literal("local"), dir: v.optional(text) });

/** A key begins with an id from the network, so no target may contain the relay's own files. */
export function checkLocal({ get, add, folder, dataDir }: CheckedOptions): void {
  const dir = get<string>("dir");
  if (dir === undefined) return;
  const target = resolve(folder, dir);
  if (isWithin(dataDir, target)) {
    add("dir", `must not be, or hold, the data folder ${dataDir}`);
  } else if (isWithin(target, resolve(dataDir, "spool"))) {
    add("dir", "must not be the spool, which is emptied at a start");
  }
}

export function resolveLocal(
  { dir }: v.InferOutput<typeof localOptions>,
  { folder, dataDir }: ResolveContext,
): LocalTarget {
  return { type: "local", dir: dir === undefined ? resolve(dataDir, "media") : resolve(folder, dir) };
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
