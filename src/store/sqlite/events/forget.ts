import { RelayError } from "../../../errors.ts";
import { sleep } from "../../../platform/timing.ts";
import type { Clock } from "../../../ports.ts";
import type { DeliveryRow, Lanes } from "../deliveries/lanes.ts";
import type { MediumRow } from "../media/rows.ts";
import type { MediaEnds } from "../media/settle.ts";
import { BYTES_PER_PIECE, bytesOf, PER_PIECE, type Sized, takeSome } from "../rows/pieces.ts";
import type { Sql } from "../rows/sql.ts";
import { createErasures, type Erasure } from "./erasures.ts";
import type { Quarantine } from "./quarantine.ts";

/**
 * The shortest pause between two transactions, in milliseconds, and the pause as a multiple of what the transaction before
 * took: a relay beside it, which tries its writes again after growing pauses, mostly finds the database free.
 */
const PAUSE = 20;
const PAUSE_PER_WORK = 3;

/** What is said of deliveries that end so. */
export const ERASED = "the video was erased on request";

type EventRow = Sized & {
  sequence: number;
  deliveries: number;
  video_medium: number | null;
  thumbnail_medium: number | null;
};

/**
 * Erases what is known of a video; what stays are ids, types and times. Each function is one piece of that, inside a
 * transaction, and returns whether there is more of it to do. Each can be done again: what was cut off is gone on with.
 */
