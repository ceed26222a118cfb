import { RelayError } from "../../../errors.ts";
import type { Video } from "../../../model/video.ts";
import { isAutosave } from "../../../rules/autosave.ts";
import { nextVideoState } from "../../../rules/video-state.ts";
import type { Acceptance, Mapping, Page, Received, Store } from "../../store.ts";
import { type MediumRow, SHOWN_MEDIUM, toMedium } from "../media/rows.ts";
import {
  bounds,
  type Condition,
  isContext,
  isOneWordOf,
  namedStates,
  newest,
  rowsOf,
  type Source,
  when,
} from "../rows/merge.ts";
import { inLanes } from "../rows/named.ts";
import { ALL } from "../rows/paging.ts";
import { insert, sql, type Tx, update } from "../tx.ts";
import * as history from "./history.ts";
import type { VideoRow } from "./video-row.ts";

/** The number of contexts and of media that a list shows of each video, the newest ones. */
const EACH = 50;

/** Where a new event stands: its sequence, its place in order, and whether nothing of its video stands behind it. */
export type Place = { video: number; sequence: number; orderedAt: number; isLast: boolean };

// What is known of each video: its context and earlier ones, its state, the last sequence.

/** The row of a video by its id at the provider. */
export const VIDEO = sql<[string], VideoRow>("SELECT * FROM videos WHERE video_id = ?", ["text"]);
const BY_ID = sql<[number], VideoRow>("SELECT * FROM videos WHERE id = ?");
/** What each event may change, but for state and context. */
const SAID = [
  ...(["has_file", "title", "title_at", "duration", "duration_at", "first_seen", "last_event_at"] as const),
  ...(["sequence", "ordered_at", "last_event", "last_fingerprint"] as const),
];
const insertVideo = insert("videos", [...SAID, "id", "video_id", "state", "context", "context_since"]);
const setSaid = update("videos", SAID);
// Apart, because they cost an entry of their index each time, changed or not.
const setContext = update("videos", ["context", "context_since"]);
const setState = update("videos", ["state"]);
const PLACE_OF = sql<[number], { place: number }>(
  `SELECT coalesce(a.ordered_at, e.received_at) AS place FROM events e LEFT JOIN annotations a ON a.event = e.id
   WHERE e.id = ?`,
);
const LAST_IMPORT = sql<[number], { context: string }>(
  "SELECT context FROM imports WHERE video = ? AND ordered_at IS NULL ORDER BY id DESC LIMIT 1",
);
const insertImport = insert("imports", ["id", "video", "context", "at", "ordered_at"]);
const MEDIA = sql<[number, number], MediumRow & { video_id: string }>(
  `SELECT ${SHOWN_MEDIUM} WHERE m.video = ? AND m.state <> 'superseded' ORDER BY m.id DESC LIMIT ?`,
);

/** An event on its way in: its id, and the place in order of the last landmark, where the event is late; null: none. */
type Standing = { id: number; now: number; place: number | null };

/** The place in order of the event that the next one may be a duplicate of; null: there is none. */
export async function placeOfLast(tx: Tx, { last_event }: VideoRow): Promise<number | null> {
  return last_event === null ? null : ((await tx.get(PLACE_OF, [last_event]))?.place ?? 0);
}

/** `before`: the row as it is in the database; undefined: it is not there. */
function write(tx: Tx, row: VideoRow, before: VideoRow | undefined): void {
  if (before === undefined) {
    tx.count("videos", 1);
    return insertVideo(tx, row);
  }
  setSaid(tx, row.id, row);
  if (row.state !== before.state) setState(tx, row.id, row);
  if (row.context !== before.context || row.context_since !== before.context_since) setContext(tx, row.id, row);
}

/**
 * What the next event of the video may be a duplicate of. An autosave stands between two others only where it changed
 * something. A late event is compared with nothing, but stands between those before and after it.
 */
