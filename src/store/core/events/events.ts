import { RelayError } from "../../../errors.ts";
import type { DeliveryJob } from "../../../model/delivery.ts";
import type { StoredEvent } from "../../../model/event.ts";
import type { MediaKind, Medium } from "../../../model/medium.ts";
import { packTrace } from "../../../model/trace.ts";
import { gateDue } from "../../../rules/gate.ts";
import type { Acceptance, Accepted } from "../../store.ts";
import { bodyGone } from "../archive/hint.ts";
import * as coalescing from "../deliveries/coalescing.ts";
import { choiceOf } from "../deliveries/endpoints.ts";
import * as gates from "../deliveries/gates.ts";
import * as lanes from "../deliveries/lanes.ts";
import * as deletions from "../media/deletions.ts";
import type { MediumRow } from "../media/rows.ts";
import * as media from "../media/rows.ts";
import { missing } from "../retention/reached.ts";
import { ofMany } from "../rows/many.ts";
import { ALL } from "../rows/paging.ts";
import { labelOf } from "../rows/tallies.ts";
import { insert, sql, type Tx } from "../tx.ts";
import * as announcements from "./announcements.ts";
import { insertEvent } from "./event-row.ts";
import * as history from "./history.ts";
import * as repetitions from "./repetitions.ts";
import { COLUMNS, type EventRow, FROM, STATUS, toEvent } from "./shown.ts";
import type { VideoRow } from "./video-row.ts";
import * as videos from "./videos.ts";

// Takes events in and gives them out.

const annotate = insert("annotations", ["event", "context", "late", "ordered_at", "trace"]);
const BY_ID = sql<[number], EventRow & { status: StoredEvent["status"] }>(
  `SELECT ${COLUMNS}, ${STATUS} AS status FROM ${FROM} WHERE e.id = ?`,
);
/** A body up to this size, in bytes, comes with the claim of a delivery. */
const SMALL = 16 * 2 ** 10;
const WITH_LENGTH = ofMany<EventRow & { bytes: number | null; body: Uint8Array | null; present: string | null }>(
  (ids) => `SELECT ${COLUMNS}, length(e.body) AS bytes, CASE WHEN length(e.body) <= ${SMALL} THEN e.body END AS body,
   v.context AS present FROM ${FROM} WHERE e.id IN (${ids})`,
);
const BODY_OF = sql<[number], { body: Uint8Array | null }>("SELECT body FROM events WHERE id = ?");

const mediaOf = async (tx: Tx, row: EventRow) => shownOf(tx, row, await media.byIds(tx, idsOfMedia(row)));

const idsOfMedia = ({ video_medium, thumbnail_medium }: EventRow) =>
  [video_medium, thumbnail_medium].filter((id) => id !== null);

/** The media of an event, of rows that have them. */
async function shownOf(tx: Tx, event: EventRow, rows: Map<number, MediumRow>): Promise<Medium[]> {
  const { video_id } = event;
  const shown: Medium[] = [];
  for (const id of idsOfMedia(event)) {
    const row = rows.get(id);
    if (row === undefined) continue;
    // A thumbnail that a newer one replaced is that newer one by now: the address lives on, its file has changed.
    const present = row.state === "superseded" ? await media.speaker(tx, row) : row;
    shown.push(media.toMedium(tx.ids, { ...present, video_id: video_id! }));
  }
  return shown;
}

async function rowOf(tx: Tx, id: string) {
  const row = await tx.get(BY_ID, [tx.ids.read("evt", id)]);
  if (!row) throw await missing(tx, "evt", id);
  return row;
}

/** `known`: the video's row; undefined: the event is the first of its video. */
export async function accept(
  tx: Tx,
  known: VideoRow | undefined,
  acceptance: Acceptance,
): Promise<Pick<Accepted, "id" | "status">> {
  const now = tx.now();
  const { event, plan, given, body, receivedAt: at, sourceAddress, late = false, trace } = acceptance;
  const first = known ? await repetitions.firstOf(tx, acceptance, known) : null;
  if (known && first !== null) {
    repetitions.count(tx, first, acceptance);
    tx.tally("received", labelOf(event.topic), { isOk: false });
    for (const planned of plan.media) {
      await announcements.freshenRepeated(tx, planned, known.id, { receivedAt: at, now });
    }
    return { id: tx.ids.show("evt", first), status: "duplicate" };
  }
  const id = tx.ids.block(1 + plan.deliveries.length);
  const [place, ...live] = await Promise.all([
    late && known ? videos.placeOfLast(tx, known) : null,
    ...(known ? plan.media.map(({ kind }) => media.live(tx, known.id, kind)) : []),
  ]);
  const { video, sequence, orderedAt, isLast } = videos.record(tx, known, acceptance, { id, now, place });
  const announcement = { event: id, video, sequence, receivedAt: at, now };
  const filed: Record<MediaKind, number | null> = { video: null, thumbnail: null };
  for (const [index, planned] of plan.media.entries()) {
    const rows = live[index] ?? [];
    const medium = announcements.file(tx, planned, announcement, rows);
    filed[planned.kind] = medium;
    const isAgain = rows.some((row) => row.id === medium);
    if (isAgain && !event.failure) await deletions.keep(tx, medium);
  }
  insertEvent(tx, {
    id,
    received_at: at,
    video,
    sequence,
    type: event.type,
    dialect: event.dialect,
    failure: event.failure ? 1 : 0,
    context: event.context,
    source: sourceAddress,
    video_medium: filed.video,
    thumbnail_medium: filed.thumbnail,
    deliveries: plan.deliveries.length,
    body,
  });
  tx.count("events", 1);
  tx.tally("received", labelOf(event.topic), { isOk: true });
  if (given !== null || late || orderedAt !== at || trace) {
    const ordered_at = orderedAt === at ? null : orderedAt;
    annotate(tx, { event: id, context: given, late: late ? 1 : 0, ordered_at, trace: trace ? packTrace(trace) : null });
  }
  if (!isLast) await videos.retell(tx, known!, acceptance, { id, now, place });
  if (plan.opensGates && known && !late) await gates.openAll(tx, video, now);
  if (plan.deletes && known) {
    const isReady = known.has_file === 1;
    await deletions.plan(tx, video, { ...plan.deletes, receivedAt: at, isReady }, now);
  }
  const isGated = plan.deliveries.some(({ gateUntil }) => gateUntil !== null);
  const ofFiled = async () => (known ? gates.statesOf(tx, filed) : gates.statesOfFirst(plan.media));
  const states = isGated ? await ofFiled() : gates.NO_MEDIA;
  for (const [index, { endpoint, ordered, gateUntil }] of plan.deliveries.entries()) {
    const gate = gateUntil === null ? null : gateDue({ receivedAt: at, gateUntil, ...states, now });
    const place = { id: id + 1 + index, video, endpoint, ordered: ordered ? 1 : 0, event: id };
    const lane = { ...place, type: event.type, replay: 0 as const };
    if (known === undefined) lanes.add(tx, lane, { gateUntil, gate, goes: gate === null }, now);
    else await addDelivery(tx, lane, { gateUntil, gate }, { late, now });
  }
  return { id: tx.ids.show("evt", id), status: "accepted" };
}