export function createForgetting(
  db: Sql,
  ends: MediaEnds,
  lanes: Lanes,
  quarantine: Pick<Quarantine, "findOf" | "dropAll">,
) {
  const erasures = createErasures(db);
  /** `hasMore`: something came since it was erased. */
  const find = db.prepare<[string], { id: number; forgotten_at: number | null; hasMore: number }>(
    `SELECT id, forgotten_at, sequence > forgotten_through OR EXISTS (SELECT 1 FROM imports WHERE video = v.id) AS hasMore
     FROM videos v WHERE video_id = ?`,
  );
  const liveMedia = db.prepare<[number, number], MediumRow>(
    "SELECT * FROM media WHERE video = ? AND state <> 'superseded' AND url <> '' ORDER BY id LIMIT ?",
  );
  const medium = db.prepare<[number], MediumRow>("SELECT * FROM media WHERE id = ? AND url <> ''");
  const dropOwed = db.prepare("DELETE FROM owed WHERE medium = ?");
  const eraseMedium = db.prepare(
    `UPDATE media SET url = '', host = '', key = NULL, target = NULL, bytes = NULL, sha256 = NULL, content_type = NULL,
       suspect = NULL, etag = NULL, last_modified = NULL, duration = NULL WHERE id = ?`,
  );
  const dropContexts = db.prepare(
    "DELETE FROM past_contexts WHERE id IN (SELECT id FROM past_contexts WHERE video = ? LIMIT ?)",
  );
  const dropImports = db.prepare("DELETE FROM imports WHERE id IN (SELECT id FROM imports WHERE video = ? LIMIT ?)");
  const lastEvent = db.prepare<[number], { id: number | null }>("SELECT max(id) AS id FROM events WHERE video = ?");
  const eraseVideo = db.prepare(
    // What its next event may be a duplicate of stays: the provider's repetition brings nothing back.
    `UPDATE videos SET context = NULL, context_since = NULL, state = 'deleted', has_file = 0, title = NULL, title_at = NULL,
       duration = NULL, duration_at = NULL, forgotten_through = sequence WHERE id = ?`,
  );
  const endpoints = db.prepare<[number], { endpoint: string }>(
    "SELECT DISTINCT endpoint FROM deliveries WHERE video = ? AND settled_at IS NULL",
  );
  const unsettled = db.prepare<[number, string, number, number, number], DeliveryRow>(
    `SELECT * FROM deliveries WHERE video = ? AND endpoint = ? AND settled_at IS NULL
       AND (state <> 'canceling' OR due <= ?) AND event <= ? ORDER BY id DESC LIMIT ?`,
  );
  const events = db.prepare<[number, number, number, number], EventRow>(
    `SELECT id, sequence, deliveries, video_medium, thumbnail_medium, length(body) AS bytes FROM events
     WHERE video = ? AND sequence > ? AND id <= ? ORDER BY sequence LIMIT ?`,
  );
  const countEvents = db.prepare<[number, number], { count: number }>(
    "SELECT count(*) AS count FROM events WHERE video = ? AND id <= ?",
  );
  const duplicates = db.prepare<[number, number], Sized>(
    "SELECT id, length(body) AS bytes FROM duplicates WHERE event = ? LIMIT ?",
  );
  const dropDuplicate = db.prepare("DELETE FROM duplicates WHERE id = ?");
  const eraseAttempts = db.prepare("UPDATE attempts SET error = NULL, response = NULL WHERE delivery BETWEEN ? AND ?");
  const eraseReplayed = db.prepare(
    `UPDATE attempts SET error = NULL, response = NULL
     WHERE delivery IN (SELECT id FROM deliveries WHERE event = ? AND replay > 0)`,
  );
  const eraseAnnotation = db.prepare("UPDATE annotations SET context = NULL, context_at = NULL WHERE event = ?");
  const eraseEvent = db.prepare("UPDATE events SET body = NULL, context = NULL WHERE id = ?");
  const setForgotten = db.prepare("UPDATE videos SET forgotten_at = ? WHERE id = ?");

  function discard(row: MediumRow, now: number): void {
    // No endpoint gets a notice: it would name what is to be forgotten.
    dropOwed.run(row.id);
    ends.discard(row, "erased on request", now);
    eraseMedium.run(row.id);
  }

  /** Erases duplicates of an event; `areAll`: there are no more of them. */
  function dropDuplicates(event: number): { dropped: Sized[]; areAll: boolean } {
    const found = duplicates.all(event, PER_PIECE);
    const dropped = takeSome(found);
    for (const { id } of dropped) dropDuplicate.run(id);
    return { dropped, areAll: dropped.length === found.length && found.length < PER_PIECE };
  }

  return {
    /** `erasedAt`: when it was erased, where nothing of it is left to erase. Null: no event and no import named it. */
    find(videoId: string): { video: number; erasedAt: number | null } | null {
      const row = find.get(videoId);
      if (row === undefined) return null;
      const isDone = row.hasMore === 0 && erasures.of(row.id) === null;
      return { video: row.id, erasedAt: isDone ? row.forgotten_at : null };
    },

    /**
     * Media that a new event could take up, earlier contexts and imports; with the last of them the video itself. From then
     * on none of its events is sent, and what comes belongs to another video of the same id, which stays.
     */
    begin(video: number, now: number): boolean {
      const rows = liveMedia.all(video, PER_PIECE);
      for (const row of rows) discard(row, now);
      const contexts = dropContexts.run(video, PER_PIECE).changes;
      const imports = dropImports.run(video, PER_PIECE).changes;
      const media = (erasures.of(video)?.media ?? 0) + rows.length;
      erasures.save(video, { upTo: lastEvent.get(video)?.id ?? 0, after: null, media });
      if ([rows.length, contexts, imports].includes(PER_PIECE)) return true;
      eraseVideo.run(video);
      return false;
    },

    /**
     * Deliveries, the newest first, so that none begins because an earlier one of its lane has ended. One that runs ends with
     * its attempt.
     */
    cancel(video: number, now: number): boolean {
      const { upTo } = erasures.of(video)!;
      let rest = PER_PIECE;
      for (const { endpoint } of endpoints.all(video)) {
        const rows = unsettled.all(video, endpoint, now, upTo, rest);
        for (const row of rows) lanes.cancel(row, ERASED, now);
        rest -= rows.length;
        if (rest === 0) return true;
      }
      return false;
    },

    /** Events with their duplicates, the answers to their deliveries, and media that newer ones have superseded. */
    erase(video: number, now: number): boolean {
      const erasure: Erasure = { ...erasures.of(video)! };
      const found = events.all(video, erasure.after ?? Number.MIN_SAFE_INTEGER, erasure.upTo, PER_PIECE);
      let rows = 0;
      let bytes = 0;
      for (const event of takeSome(found)) {
        const { dropped, areAll } = dropDuplicates(event.id);
        rows += dropped.length;
        bytes += bytesOf(dropped);
        if (!areAll || rows > PER_PIECE || bytes > BYTES_PER_PIECE) break;
        for (const id of [event.video_medium, event.thumbnail_medium]) {
          const row = id === null ? undefined : medium.get(id);
          if (row === undefined) continue;
          discard(row, now);
          erasure.media++;
        }
        if (event.deliveries > 0) eraseAttempts.run(event.id + 1, event.id + event.deliveries);
        eraseReplayed.run(event.id);
        eraseAnnotation.run(event.id);
        eraseEvent.run(event.id);
        erasure.after = event.sequence;
      }
      erasures.save(video, erasure);
      return found.length === PER_PIECE || (found.length > 0 && found.at(-1)!.sequence !== erasure.after);
    },

    findRefused: quarantine.findOf,
    dropRefused: (ids: number[]) => quarantine.dropAll(ids),

    end(video: number, now: number): { events: number; media: number } {
      const { upTo, media } = erasures.of(video)!;
      setForgotten.run(now, video);
      erasures.end(video);
      return { events: countEvents.get(video, upTo)!.count, media };
    },
  };
}

