import { RelayError } from "../errors.ts";
import type { ArchivePart } from "../model/archive.ts";
import { goesOn, headOf, readLine } from "./line.ts";
import { readPartFile, writePartFile } from "./part-file.ts";
import { type ArchiveParts, archivist, clearStrays, holding, putPart, tagOf, withDraft } from "./put-part.ts";

/**
 * Writes the parts anew that have events of videos which were erased, without them; resolves with how many parts. The old file is
 * removed before that counts as done. Killed at any moment it begins again with the part. Rejects where a part cannot be read or
 * written, or another is at work on the archive (RelayError "conflict").
 */
export async function rewriteErased(parts: ArchiveParts, by: string, signal: AbortSignal): Promise<number> {
  const { store, ports } = parts;
  const { clock, log } = ports;
  let count = 0;
  for (let next = await store.partToRewrite(); next !== null; next = await store.partToRewrite()) {
    signal.throwIfAborted();
    await store.holdArchive(archivist(by), clock.now());
    await clearStrays(parts, by, signal);
    const { part, videoIds } = next;
    const left = await rewritePart(parts, part, { videoIds, by, signal });
    await clearStrays(parts, by, signal);
    await store.endErasures(part.id, videoIds);
    log.info("archive rewritten", { key: part.key, erased: part.events - left });
    count++;
  }
  if (count > 0) await store.holdArchive({ by, leaseFor: 0 }, clock.now());
  return count;
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
      const { place, folder, shelf } = await shelves.present();
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
