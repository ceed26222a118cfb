import { errorLine } from "../errors.ts";
import type { ArchivePart, ArchivePlace } from "../model/archive.ts";
import { sha256Of } from "../platform/files/sha256.ts";
import type { ArchiveVerbs } from "../store/archive/verbs.ts";
import type { Shelves } from "./shelves.ts";

/** What is wrong with a part. `unreadable`: its place cannot be read now. */
export type PartFault = { part: ArchivePart; fault: "missing" | "damaged" | "unreadable"; detail: string };

/** Parts that are read in one query of the store. */
const PAGE = 100;

/** All parts, the newest day first. */
export async function* eachPart(
  store: Pick<ArchiveVerbs, "archiveParts">,
  filter: Omit<Parameters<ArchiveVerbs["archiveParts"]>[0], "limit" | "before">,
): AsyncGenerator<ArchivePart> {
  for (let before: string | undefined; ; ) {
    const page: ArchivePart[] = await store.archiveParts({ ...filter, before, limit: PAGE });
    yield* page;
    if (page.length < PAGE) return;
    before = page.at(-1)!.id;
  }
}

/** Reads a part whole, and compares it with what was written; null: it is the same. */
export async function examinePart(
  { shelves, store }: { shelves: Shelves; store: Pick<ArchiveVerbs, "archiveParts"> },
  part: ArchivePart,
  signal: AbortSignal,
): Promise<PartFault | null> {
  const { key, bytes, sha256 } = part;
  try {
    const source = await (await shelves.at(part.place)).read(key, signal);
    if (source === null) {
      // It may have been written anew meanwhile.
      const now = await currentPart(store, part);
      return now !== null && now.key !== key
        ? examinePart({ shelves, store }, now, signal)
        : { part, fault: "missing", detail: `${key} is missing` };
    }
    let read = 0;
    const counted = async function* () {
      for await (const chunk of source) {
        read += chunk.length;
        yield chunk;
      }
    };
    const found = await sha256Of(counted(), signal);
    if (found === sha256) return null;
    const how = read === bytes ? "as long, with another sha256" : `${read} of ${bytes} bytes`;
    return { part, fault: "damaged", detail: `${key} is not what was written: ${how}` };
  } catch (error) {
    signal.throwIfAborted();
    return { part, fault: "unreadable", detail: `${key} cannot be read: ${errorLine(error)}` };
  }
}

/** The part as it is now; null: there is none any longer. */
export async function currentPart(
  store: Pick<ArchiveVerbs, "archiveParts">,
  { id, day }: ArchivePart,
): Promise<ArchivePart | null> {
  const all = eachPart(store, { since: day, until: day + 1 });
  for await (const part of all) if (part.id === id) return part;
  return null;
}

/** How a place is called. */
export const namePlace = (place: ArchivePlace): string => ("dir" in place ? place.dir : `target ${place.target}`);
