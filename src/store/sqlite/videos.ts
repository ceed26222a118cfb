import type { Video, VideoState } from "../../domain.ts";
import { RelayError } from "../../errors.ts";
import { nextVideoState } from "../../plan.ts";
import type { Acceptance, Page, Store } from "../store.ts";
import type { Ids } from "./ids.ts";
import { type MediumRow, SHOWN_MEDIUM, toMedium } from "./media.ts";
import { ALL, page } from "./page.ts";
import type { Sql } from "./sql.ts";

export type VideoRow = {
  id: number;
  video_id: string;
  context: string | null;
  context_since: number | null;
  state: VideoState;
  title: string | null;
  duration: number | null;
  first_seen: number;
  last_event_at: number;
  sequence: number;
  last_event: number | null;
  last_fingerprint: string | null;
  forgotten_at: number | null;
};

/** The number of contexts and of media that a list shows of each video, the newest ones. */
const EACH = 50;

/** What is known of each video: its context and earlier ones, its state, the last sequence. Inside a transaction. */
export function createVideos(db: Sql, ids: Ids) {
  const byVideoId = db.prepare<[string], VideoRow>("SELECT * FROM videos WHERE video_id = ?");
  const byId = db.prepare<[number], VideoRow>("SELECT * FROM videos WHERE id = ?");
  const insert = db.prepare(
    `INSERT INTO videos (id, video_id, context, context_since, state, title, duration, first_seen, last_event_at, sequence, last_event, last_fingerprint)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const update = db.prepare(
    `UPDATE videos SET state = ?, title = ?, duration = ?, last_event_at = ?, sequence = ?, last_event = ?, last_fingerprint = ? WHERE id = ?`,
  );
  const setContext = db.prepare("UPDATE videos SET context = ?, context_since = ? WHERE id = ?");
  const keepContext = db.prepare("INSERT INTO past_contexts (id, video, context, since) VALUES (?, ?, ?, ?)");
  const pastContexts = db.prepare<[number, number], { context: string; since: number }>(
    "SELECT context, since FROM past_contexts WHERE video = ? ORDER BY id DESC LIMIT ?",
  );
  const media = db.prepare<[number, number], MediumRow & { video_id: string }>(
    `SELECT ${SHOWN_MEDIUM} WHERE m.video = ? AND m.state <> 'superseded' ORDER BY m.id DESC LIMIT ?`,
  );

  /** The newest context wins; the one before it is remembered. */
  function remap(video: VideoRow, context: string, at: number): boolean {
    if (video.context === context) return false;
    if (video.context !== null) keepContext.run(ids.next(), video.id, video.context, video.context_since ?? at);
    setContext.run(context, at, video.id);
    return true;
  }

  function toVideo(row: VideoRow, limit: number): Video {
    const present = row.context === null ? [] : [{ context: row.context, since: row.context_since ?? row.first_seen }];
    const past = pastContexts.all(row.id, limit === ALL ? ALL : Math.max(0, limit - present.length)).reverse();
    const found = media.all(row.id, limit).reverse();
    return {
      videoId: row.video_id,
      context: row.context,
      contextHistory: [...past, ...present],
      state: row.state,
      title: row.title,
      duration: row.duration,
      media: ["video", "thumbnail"].flatMap((kind) => found.filter((each) => each.kind === kind)).map(toMedium),
      firstSeenAt: row.first_seen,
      lastEventAt: row.last_event_at,
      forgottenAt: row.forgotten_at,
    };
  }

  return {
    find: (videoId: string) => byVideoId.get(videoId),
    idOf: (id: number) => byId.get(id)?.video_id ?? "",

    /** Writes what an event says of its video. `landmark` is the event's id, null for an autosave. */
    record(
      known: VideoRow | undefined,
      { event, receivedAt }: Acceptance,
      landmark: number | null,
    ): { video: number; sequence: number } {
      const state = nextVideoState(known?.state ?? null, event);
      if (known === undefined) {
        const id = ids.next();
        const since = event.context === null ? null : receivedAt;
        insert.run(
          id,
          event.videoId,
          event.context,
          since,
          state,
          event.title,
          event.duration,
          receivedAt,
          receivedAt,
          1,
          landmark,
          landmark && event.fingerprint,
        );
        return { video: id, sequence: 1 };
      }
      const sequence = known.sequence + 1;
      update.run(
        state,
        event.title ?? known.title,
        event.duration ?? known.duration,
        Math.max(receivedAt, known.last_event_at),
        sequence,
        landmark ?? known.last_event,
        landmark === null ? known.last_fingerprint : event.fingerprint,
        known.id,
      );
      if (event.context !== null) remap(known, event.context, receivedAt);
      return { video: known.id, sequence };
    },

    import(rows: { videoId: string; context: string }[], now: number): number {
      let imported = 0;
      for (const { videoId, context } of rows) {
        const known = byVideoId.get(videoId);
        if (known) imported += remap(known, context, now) ? 1 : 0;
        else {
          insert.run(ids.next(), videoId, context, now, "unknown", null, null, now, now, 0, null, null);
          imported++;
        }
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
      const list = page<VideoRow>(db, "v.* FROM videos v", "v.id", "evt", rest);
      if (before !== undefined) list.where("v.id < (SELECT id FROM videos WHERE video_id = ?)", before);
      if (wish.state !== undefined) list.where("v.state = ?", wish.state);
      if (wish.context !== undefined) list.where("v.context = ?", wish.context);
      const isFiltered = wish.state !== undefined && wish.context === undefined;
      return (isFiltered ? list.scan("videos") : list.all()).map((row) => toVideo(row, EACH));
    },

    ofContext(context: string, { limit, before }: Pick<Page, "limit" | "before">): Video[] {
      const list = page<VideoRow>(db, "v.* FROM videos v", "v.id", "evt", { limit });
      list.where("(v.context = ? OR v.id IN (SELECT video FROM past_contexts WHERE context = ?))", context, context);
      if (before !== undefined) list.where("v.id < (SELECT id FROM videos WHERE video_id = ?)", before);
      return list.all().map((row) => toVideo(row, EACH));
    },
  };
}

export type Videos = ReturnType<typeof createVideos>;
