import { RelayError } from "../../../errors.ts";
import type { Actor } from "../../../model/audit.ts";
import { nextSize, sleep } from "../../../platform/timing.ts";
import type { Clock } from "../../../ports.ts";
import type { Engine } from "../../verbs.ts";
import * as archive from "../archive/forgetting.ts";
import * as audit from "../audit.ts";
import type { DeliveryRow } from "../deliveries/lanes.ts";
import * as lanes from "../deliveries/lanes.ts";
import type { MediumRow } from "../media/rows.ts";
import * as ends from "../media/settle.ts";
import { hasMore, PER_PIECE, type Sized, takeSome } from "../rows/pieces.ts";
import { about, aboutSome, apart, job, sql, type Tx } from "../tx.ts";
import type { Erasure } from "./erasures.ts";
import * as erasures from "./erasures.ts";
import * as quarantine from "./quarantine.ts";

/**
 * The shortest pause between two transactions, in milliseconds, and the pause as a multiple of what the transaction before
 * took: a relay beside it, which tries its writes again after growing pauses, mostly finds the database free.
 */
const PAUSE = 20;
const PAUSE_PER_WORK = 3;

/** Rows of the first piece on a database of several relays (`isShared`), where each of them is some round trips. */
const FEW = 8;

/** What is said of deliveries that end so. */
export const ERASED = "the video was erased on request";

type EventRow = Sized & {
  sequence: number;
  deliveries: number;
  video_medium: number | null;
  thumbnail_medium: number | null;
};

// Erases what is known of a video; what stays are ids, types and times. Each function is one piece of that, inside a
// transaction, and returns whether there is more of it to do. Each can be done again: what was cut off is gone on with.

