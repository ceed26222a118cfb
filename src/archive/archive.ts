import type { ArchivedRest, RestPlace } from "../model/archive.ts";
import { sleep } from "../platform/timing.ts";
import type { OpenPart, QueuePlace } from "../store/archive/verbs.ts";
import { headOf, lineOf, restLineOf } from "./line.ts";
import { writePartFile } from "./part-file.ts";
import { type ArchiveParts, archivist, clearStrays, free, holding, putPart, tagOf, withDraft } from "./put-part.ts";
import type { Shelf } from "./shelves.ts";

/** Bytes of content that are read at once, and events that are marked, or released, in one transaction. */
const PIECE = 2 ** 20;
const RELEASED = 200;

/** Where a part ends. */
const LIMITS = { text: 64 * 2 ** 20, events: 50_000 };

/** The shortest pause between two pieces, in milliseconds; it is as long as the piece took. */
const PAUSE = 2;

const DAY = 86_400_000;

/**
 * Archives all that is queued. `released`: how many events can now be pruned, also of those that needed no archive. Killed at any moment it leaves nothing that
 * counts: an unfinished part is removed by the next. Rejects where a part cannot be written, or another took over.
 */
export async function archiveQueued(
  parts: ArchiveParts,
  by: string,
  signal: AbortSignal,
): Promise<{ archived: number; released: number }> {
  try {
    return await archiveDays(parts, by, signal);
  } finally {
    await free(parts, by);
  }
}

async function archiveDays(
  parts: ArchiveParts,
  by: string,
  signal: AbortSignal,
): Promise<{ archived: number; released: number }> {
  const { store, shelves, ports, dataDir } = parts;
  const { clock } = ports;
  let archived = 0;
  let released = 0;
  let from: QueuePlace | null = null;
  let isFirst = true;
  while (!signal.aborted) {
    const { place, folder, shelf } = await shelves.present();
    if (isFirst) {
      await store.holdArchive(archivist(by), clock.now());
      await clearStrays(parts, by, signal);
    }
    isFirst = false;
    const wish = { from, place, folder, tag: tagOf(ports), ...archivist(by) };
    const open: OpenPart | null = await store.beginPart(wish, clock.now());
    if (open === null) break;
    const after: string | null = from?.day === open.day ? from.after : null;
    const part = { open, shelf, after };
    const done: Written = await withDraft(dataDir, by, (path) => writePart(parts, part, { path, by, signal }));
    archived += done.archived;
    released += done.released;
    from = done.next ?? { day: open.day + DAY, after: null };
  }
  return { archived, released };
}

type Writing = { path: string; by: string; signal: AbortSignal };

/** `next`: where the next part of the day begins; null: there is none. */
type Written = { archived: number; released: number; next: QueuePlace | null };

async function writePart(
  parts: ArchiveParts,
  { open, shelf, after }: { open: OpenPart; shelf: Shelf; after: string | null },
  { path, by, signal }: Writing,
): Promise<Written> {
  const { store, ports, limits = LIMITS } = parts;
  const { clock, log } = ports;
  const began = clock.elapsed();
  const file = writePartFile(path, headOf(open));
  const ids: string[] = [];
  let next: QueuePlace | null = { day: open.day, after };
  let isDone = false;
  try {
    while (next !== null && file.text() < limits.text && file.events() < limits.events) {
      signal.throwIfAborted();
      next = await writePiece(next);
    }
    isDone = true;
  } finally {
    if (!isDone) await file.abort();
  }
  const made = await file.end();
  if (made.events > 0) {
    await holding(parts, by, () => putPart({ ...open, shelf }, path, made, signal));
    await store.keepPart(open.id, made, archivist(by), clock.now()).catch(async (error) => {
      // Another may have taken over, and looked for this file before it was there.
      await shelf.delete(open.key).catch(() => {});
      throw error;
    });
    const { events, bytes } = made;
    log.info("archived", { key: open.key, events, bytes, ms: Math.round(clock.elapsed() - began) });
  } else await dropEmpty(parts, open);
  await release();
  return { archived: made.events, released: ids.length, next };

  async function writePiece(from: QueuePlace): Promise<QueuePlace | null> {
    const begun = clock.elapsed();
    const piece = await store.archivePiece(from, PIECE);
    for (const event of piece.events) {
      await file.add(lineOf(event));
      if (event.next !== null) await holding(parts, by, () => writeRest(event.event.id, event.next!));
    }
    const written = piece.events.map(({ event: { id }, revision }) => ({ id, revision }));
    await store.markArchived(open.id, written, archivist(by), clock.now());
    ids.push(...piece.done, ...written.map(({ id }) => id));
    await sleep(Math.max(PAUSE, clock.elapsed() - begun), clock, signal);
    return piece.next;
  }

  async function writeRest(id: string, from: RestPlace): Promise<void> {
    for (let next: RestPlace | null = from; next !== null; ) {
      signal.throwIfAborted();
      const begun = clock.elapsed();
      const rest: ArchivedRest = await store.archiveRest(next, PIECE);
      if (rest.duplicates.length + rest.deliveries.length > 0) await file.add(restLineOf(id, rest));
      await sleep(Math.max(PAUSE, clock.elapsed() - begun), clock, signal);
      next = rest.next;
    }
  }

  async function release(): Promise<void> {
    for (let at = 0; at < ids.length; at += RELEASED) {
      const begun = clock.elapsed();
      await store.releaseArchived(ids.slice(at, at + RELEASED), clock.now());
      await sleep(Math.max(PAUSE, clock.elapsed() - begun), clock, signal);
    }
  }
}

/** What was queued need not be archived. */
async function dropEmpty({ store }: ArchiveParts, { id, key, place }: OpenPart): Promise<void> {
  while ((await store.dropFile({ key, place, part: id })).isMore);
}
