import { RelayError } from "../../../errors.ts";
import type { Dialect, StoredEvent } from "../../../model/event.ts";
import type { MediaKind, Medium } from "../../../model/medium.ts";
import type { Acceptance, Accepted, Store } from "../../store.ts";
import type { Gates } from "../deliveries/gates.ts";
import type { Lanes } from "../deliveries/lanes.ts";
import type { Deletions } from "../media/deletions.ts";
import { type MediaRows, toMedium } from "../media/rows.ts";
import type { Ids } from "../rows/ids.ts";
import { page } from "../rows/paging.ts";
import type { Sql } from "../rows/sql.ts";
import type { Announcements } from "./announcements.ts";
import type { Videos } from "./videos.ts";

type EventRow = {
  id: number;
  received_at: number;
  video: number;
  sequence: number;
  type: string | null;
  dialect: Dialect;
  failure: number;
  context: string | null;
  source: string;
  duplicates: number;
  video_medium: number | null;
  thumbnail_medium: number | null;
  video_id: string;
  /** Of one that came without a context: the one that it was given. */
  given: string | null;
  late: number | null;
};

/** Everything but the body, which may be large. */
const COLUMNS = `e.id, e.received_at, e.video, e.sequence, e.type, e.dialect, e.failure, e.context, e.source, e.duplicates,
  e.video_medium, e.thumbnail_medium, e.deliveries, v.video_id, a.context AS given, a.late`;
const FROM = "FROM events e JOIN videos v ON v.id = e.video LEFT JOIN annotations a ON a.event = e.id";

/** The deliveries of an event: its own, whose ids follow the event's, and its replays. */
const DELIVERIES =
  "(d.id BETWEEN e.id + 1 AND e.id + e.deliveries) OR d.id IN (SELECT r.id FROM deliveries r WHERE r.event = e.id AND r.replay > 0)";
const STATUS = `CASE
  WHEN EXISTS (SELECT 1 FROM deliveries d WHERE (${DELIVERIES}) AND d.state = 'dead') THEN 'dead'
  WHEN EXISTS (SELECT 1 FROM deliveries d WHERE (${DELIVERIES}) AND d.settled_at IS NULL)
    OR e.dialect <> 'notice' AND EXISTS (SELECT 1 FROM media m WHERE m.id IN (e.video_medium, e.thumbnail_medium) AND m.state IN ('pending', 'running'))
  THEN 'waiting'
  ELSE 'settled' END AS status`;

/** The newest attempt that an endpoint has answered with 2xx began before the context was known. */
const CONTEXT_MISSING = `a.context_at IS NOT NULL AND EXISTS (
  SELECT 1 FROM deliveries d JOIN attempts t ON t.delivery = d.id WHERE (${DELIVERIES}) AND d.state = 'delivered'
  GROUP BY d.endpoint HAVING max(t.started_at) <= a.context_at)`;