/** `hasMore`: something came since it was erased. */
const FIND = sql<[string], { id: number; forgotten_at: number | null; hasMore: number }>(
  `SELECT id, forgotten_at, CASE WHEN sequence > forgotten_through
     OR EXISTS (SELECT 1 FROM imports WHERE video = v.id) THEN 1 ELSE 0 END AS "hasMore"
   FROM videos v WHERE video_id = ?`,
);
const LIVE_MEDIA = sql<[number, number, number], MediumRow>(
  "SELECT * FROM media WHERE video = ? AND event <= ? AND state <> 'superseded' AND url <> '' ORDER BY id LIMIT ?",
);
const MEDIUM = sql<[number], MediumRow>("SELECT * FROM media WHERE id = ? AND url <> ''");
const DROP_OWED = sql<[number]>("DELETE FROM owed WHERE medium = ?");
const ERASE_MEDIUM = sql<[number]>(
  `UPDATE media SET url = '', host = '', key = NULL, target = NULL, bytes = NULL, sha256 = NULL, content_type = NULL,
     suspect = NULL, etag = NULL, last_modified = NULL, duration = NULL WHERE id = ?`,
);
const DROP_CONTEXTS = sql<[number, number]>(
  "DELETE FROM past_contexts WHERE id IN (SELECT id FROM past_contexts WHERE video = ? LIMIT ?)",
);
const DROP_IMPORTS = sql<[number, number]>(
  "DELETE FROM imports WHERE id IN (SELECT id FROM imports WHERE video = ? LIMIT ?)",
);
const LAST_EVENT = sql<[number], { id: number | null }>("SELECT max(id) AS id FROM events WHERE video = ?");
const LAST_UNTIL = sql<[number, number], { id: number | null }>(
  "SELECT max(id) AS id FROM events WHERE video = ? AND received_at <= ?",
);
const ERASE_VIDEO = sql<[number, number]>(
  // What its next event may be a duplicate of stays: the provider's repetition brings nothing back.
  `UPDATE videos SET context = NULL, context_since = NULL, state = 'deleted', has_file = 0, title = NULL, title_at = NULL,
     duration = NULL, duration_at = NULL, forgotten_through = coalesce((SELECT min(e.sequence) - 1 FROM events e
       WHERE e.video = videos.id AND e.id > ? AND e.sequence > 0), sequence) WHERE id = ?`,
);
const ENDPOINTS = sql<[number], { endpoint: string }>(
  "SELECT DISTINCT endpoint FROM deliveries WHERE video = ? AND settled_at IS NULL",
);
const UNSETTLED = sql<[number, string, number, number, number], DeliveryRow>(
  `SELECT * FROM deliveries WHERE video = ? AND endpoint = ? AND settled_at IS NULL
     AND (state <> 'canceling' OR due <= ?) AND event <= ? ORDER BY id DESC LIMIT ?`,
);
const EVENTS = sql<[number, number, number, number], EventRow>(
  `SELECT id, sequence, deliveries, video_medium, thumbnail_medium, length(body) AS bytes FROM events
   WHERE video = ? AND sequence > ? AND id <= ? ORDER BY sequence LIMIT ?`,
);
const COUNT_EVENTS = sql<[number, number], { count: number }>(
  "SELECT count(*) AS count FROM events WHERE video = ? AND id <= ?",
);
const DUPLICATES = sql<[number, number, number], Sized>(
  `SELECT d.id, length(d.body) AS bytes FROM events e JOIN duplicates d ON d.event = e.id
   WHERE e.video = ? AND e.id <= ? LIMIT ?`,
);
const DROP_DUPLICATE = sql<[number]>("DELETE FROM duplicates WHERE id = ?");
const ERASE_ATTEMPTS = sql<[number, number]>(
  "UPDATE attempts SET error = NULL, response = NULL, sha256 = NULL WHERE delivery BETWEEN ? AND ?",
);
const ERASE_REPLAYED = sql<[number]>(
  `UPDATE attempts SET error = NULL, response = NULL, sha256 = NULL
   WHERE delivery IN (SELECT id FROM deliveries WHERE event = ? AND replay > 0)`,
);
const ERASE_ANNOTATION = sql<[number]>(
  "UPDATE annotations SET context = NULL, context_at = NULL, trace = NULL WHERE event = ?",
);
const ERASE_EVENT = sql<[number]>("UPDATE events SET body = NULL, context = NULL WHERE id = ?");
const SET_FORGOTTEN = sql<[number, number]>("UPDATE videos SET forgotten_at = ? WHERE id = ?");

async function discard(tx: Tx, row: MediumRow, now: number): Promise<void> {
  // No endpoint gets a notice: it would name what is to be forgotten.
  tx.write(DROP_OWED, [row.id]);
  await ends.discard(tx, row, "erased on request", now);
  tx.write(ERASE_MEDIUM, [row.id]);
}

/** `erasedAt`: when it was erased, where nothing of it is left to erase. Null: no event and no import named it. */
async function find(tx: Tx, videoId: string): Promise<{ video: number; erasedAt: number | null } | null> {
  const row = await tx.get(FIND, [videoId]);
  if (row === undefined) return null;
  const isDone = row.hasMore === 0 && (await erasures.of(tx, row.id)) === null;
  return { video: row.id, erasedAt: isDone ? row.forgotten_at : null };
}

/** A piece of an erasure. `most`: of how many rows it is where each of them is some work of its own. */
type Piece = { video: number; now: number; until: number | undefined; most: number };

/** What a piece of work leaves: more of it, nothing, or the erasure has been ended by another call. */
type Left = "more" | "none" | "ended";

const leftOf = (hasMore: boolean): Left => (hasMore ? "more" : "none");

/** No event has a greater id. */
const ALL = Number.MAX_SAFE_INTEGER;

/**
 * Media that a new event could take up, earlier contexts and imports; with the last of them the video itself. From then
 * on none of its events is sent, and what comes belongs to another video of the same id, which stays. So does what was received
 * after `until`.
 */
