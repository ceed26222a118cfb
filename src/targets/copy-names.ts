import { realpath, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { TargetPlace } from "../model/medium.ts";
import { plainEndpoint } from "./place.ts";

/** What a media row may call a copy. */
export type CopyName = {
  target: string;
  key: string;
  /** It is the very same file or object; false: that cannot be ruled out. */
  isCertain: boolean;
};

type Known = { id: string; place: TargetPlace };

/**
 * All names of a copy, its own first. A folder may be reached by several paths, by mounts too, and one target's may be inside
 * another's. A bucket has its name from its store, and a store may have many addresses: a bucket of the same name, wherever
 * it is, may be the same one.
 */
export async function namesOfCopy(copy: { target: string; key: string }, targets: Known[]): Promise<CopyName[]> {
  const { target, key } = copy;
  const place = targets.find(({ id }) => id === target)?.place;
  const others = targets.filter(({ id }) => id !== target);
  const own = { target, key, isCertain: true };
  if (place === undefined) return [own];
  const names = place.type === "s3" ? objectNames(place, key, others) : await fileNames(place.dir, key, others);
  return [own, ...names];
}

function objectNames(place: Extract<TargetPlace, { type: "s3" }>, key: string, others: Known[]): CopyName[] {
  const object = place.prefix === "" ? key : `${place.prefix}/${key}`;
  return others.flatMap(({ id, place: other }) => {
    if (other.type !== "s3" || other.bucket !== place.bucket) return [];
    const start = other.prefix === "" ? "" : `${other.prefix}/`;
    if (!object.startsWith(start)) return [];
    const isCertain = plainEndpoint(other.endpoint) === plainEndpoint(place.endpoint);
    return [{ target: id, key: object.slice(start.length), isCertain }];
  });
}

async function fileNames(dir: string, key: string, others: Known[]): Promise<CopyName[]> {
  const root = await realpath(dir).catch(() => null);
  if (root === null) return [];
  const file = join(root, key);
  const above = new Map<string, string>();
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const rest = relative(folder, file).split(sep).join("/");
    for (const mark of await marksOf(folder)) if (!above.has(mark)) above.set(mark, rest);
    if (folder === dirname(folder)) break;
  }
  const names: CopyName[] = [];
  for (const { id, place } of others) {
    if (place.type !== "local") continue;
    const mark = (await marksOf(place.dir)).find((mark) => above.has(mark));
    if (mark !== undefined) names.push({ target: id, key: above.get(mark)!, isCertain: true });
  }
  return names;
}

/** By what a folder is recognised: its path without links, and its number, which it has under every mount. Gone: by nothing. */
async function marksOf(folder: string): Promise<string[]> {
  try {
    const { dev, ino } = await stat(folder, { bigint: true });
    return [await realpath(folder), ...(ino > 0n ? [`${dev} ${ino}`] : [])];
  } catch {
    return [];
  }
}