function landmark(
  before: VideoRow,
  after: VideoRow,
  { event, receivedAt, late }: Acceptance,
  { id, place }: Pick<Standing, "id" | "place">,
): Pick<VideoRow, "last_event" | "last_fingerprint"> {
  const { last_event, last_fingerprint, sequence } = before;
  if (late && place !== null && place > receivedAt) return { last_event, last_fingerprint };
  if (isAutosave(event.type)) {
    const isChanged = after.state !== before.state || after.context !== before.context || after.title !== before.title;
    return isChanged ? NO_LANDMARK : { last_event, last_fingerprint };
  }
  if (late && sequence > 0 && receivedAt < before.last_event_at) return NO_LANDMARK;
  return { last_event: id, last_fingerprint: event.fingerprint };
}

/** A context that an event says while nothing of its video stands behind it: the newest. */
function remap(tx: Tx, row: VideoRow, context: string, at: number, now: number, isNew: boolean): void {
  if (row.context !== null) history.keep(tx, row.id, row.context, row.context_since ?? at);
  else if (!isNew) history.fill(tx, row, context, now);
  Object.assign(row, { context, context_since: at });
}

async function toVideo(tx: Tx, row: VideoRow, limit: number): Promise<Video> {
  const present = row.context === null ? [] : [{ context: row.context, since: row.context_since ?? row.first_seen }];
  const past = await history.past(tx, row.id, limit === ALL ? ALL : Math.max(0, limit - present.length));
  const found = (await tx.all(MEDIA, [row.id, limit])).reverse();
  return {
    videoId: row.video_id,
    context: row.context,
    contextHistory: [...past, ...present],
    state: row.state,
    title: row.title,
    duration: row.duration,
    media: ["video", "thumbnail"]
      .flatMap((kind) => found.filter((each) => each.kind === kind))
      .map((row) => toMedium(tx.ids, row)),
    firstSeenAt: row.first_seen,
    lastEventAt: row.last_event_at,
    forgottenAt: row.forgotten_at,
  };
}

export const idOf = async (tx: Tx, id: number) => (await tx.get(BY_ID, [id]))?.video_id ?? "";

/** Where an event stands among those of its video, and whether nothing stands behind it; of a new video it is the first. */
function standing(
  video: Pick<VideoRow, "ordered_at" | "last_event_at"> | undefined,
  { receivedAt, late }: Pick<Received, "receivedAt" | "late">,
): Pick<Place, "orderedAt" | "isLast"> {
  if (video === undefined) return { orderedAt: receivedAt, isLast: true };
  const orderedAt = late ? receivedAt : Math.max(video.ordered_at, receivedAt);
  return { orderedAt, isLast: orderedAt >= Math.max(video.ordered_at, video.last_event_at) };
}

/** The context that an event without one gets as it is accepted: that of its place in order; null: none is known. */
export async function contextFor(tx: Tx, known: VideoRow | undefined, received: Received): Promise<string | null> {
  if (known === undefined) return null;
  const { orderedAt, isLast } = standing(known, received);
  return isLast ? known.context : history.contextAt(tx, known, orderedAt);
}

/**
 * Writes what an event, under its id, says of its video. Where the event is not the last in order (`isLast`) its state
 * and contexts follow by `retell`, once its row is there.
 */
export function record(
  tx: Tx,
  known: VideoRow | undefined,
  acceptance: Acceptance,
  { id, now, place }: Standing,
): Place {
  const { event, receivedAt, late } = acceptance;
  const before = known ?? newVideo(tx.ids.next(), event.videoId, receivedAt);
  const { orderedAt, isLast } = standing(known, acceptance);
  const after: VideoRow = {
    ...before,
    first_seen: late ? Math.min(before.first_seen, receivedAt) : before.first_seen,
    last_event_at: Math.max(before.last_event_at, receivedAt),
    sequence: Math.max(before.sequence, tx.epoch) + 1,
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
    if (context !== null && context !== before.context) remap(tx, after, context, receivedAt, now, known === undefined);
    Object.assign(after, landmark(before, after, acceptance, { id, place }));
  }
  write(tx, after, known);
  return { video: after.id, sequence: after.sequence, orderedAt, isLast };
}

