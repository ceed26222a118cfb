import { realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { CopyName } from "../target.ts";

/** A folder of this machine, absolute: all that a local target has, and all that is remembered of it. */
export type LocalTarget = { type: "local"; dir: string };

/** Subfolder for files that have no name yet, where that takes more than a link. No key begins with a dot. */
export const INCOMING = ".incoming";

/** A folder inside the data folder is stored relative to it: it moves with the data folder, and into a restored one. */
export function toStored(place: LocalTarget, dataDir: string): LocalTarget {
  const dir = relative(dataDir, place.dir);
  const isInside = dir !== "" && dir.split(sep)[0] !== ".." && !isAbsolute(dir);
  return isInside ? { type: "local", dir: dir.split(sep).join("/") } : place;
}

export function fromStored({ dir }: LocalTarget, dataDir: string): LocalTarget {
  return { type: "local", dir: resolve(dataDir, dir) };
}

/** A folder may have several paths and mounts, and may lie inside another target's folder. */
export async function otherNames(
  { place, key }: { place: LocalTarget; key: string },
  others: { id: string; place: LocalTarget }[],
): Promise<CopyName[]> {
  const root = await realpath(place.dir).catch(() => null);
  if (root === null) return [];
  const file = join(root, key);
  const above = new Map<string, string>();
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const rest = relative(folder, file).split(sep).join("/");
    for (const mark of await marksOf(folder)) if (!above.has(mark)) above.set(mark, rest);
    if (folder === dirname(folder)) break;
  }
  const names: CopyName[] = [];
  for (const { id, place: other } of others) {
    const mark = (await marksOf(other.dir)).find((mark) => above.has(mark));
    if (mark !== undefined) names.push({ target: id, key: above.get(mark)!, isCertain: true });
  }
  return names;
}

/** What identifies a folder: its path without links, and its inode, which is the same under every mount. A missing one has none. */
async function marksOf(folder: string): Promise<string[]> {
  try {
    const { dev, ino } = await stat(folder, { bigint: true });
    return [await realpath(folder), ...(ino > 0n ? [`${dev} ${ino}`] : [])];
  } catch {
    return [];
  }
}
