import { errorLine, RelayError } from "../errors.ts";
import { type ArchivePart, isFileOf } from "../model/archive.ts";
import { goesOn, headOf, readLine } from "./line.ts";
import { readPartFile, writePartFile } from "./part-file.ts";
import { type ArchiveParts, archivist, clearStrays, free, holding, putPart, tagOf, withDraft } from "./put-part.ts";

/**
 * Writes the parts anew that have events of videos which were erased, without them; resolves with how many parts, and the ids of
 * those that failed, which is logged: the others do not wait for them. `isPutOff`: parts that are left for later. The old file is
 * removed before that counts as done. Killed at any moment it begins again with the part. Rejects where another is at work on the
 * archive (RelayError "conflict").
 */
export async function rewriteErased(
  parts: ArchiveParts,
  by: string,
  signal: AbortSignal,
  isPutOff: (part: string) => boolean = () => false,
): Promise<{ rewritten: number; failed: string[] }> {
  const { store, ports } = parts;
  const { clock, log } = ports;
  const stuck = new Set<string>();
  const failed: string[] = [];
  let tried = 0;
  try {
    for (let next = await store.partToRewrite(null); next !== null; next = await store.partToRewrite(next.part.id)) {
      signal.throwIfAborted();
      const { part, videoIds } = next;
      if (isPutOff(part.id)) continue;
      await store.holdArchive(archivist(by), clock.now());
      tried++;
      try {
        const left = await takeOut(parts, next, { by, signal, stuck });
        log.info("archive rewritten", { key: part.key, erased: part.events - left });
      } catch (error) {
        signal.throwIfAborted();
        // Where another took over, this says so.
        await store.holdArchive(archivist(by), clock.now());
        failed.push(part.id);
        const videoId = videoIds.slice(0, SHOWN).join(" ") + (videoIds.length > SHOWN ? " …" : "");
        log.warn("what was erased is still in the archive", { key: part.key, videoId, error: errorLine(error) });
      }
    }
  } finally {
    if (tried > 0) await free(parts, by);
  }
  return { rewritten: tried - failed.length, failed };
}

/** Videos that a line of the log names. */
const SHOWN = 3;

type How = { by: string; signal: AbortSignal; stuck: Set<string> };

/** Resolves with how many events are left in the part, once it has nothing of these videos, and no file has that was it. */
async function takeOut(
  parts: ArchiveParts,
  { part, videoIds }: { part: ArchivePart; videoIds: string[] },
  { by, signal, stuck }: How,
): Promise<number> {
  await clearStrays(parts, by, signal, stuck);
  const left = await rewritePart(parts, part, { videoIds, by, signal });
  const stray = (await clearStrays(parts, by, signal, stuck)).find(({ key }) => isFileOf(part, key));
  if (stray !== undefined)
    throw new RelayError("target_unavailable", `${stray.key}, which it was before, cannot be removed`);
  await parts.store.endErasures(part.id, videoIds);
  return left;
}

/** Resolves with how many events are left. A part that has nothing of these videos stays as it is. */
async function rewritePart(
  parts: ArchiveParts,
  part: ArchivePart,
  { videoIds, by, signal }: { videoIds: string[]; by: string; signal: AbortSignal },
): Promise<number> {
  const { store, shelves, ports, dataDir } = parts;
  const { clock } = ports;
  const erased = new Set(videoIds);
  const old = await shelves.at(part.place);
  return withDraft(dataDir, by, (path) =>
    holding(parts, by, async () => {
      const source = await old.read(part.key, signal);
      if (source === null) throw new RelayError("target_unavailable", `${part.key} is missing in the archive`);
      const read = readPartFile(source);
      const file = writePartFile(path, headOf(part));
      let isComplete = false;
      try {
        await read.lines.next();
        let isKept = true;
        for await (const line of read.lines) {
          if (!goesOn(line)) isKept = !erased.has(readLine(line).videoId ?? "");
          if (isKept) await file.add(line);
        }
        isComplete = true;
      } finally {
        if (!isComplete) await file.abort();
      }
      const made = await file.end();
      if (read.file().sha256 !== part.sha256)
        throw new RelayError("target_unavailable", `${part.key} in the archive is not what was written there`);
      if (made.events === part.events) return made.events;
      const { place, folder, shelf } = await shelves.instead(part.place);
      const wish = { place, folder, tag: tagOf(ports), ...archivist(by) };
      const to = await store.beginRewrite(part.id, wish, clock.now());
      await putPart({ ...to, shelf }, path, made, signal);
      await store.keepRewritten(part.id, to, made, archivist(by), clock.now()).catch(async (error) => {
        await shelf.delete(to.key).catch(() => {});
        throw error;
      });
      return made.events;
    }),
  );
}