/** The video as it is with an event that stands before others of it. */
export async function retell(
  tx: Tx,
  before: VideoRow,
  acceptance: Acceptance,
  { id, now, place }: Standing,
): Promise<void> {
  const after = { ...(await tx.get(BY_ID, [before.id]))!, ...(await history.retell(tx, before, now)) };
  write(tx, { ...after, ...landmark(before, after, acceptance, { id, place }) }, before);
}

/** How many of these mappings changed the context of their video. `override`: each is the newest, whatever events said. */
export async function importAll(tx: Tx, rows: Mapping[], override: boolean, now: number): Promise<number> {
  const changed = await inLanes(
    tx,
    rows,
    ({ videoId }) => videoId,
    (row) => importOne(tx, row, override, now),
  );
  return changed.filter(Boolean).length;
}

/** Whether it changed the context of its video. */
async function importOne(tx: Tx, { videoId, context }: Mapping, override: boolean, now: number): Promise<boolean> {
  const known = await tx.get(VIDEO, [videoId]);
  const video = known ?? newVideo(tx.ids.next(), videoId, now);
  const orderedAt = Math.max(video.ordered_at, now);
  if (override || (await tx.get(LAST_IMPORT, [video.id]))?.context !== context) {
    const id = tx.ids.next();
    insertImport(tx, { id, video: video.id, context, at: now, ordered_at: override ? orderedAt : null });
  }
  const { context: present, context_since } = await history.retell(tx, video, now);
  write(tx, { ...video, ordered_at: orderedAt, context: present, context_since }, known);
  return present !== video.context;
}

export async function show(tx: Tx, videoId: string, limit = ALL): Promise<Video> {
  return toVideo(tx, await known(tx, videoId), limit);
}

async function known(tx: Tx, videoId: string): Promise<VideoRow> {
  const row = await tx.get(VIDEO, [videoId]);
  if (!row) throw new RelayError("not_found", `no video ${JSON.stringify(videoId.slice(0, 80))}`);
  return row;
}

const ROWS = { select: "SELECT v.* FROM videos v", column: "v.id" };

type Listed = Pick<Page, "limit"> & Partial<Page>;

/** The newest that match, those first that were seen first last. `before` is a video's id: RelayError("not_found"). */
async function found(tx: Tx, { before, ...wish }: Listed, each: Source[]): Promise<number[]> {
  const last = before === undefined ? undefined : await known(tx, before);
  const within = (id: string) => [
    ...bounds(tx, [id], "evt", wish),
    ...(last === undefined ? [] : [when(`${id} < ?`, last.id)]),
  ];
  const sources = each.map((source) => ({ ...source, where: [...within(source.id), ...source.where] }));
  return newest(tx, sources, wish.limit);
}

async function toVideos(tx: Tx, ids: number[]): Promise<Video[]> {
  const rows = await rowsOf<VideoRow>(tx, ROWS, ids);
  return Promise.all(rows.map((row) => toVideo(tx, row, EACH)));
}

const from = (where: Condition[]): Source => ({ id: "v.id", from: "videos v", where });

type Wish = Parameters<Store["videos"]>[0];

export const list = async (tx: Tx, wish: Wish): Promise<Video[]> => toVideos(tx, await find(tx, wish));

/** The newest ids that match. */
export async function find(tx: Tx, wish: Wish): Promise<number[]> {
  const { context, q } = wish;
  const states = namedStates(wish);
  const inStates = states === undefined ? [] : [isOneWordOf("v.state || ''", states)];
  if (q !== undefined) {
    const where = [...inStates, ...(context === undefined ? [] : [when("v.context || '' = ?", context)])];
    return found(tx, wish, tx.titles.sources(q, where));
  }
  if (context !== undefined) return found(tx, wish, [from([isContext("v.context", context), ...inStates])]);
  return found(tx, wish, states === undefined ? [from([])] : states.map((one) => from([when("v.state = ?", one)])));
}

export async function ofContext(tx: Tx, context: string, page: Pick<Page, "limit" | "before">): Promise<Video[]> {
  const past: Source = {
    id: "p.video",
    from: "past_contexts p",
    where: [isContext("p.context", context)],
    isRepeated: true,
  };
  return toVideos(tx, await found(tx, page, [from([isContext("v.context", context)]), past]));
}

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