async function begin(tx: Tx, { video, now, until, most }: Piece): Promise<Left> {
  const last = await (until === undefined ? tx.get(LAST_EVENT, [video]) : tx.get(LAST_UNTIL, [video, until]));
  const upTo = last?.id ?? 0;
  const rows = await tx.all(LIVE_MEDIA, [video, until === undefined ? ALL : upTo, most]);
  for (const row of rows) await discard(tx, row, now);
  const contexts = await tx.changed(DROP_CONTEXTS, [video, PER_PIECE]);
  const imports = await tx.changed(DROP_IMPORTS, [video, PER_PIECE]);
  const media = ((await erasures.of(tx, video))?.media ?? 0) + rows.length;
  erasures.save(tx, video, { upTo, after: null, media });
  if (rows.length === most || contexts === PER_PIECE || imports === PER_PIECE) return "more";
  tx.write(ERASE_VIDEO, [upTo, video]);
  return "none";
}

/**
 * Deliveries, the newest first, so that none begins because an earlier one of its lane has ended. One that runs ends with
 * its attempt.
 */
async function cancel(tx: Tx, { video, now, most }: Piece): Promise<Left> {
  const erasure = await erasures.of(tx, video);
  if (erasure === null) return "ended";
  let rest = most;
  for (const { endpoint } of await tx.all(ENDPOINTS, [video])) {
    const rows = await tx.all(UNSETTLED, [video, endpoint, now, erasure.upTo, rest]);
    for (const row of rows) await lanes.cancel(tx, row, ERASED, now);
    rest -= rows.length;
    if (rest === 0) return "more";
  }
  return "none";
}

/** Events, the answers to their deliveries, and media that newer ones have superseded. */
async function erase(tx: Tx, { video, now, most }: Piece): Promise<Left> {
  const known = await erasures.of(tx, video);
  if (known === null) return "ended";
  const erasure: Erasure = { ...known };
  const found = await tx.all(EVENTS, [video, erasure.after ?? Number.MIN_SAFE_INTEGER, erasure.upTo, most]);
  const some = takeSome(found);
  const ids = new Set(some.flatMap((event) => [event.video_medium ?? [], event.thumbnail_medium ?? []].flat()));
  // They were superseded: none of them has a copy by itself.
  const media = (await Promise.all([...ids].map((id) => tx.get(MEDIUM, [id])))).filter((row) => row !== undefined);
  await Promise.all(media.map((row) => discard(tx, row, now)));
  erasure.media += media.length;
  for (const event of some) {
    if (event.deliveries > 0) tx.write(ERASE_ATTEMPTS, [event.id + 1, event.id + event.deliveries]);
    tx.write(ERASE_REPLAYED, [event.id]);
    tx.write(ERASE_ANNOTATION, [event.id]);
    tx.write(ERASE_EVENT, [event.id]);
    erasure.after = event.sequence;
  }
  erasures.save(tx, video, erasure);
  return leftOf(hasMore(found, some, most));
}

/** Duplicates of events that are erased; what repeats one of them from then on is kept without its body. */
async function eraseDuplicates(tx: Tx, { video }: Piece): Promise<Left> {
  const erasure = await erasures.of(tx, video);
  if (erasure === null) return "ended";
  const found = await tx.all(DUPLICATES, [video, erasure.upTo, PER_PIECE]);
  const some = takeSome(found);
  for (const { id } of some) tx.write(DROP_DUPLICATE, [id]);
  return leftOf(hasMore(found, some, PER_PIECE));
}

/** `parts`: of the archive, which are to be written anew. Null: another call has ended it. */
async function end(
  tx: Tx,
  video: number,
  now: number,
): Promise<{ events: number; media: number; parts: number } | null> {
  const erasure = await erasures.of(tx, video);
  if (erasure === null) return null;
  const { upTo, media } = erasure;
  tx.write(SET_FORGOTTEN, [now, video]);
  erasures.end(tx, video);
  const parts = await archive.planAll(tx, video);
  return { events: (await tx.get(COUNT_EVENTS, [video, upTo]))!.count, media, parts };
}