type Engine = {
  read<T>(work: () => T): Promise<T>;
  /** One transaction. */
  write<T>(work: () => T): Promise<T>;
  clock: Clock;
};

/**
 * Erases a video in transactions that hold no other writer up. Cut off at any moment, the same call goes on with it, and
 * meanwhile nothing of it is sent. RelayError("not_found") and "conflict" where there is nothing of it to erase.
 */
export async function forgetInPieces(
  forgetting: ReturnType<typeof createForgetting>,
  { read, write, clock }: Engine,
  videoId: string,
  now: number,
): Promise<{ events: number; media: number; refused: number }> {
  const known = await read(() => forgetting.find(videoId));
  let refused = 0;
  if (known === null || known.erasedAt !== null) {
    refused = await dropRefused();
    if (refused === 0) throw nothingLeft(videoId, known?.erasedAt ?? null);
    if (known === null) return { events: 0, media: 0, refused };
  }
  await whole(forgetting.begin, known.video);
  await whole(forgetting.cancel, known.video);
  await whole(forgetting.erase, known.video);
  refused += await dropRefused();
  return { ...(await write(() => forgetting.end(known.video, now))), refused };

  async function whole(piece: (video: number, now: number) => boolean, video: number): Promise<void> {
    for (;;) {
      // Only what it holds the database for counts: waiting for a busy relay is pause enough.
      let held = 0;
      const hold = () => {
        const begun = clock.elapsed();
        const hasMore = piece(video, now);
        held = clock.elapsed() - begun;
        return hasMore;
      };
      if (!(await write(hold))) return;
      const pause = Math.max(PAUSE, PAUSE_PER_WORK * held);
      await sleep(pause, clock);
    }
  }

  /** Refused bodies belong to no video: all of them are looked through. How many were of this one. */
  async function dropRefused(): Promise<number> {
    let dropped = 0;
    for (let at = 0; ; ) {
      const after = at;
      const found = await read(() => forgetting.findRefused(videoId, after));
      if (found === null) return dropped;
      at = found.last;
      if (found.ids.length > 0) dropped += await write(() => forgetting.dropRefused(found.ids));
    }
  }
}

function nothingLeft(videoId: string, erasedAt: number | null): RelayError {
  if (erasedAt === null) return new RelayError("not_found", `no video ${JSON.stringify(videoId.slice(0, 80))}`);
  return new RelayError("conflict", `the video was erased already, at ${new Date(erasedAt).toISOString()}`);
}
