import { RelayError } from "../../../errors.ts";
import type { Video } from "../../../model/video.ts";
import { isAutosave } from "../../../rules/duplicate.ts";
import { nextVideoState } from "../../../rules/video-state.ts";
import type { Acceptance, Page, Store } from "../../store.ts";
import { type MediumRow, SHOWN_MEDIUM, toMedium } from "../media/rows.ts";
import type { Ids } from "../rows/ids.ts";
import { ALL, page } from "../rows/paging.ts";
import type { Sql } from "../rows/sql.ts";
import type { History } from "./history.ts";
import type { VideoRow } from "./video-row.ts";

/** The number of contexts and of media that a list shows of each video, the newest ones. */
const EACH = 50;

/** Where a new event stands: its sequence, its place in order, and whether nothing of its video stands behind it. */
export type Place = { video: number; sequence: number; orderedAt: number; isLast: boolean };

/** What is known of each video: its context and earlier ones, its state, the last sequence. Inside a transaction. */
export function createVideos(db: Sql, ids: Ids, history: History, epoch: number) {
  const byVideoId = db.prepare<[string], VideoRow>("SELECT * FROM videos WHERE video_id = ?");
  const byId = db.prepare<[number], VideoRow>("SELECT * FROM videos WHERE id = ?");
  const insert = db.prepare(
    `INSERT INTO videos (state, has_file, title, title_at, duration, duration_at, first_seen, last_event_at, sequence,
       ordered_at, last_event, last_fingerprint, id, video_id, context, context_since)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const update = db.prepare(
    `UPDATE videos SET state = ?, has_file = ?, title = ?, title_at = ?, duration = ?, duration_at = ?, first_seen = ?,
       last_event_at = ?, sequence = ?, ordered_at = ?, last_event = ?, last_fingerprint = ? WHERE id = ?`,
  );
  // Apart, because it costs an entry of the index each time, changed or not.
  const setContext = db.prepare("UPDATE videos SET context = ?, context_since = ? WHERE id = ?");
  const placeOf = db.prepare<[number], { place: number }>(
    `SELECT coalesce(a.ordered_at, e.received_at) AS place FROM events e LEFT JOIN annotations a ON a.event = e.id
     WHERE e.id = ?`,
  );
  const lastImport = db.prepare<[number], { context: string }>(
    "SELECT context FROM imports WHERE video = ? AND ordered_at IS NULL ORDER BY id DESC LIMIT 1",
  );
  const addImport = db.prepare("INSERT INTO imports (id, video, context, at, ordered_at) VALUES (?, ?, ?, ?, ?)");
  const media = db.prepare<[number, number], MediumRow & { video_id: string }>(
    `SELECT ${SHOWN_MEDIUM} WHERE m.video = ? AND m.state <> 'superseded' ORDER BY m.id DESC LIMIT ?`,
  );

  /** `before`: the row as it is in the database; undefined: it is not there. */
  function write(row: VideoRow, before: VideoRow | undefined): void {
    const values = [
      row.state,
      row.has_file,
      row.title,
      row.title_at,
      row.duration,
      row.duration_at,
      row.first_seen,
      row.last_event_at,
      row.sequence,
      row.ordered_at,
      row.last_event,
      row.last_fingerprint,
      row.id,
    ];
    const { context, context_since } = row;
    if (before === undefined) {
      insert.run(...values, row.video_id, context, context_since);
      return;
    }
    update.run(...values);
    if (context !== before.context || context_since !== before.context_since) {
      setContext.run(context, context_since, row.id);
    }
  }

  /**
   * What the next event of the video may be a duplicate of. An autosave stands between two others only where it changed
   * something. A late event is compared with nothing, but stands between those before and after it.
   */
  function landmark(
    before: VideoRow,
    after: VideoRow,
    { event, receivedAt, late }: Acceptance,
    id: number,
  ): Pick<VideoRow, "last_event" | "last_fingerprint"> {
    const { last_event, last_fingerprint, sequence } = before;
    if (late && last_event !== null && (placeOf.get(last_event)?.place ?? 0) > receivedAt)
      return { last_event, last_fingerprint };
    if (isAutosave(event.type)) {
      const isChanged =
        after.state !== before.state || after.context !== before.context || after.title !== before.title;
      return isChanged ? NO_LANDMARK : { last_event, last_fingerprint };
    }
    if (late && sequence > 0 && receivedAt < before.last_event_at) return NO_LANDMARK;
    return { last_event: id, last_fingerprint: event.fingerprint };
  }

  /** A context that an event says while nothing of its video stands behind it: the newest. */
  function remap(row: VideoRow, context: string, at: number, now: number, isNew: boolean): void {
    if (row.context !== null) history.keep(row.id, row.context, row.context_since ?? at);
    else if (!isNew) history.fill(row, context, now);
    Object.assign(row, { context, context_since: at });
  }

  function toVideo(row: VideoRow, limit: number): Video {
    const present = row.context === null ? [] : [{ context: row.context, since: row.context_since ?? row.first_seen }];
    const past = history.past(row.id, limit === ALL ? ALL : Math.max(0, limit - present.length));
    const found = media.all(row.id, limit).reverse();
    return {
      videoId: row.video_id,
      context: row.context,
      contextHistory: [...past, ...present],
      state: row.state,
      title: row.title,
      duration: row.duration,
      media: ["video", "thumbnail"]
        .flatMap((kind) => found.filter((each) => each.kind === kind))
        .map((row) => toMedium(ids, row)),
      firstSeenAt: row.first_seen,
      lastEventAt: row.last_event_at,
      forgottenAt: row.forgotten_at,
    };
  }

  return {
    find: (videoId: string) => byVideoId.get(videoId),
    idOf: (id: number) => byId.get(id)?.video_id ?? "",

    /**
     * Writes what an event, under its id, says of its video. Where the event is not the last in order (`isLast`) its state
     * and contexts follow by `retell`, once its row is there.
     */
    record(known: VideoRow | undefined, acceptance: Acceptance, id: number, now: number): Place {
      const { event, receivedAt, late } = acceptance;
      const before = known ?? newVideo(ids.next(), event.videoId, receivedAt);
      const orderedAt = late ? receivedAt : Math.max(before.ordered_at, receivedAt);
      const isLast = orderedAt >= Math.max(before.ordered_at, before.last_event_at);
      const after: VideoRow = {
        ...before,
        first_seen: late ? Math.min(before.first_seen, receivedAt) : before.first_seen,
        last_event_at: Math.max(before.last_event_at, receivedAt),
        sequence: Math.max(before.sequence, epoch) + 1,
        ordered_at: late ? before.ordered_at : orderedAt,
      };
      if (event.title !== null && orderedAt >= (before.title_at ?? 0)) {
        Object.assign(after, { title: event.title, title_at: orderedAt });
      }
      if (event.duration !== null && orderedAt >= (before.duration_at ?? 0)) {
        Object.assign(after, { duration: event.duration, duration_at: orderedAt });
      }
      if (isLast) {
        const { state, hasFile } = nextVideoState({ state: before.state, hasFile: before.has_file === 1 }, event);
        Object.assign(after, { state, has_file: hasFile ? 1 : 0 });
        const { context } = event;
        if (context !== null && context !== before.context) remap(after, context, receivedAt, now, known === undefined);
        Object.assign(after, landmark(before, after, acceptance, id));
      }
      write(after, known);
      return { video: after.id, sequence: after.sequence, orderedAt, isLast };
    },

    /** The video as it is with an event that stands before others of it. */
    retell(before: VideoRow, acceptance: Acceptance, id: number, now: number): void {
      const after = { ...byId.get(before.id)!, ...history.retell(before, id, now) };
      write({ ...after, ...landmark(before, after, acceptance, id) }, before);
    },

    /** How many of these mappings changed the context of their video. `override`: each is the newest, whatever events said. */
    import(rows: { videoId: string; context: string }[], override: boolean, now: number): number {
      let imported = 0;
      for (const { videoId, context } of rows) {
        const known = byVideoId.get(videoId);
        const video = known ?? newVideo(ids.next(), videoId, now);
        const orderedAt = Math.max(video.ordered_at, now);
        if (override || lastImport.get(video.id)?.context !== context) {
          addImport.run(ids.next(), video.id, context, now, override ? orderedAt : null);
        }
        const { context: present, context_since } = history.retell(video, null, now);
        write({ ...video, ordered_at: orderedAt, context: present, context_since }, known);
        if (present !== video.context) imported++;
      }
      return imported;
    },

    show(videoId: string, limit = ALL): Video {
      const row = byVideoId.get(videoId);
      if (!row) throw new RelayError("not_found", `no video ${JSON.stringify(videoId.slice(0, 80))}`);
      return toVideo(row, limit);
    },

    list(wish: Parameters<Store["videos"]>[0]): Video[] {
      const { before, ...rest } = wish;
      const list = page<VideoRow>(db, ids, "v.* FROM videos v", "v.id", "evt", rest);
      if (before !== undefined) list.where("v.id < (SELECT id FROM videos WHERE video_id = ?)", before);
      if (wish.state !== undefined) list.where("v.state = ?", wish.state);
      if (wish.context !== undefined) list.where("v.context = ?", wish.context);
      const isFiltered = wish.state !== undefined && wish.context === undefined;
      return (isFiltered ? list.scan("videos") : list.all()).map((row) => toVideo(row, EACH));
    },

    ofContext(context: string, { limit, before }: Pick<Page, "limit" | "before">): Video[] {
      const list = page<VideoRow>(db, ids, "v.* FROM videos v", "v.id", "evt", { limit });
      list.where("(v.context = ? OR v.id IN (SELECT video FROM past_contexts WHERE context = ?))", context, context);
      if (before !== undefined) list.where("v.id < (SELECT id FROM videos WHERE video_id = ?)", before);
      return list.all().map((row) => toVideo(row, EACH));
    },
  };
}

export type Videos = ReturnType<typeof createVideos>;

const NO_LANDMARK = { last_event: null, last_fingerprint: null };

/** A video of which nothing was said yet. */
function newVideo(id: number, videoId: string, at: number): VideoRow {
  return {
    id,
    video_id: videoId,
    context: null,
    context_since: null,
    state: "unknown",
    title: null,
    duration: null,
    first_seen: at,
    last_event_at: at,
    sequence: 0,
    forgotten_at: null,
    has_file: 0,
    ordered_at: 0,
    title_at: null,
    duration_at: null,
    forgotten_through: 0,
    ...NO_LANDMARK,
  };
}