/**
 * Erases a video in transactions that hold no other writer up. Cut off at any moment, the same call goes on with it, and
 * meanwhile nothing of it is sent. Who did it (`actor`) is entered in the audit with the last of it. `until`: what was received
 * after that stays. RelayError("not_found") and "conflict" where there is nothing of it to erase.
 */
export async function forgetInPieces(
  { read, write, clock, isShared = false }: Engine & { clock: Clock; isShared?: boolean },
  videoId: string,
  now: number,
  { actor, until }: { actor?: Actor | undefined; until?: number } = {},
): Promise<{ events: number; media: number; refused: number; parts: number }> {
  // Not among what comes in: a piece is longer.
  const ofIt = <T>(run: (tx: Tx) => Promise<T>) => aboutSome(async () => [videoId], run);
  const known = await read(about(videoId, (tx) => find(tx, videoId)));
  let most = isShared ? FEW : PER_PIECE;
  let refused = 0;
  if (known === null || known.erasedAt !== null) {
    refused = await dropRefused((tx) => enter(tx, 0));
    if (refused === 0) throw nothingLeft(videoId, known?.erasedAt ?? null);
    if (known === null) return { events: 0, media: 0, refused, parts: 0 };
  }
  for (;;) {
    const isWhole =
      (await whole(begin, known.video)) &&
      (await whole(cancel, known.video)) &&
      (await whole(erase, known.video)) &&
      (await whole(eraseDuplicates, known.video));
    // Another call that ended it had begun earlier: it may have left what came since.
    if (!isWhole) continue;
    refused += await dropRefused();
    const ended = await write(
      ofIt(async (tx) => {
        const erased = await end(tx, known.video, now);
        if (erased !== null) enter(tx, erased.events);
        return erased;
      }),
    );
    if (ended !== null) return { ...ended, refused };
  }

  function enter(tx: Tx, count: number): void {
    if (actor) audit.enter(tx, actor, { verb: "videos forget", subject: videoId, count, outcome: "done" });
  }

  /** False: another call has ended the erasure. */
  async function whole(piece: typeof begin, video: number): Promise<boolean> {
    for (;;) {
      // Only what it holds the database for counts: waiting for a busy relay is pause enough.
      let took = 0;
      const hold = async (tx: Tx) => {
        const begun = clock.elapsed();
        const left = await piece(tx, { video, now, until, most });
        took = clock.elapsed() - begun;
        return left;
      };
      const left = await write(ofIt(hold));
      if (left !== "more") return left === "none";
      most = nextSize(most, took, PER_PIECE);
      await sleep(isShared ? PAUSE : Math.max(PAUSE, PAUSE_PER_WORK * took), clock);
    }
  }

  /** Refused bodies belong to no video: all of them are looked through. How many were of this one; `first` goes with the first. */
  async function dropRefused(first?: (tx: Tx) => void): Promise<number> {
    let dropped = 0;
    for (let at = 0; ; ) {
      const after = at;
      const found = await read(job((tx) => quarantine.findOf(tx, videoId, after)));
      if (found === null) return dropped;
      at = found.last;
      if (found.ids.length === 0) continue;
      const isFirst = dropped === 0;
      const drop = async (tx: Tx) => {
        const count = await quarantine.dropAll(tx, found.ids);
        if (isFirst && count > 0) first?.(tx);
        return count;
      };
      dropped += await write(apart("quarantine", drop));
    }
  }
}

function nothingLeft(videoId: string, erasedAt: number | null): RelayError {
  if (erasedAt === null) return new RelayError("not_found", `no video ${JSON.stringify(videoId.slice(0, 80))}`);
  return new RelayError("conflict", `the video was erased already, at ${new Date(erasedAt).toISOString()}`);
}