/** Takes events in and gives them out, inside a transaction. */
export function createEvents(
  db: Sql,
  ids: Ids,
  videos: Videos,
  media: MediaRows,
  announcements: Announcements,
  lanes: Lanes,
  gates: Gates,
  deletions: Pick<Deletions, "plan" | "keep">,
) {
  const insert = db.prepare(
    `INSERT INTO events (id, received_at, video, sequence, type, dialect, failure, context, source, video_medium, thumbnail_medium, deliveries, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const annotate = db.prepare("INSERT INTO annotations (event, context, late, ordered_at) VALUES (?, ?, ?, ?)");
  // What repeats an event that was erased brings its body back no more than the event does.
  const insertDuplicate = db.prepare(
    `INSERT INTO duplicates (id, event, received_at, source, body)
       SELECT ?, id, ?, ?, iif(body IS NULL, NULL, ?) FROM events WHERE id = ?`,
  );
  const countDuplicate = db.prepare("UPDATE events SET duplicates = duplicates + 1 WHERE id = ?");
  const receivedAt = db.prepare<[number], { received_at: number }>("SELECT received_at FROM events WHERE id = ?");
  const byId = db.prepare<[number], EventRow & { status: StoredEvent["status"] }>(
    `SELECT ${COLUMNS}, ${STATUS} ${FROM} WHERE e.id = ?`,
  );
  const withLength = db.prepare<[number], EventRow & { bytes: number | null }>(
    `SELECT ${COLUMNS}, length(e.body) AS bytes ${FROM} WHERE e.id = ?`,
  );
  const bodyOf = db.prepare<[number], { body: Uint8Array | null }>("SELECT body FROM events WHERE id = ?");

  /** The first of two equal events with nothing of their video in between, if it is recent enough. */
  function repeated(
    { event, receivedAt: now, dedupeWindow }: Acceptance,
    video: { last_event: number | null; last_fingerprint: string | null },
  ): number | null {
    if (dedupeWindow === 0 || event.fingerprint === null || video.last_event === null) return null;
    if (video.last_fingerprint !== event.fingerprint) return null;
    const first = receivedAt.get(video.last_event);
    return first && Math.abs(now - first.received_at) <= dedupeWindow ? video.last_event : null;
  }

  function mediaOf({ video_medium, thumbnail_medium, video_id }: EventRow): Medium[] {
    return [video_medium, thumbnail_medium].flatMap((id) => {
      const found = id === null ? undefined : media.byId(id);
      // A thumbnail that a newer one replaced is that newer one by now: the address lives on, its file has changed.
      return found ? [toMedium(ids, { ...media.speaker(found), video_id })] : [];
    });
  }

  function rowOf(id: string) {
    const row = byId.get(ids.read("evt", id));
    if (!row) throw new RelayError("not_found", `no event "${id}"`);
    return row;
  }

  return {
    accept(acceptance: Acceptance, now: number): Accepted {
      const { event, plan, body, receivedAt: at, sourceAddress, late = false } = acceptance;
      const known = videos.find(event.videoId);
      const first = known ? repeated(acceptance, known) : null;
      if (known && first !== null) {
        countDuplicate.run(first);
        insertDuplicate.run(ids.next(), at, sourceAddress, body, first);
        for (const planned of plan.media) announcements.freshen(planned, known.id, { receivedAt: at, now });
        return { id: ids.show("evt", first), status: "duplicate" };
      }
      const id = ids.block(1 + plan.deliveries.length);
      const { video, sequence, orderedAt, isLast } = videos.record(known, acceptance, id, now);
      const announcement = { event: id, video, videoIsNew: known === undefined, sequence, receivedAt: at, now };
      const filed: Record<MediaKind, number | null> = { video: null, thumbnail: null };
      for (const planned of plan.media) {
        const medium = announcements.file(planned, announcement);
        filed[planned.kind] = medium;
        if (known && !event.failure) deletions.keep(medium);
      }
      insert.run(
        id,
        at,
        video,
        sequence,
        event.type,
        event.dialect,
        event.failure ? 1 : 0,
        event.context,
        sourceAddress,
        filed.video,
        filed.thumbnail,
        plan.deliveries.length,
        body,
      );
      const given = event.context === null && isLast ? (known?.context ?? null) : null;
      if (given !== null || late || orderedAt !== at) {
        annotate.run(id, given, late ? 1 : 0, orderedAt === at ? null : orderedAt);
      }
      if (!isLast) videos.retell(known!, acceptance, id, now);
      if (plan.opensGates && known && !late) gates.openAll(video, now);
      if (plan.deletes && known) {
        const isReady = known.has_file === 1;
        deletions.plan(video, { ...plan.deletes, receivedAt: at, isReady }, now);
      }
      for (const [index, { endpoint, ordered, gateUntil }] of plan.deliveries.entries()) {
        const gate = gateUntil === null ? null : gates.of({ receivedAt: at, gateUntil, ...filed }, now);
        const lane = { id: id + 1 + index, video, endpoint, ordered: ordered ? 1 : 0 };
        lanes.add({ ...lane, event: id, videoIsNew: known === undefined, gateUntil, gate, replay: 0 }, now);
      }
      return { id: ids.show("evt", id), status: "accepted" };
    },

    replay(eventId: string, to: { endpoint: string; ordered: boolean; newId: boolean }, now: number): { id: string } {
      const row = rowOf(eventId);
      if (bodyOf.get(row.id)?.body == null)
        throw new RelayError("body_expired", `the body of ${eventId} has been pruned`);
      const id = ids.next();
      const lane = { id, video: row.video, endpoint: to.endpoint, ordered: to.ordered ? 1 : 0 };
      const replay = to.newId ? 2 : 1;
      lanes.add({ ...lane, event: row.id, videoIsNew: false, gateUntil: null, gate: null, replay }, now);
      return { id: ids.show("dlv", id) };
    },

    /** What a delivery is made from, but for the body, which may be large. */
    message(id: number): { event: StoredEvent; bytes: number | null; media: Medium[] } {
      const row = withLength.get(id);
      if (!row) throw new RelayError("not_found", `no event ${ids.show("evt", id)}`);
      return { event: toEvent(ids, { ...row, status: "waiting" }), bytes: row.bytes, media: mediaOf(row) };
    },

    show: (id: string) => toEvent(ids, rowOf(id)),
    media: (id: string) => mediaOf(rowOf(id)),
    body(id: string): Uint8Array {
      const body = bodyOf.get(ids.read("evt", id))?.body ?? null;
      if (body === null)
        throw new RelayError("body_expired", `the body of ${ids.show("evt", rowOf(id).id)} has been pruned`);
      return body;
    },

    list(wish: Parameters<Store["events"]>[0]): StoredEvent[] {
      const list = page<EventRow & { status: StoredEvent["status"] }>(
        db,
        ids,
        `${COLUMNS}, ${STATUS} ${FROM}`,
        "e.id",
        "evt",
        wish,
      );
      if (wish.type !== undefined) list.where("e.type = ?", wish.type);
      else list.where("e.dialect <> 'notice'");
      if (wish.videoId !== undefined) list.where("v.video_id = ?", wish.videoId);
      if (wish.context !== undefined) list.where("coalesce(e.context, a.context) = ?", wish.context);
      if (wish.contextMissing) list.where(CONTEXT_MISSING);
      const isFiltered = wish.type !== undefined || wish.context !== undefined || wish.contextMissing === true;
      return (isFiltered && wish.videoId === undefined ? list.scan("events") : list.all()).map((row) =>
        toEvent(ids, row),
      );
    },

    videoIdOf: (video: number) => videos.idOf(video),
  };
}

export type Events = ReturnType<typeof createEvents>;

function toEvent(ids: Ids, row: EventRow & { status: StoredEvent["status"] }): StoredEvent {
  return {
    id: ids.show("evt", row.id),
    receivedAt: row.received_at,
    type: row.type,
    dialect: row.dialect,
    failure: row.failure === 1,
    videoId: row.video_id,
    context: row.context ?? row.given,
    contextFrom: row.context !== null ? "event" : row.given !== null ? "mapping" : null,
    late: row.late === 1,
    sequence: row.dialect === "notice" ? null : row.sequence,
    sourceAddress: row.source,
    duplicates: row.duplicates,
    status: row.status,
  };
}