/** `late`: it supersedes nothing. */
async function addDelivery(
  tx: Tx,
  lane: Parameters<typeof lanes.add>[1],
  own: { gateUntil: number | null; gate: number | null },
  { late, now }: { late: boolean; now: number },
): Promise<void> {
  const { type } = lane;
  const coalesces = !late && type !== null && choiceOf(tx, lane.endpoint)?.coalesce.includes(type) === true;
  const older = coalesces ? await coalescing.older(tx, lane, type) : null;
  if (older === null || older.rows.length === 0) {
    lanes.add(tx, lane, { ...own, goes: own.gate === null && (await lanes.leads(tx, lane)) }, now);
    return;
  }
  const { gateUntil, gate } = coalescing.earlierGate(own, older);
  // Those that it supersedes stand before it, until they have ended.
  lanes.add(tx, lane, { gateUntil, gate, goes: false, taken: older.taken }, now);
  if (own.gate !== null && older.opener !== null) lanes.noteOpened(tx, lane.id, older.opener, now);
  await coalescing.supersede(tx, older.rows, lane.id, now);
  await lanes.moveOn(tx, lane, now);
}

export async function replay(
  tx: Tx,
  eventId: string,
  to: { endpoint: string; ordered: boolean; newId: boolean; task?: number },
  now: number,
): Promise<{ id: string }> {
  const row = await rowOf(tx, eventId);
  if ((await tx.get(BODY_OF, [row.id]))?.body == null) throw await bodyGone(tx, row.id);
  const id = tx.ids.next();
  const replay = to.newId ? (2 as const) : (1 as const);
  const { endpoint } = to;
  const task = to.newId ? (to.task ?? null) : null;
  const lane = {
    id,
    video: row.video,
    endpoint,
    ordered: to.ordered ? 1 : 0,
    event: row.id,
    type: row.type,
    replay,
    task,
  };
  const goes = await lanes.isFree(tx, lane);
  lanes.add(tx, lane, { gateUntil: null, gate: null, goes }, now);
  return { id: tx.ids.show("dlv", id) };
}

/** All contexts of an event's video, each once, the newest first. */
async function contextsOf(tx: Tx, { video, present }: { video: number; present: string | null }): Promise<string[]> {
  const past = (await history.past(tx, video, ALL)).map(({ context }) => context).reverse();
  return [...new Set(present === null ? past : [present, ...past])];
}

/** What a delivery is made from; without its body where that is large. */
export type Message = Pick<DeliveryJob, "event" | "bytes" | "body" | "media" | "contexts">;

export async function message(tx: Tx, id: number): Promise<Message> {
  const found = (await messages(tx, [id])).get(id);
  if (!found) throw new RelayError("not_found", `no event ${tx.ids.show("evt", id)}`);
  return found;
}

/** By the numbers of their events, as far as there are such. */
export async function messages(tx: Tx, ids: number[]): Promise<Map<number, Message>> {
  const rows = await WITH_LENGTH.all(tx, ids);
  const of = await media.byIds(tx, rows.flatMap(idsOfMedia));
  const found = new Map<number, Message>();
  for (const row of rows) {
    const { bytes, body } = row;
    const event = toEvent(tx.ids, { ...row, status: "waiting" });
    const contexts = event.contextFrom === "mapping" ? await contextsOf(tx, row) : [];
    found.set(row.id, { event, bytes, body, media: await shownOf(tx, row, of), contexts });
  }
  return found;
}

export const show = async (tx: Tx, id: string) => toEvent(tx.ids, await rowOf(tx, id));

export const listMedia = async (tx: Tx, id: string) => mediaOf(tx, await rowOf(tx, id));

export async function body(tx: Tx, id: string): Promise<Uint8Array> {
  const body = (await tx.get(BODY_OF, [tx.ids.read("evt", id)]))?.body ?? null;
  if (body === null) throw await bodyGone(tx, (await rowOf(tx, id)).id);
  return body;
}
