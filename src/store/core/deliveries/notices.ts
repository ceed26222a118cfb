import { Buffer } from "node:buffer";
import type { SaidOfMedium } from "../../../model/delivery.ts";
import type { MediaState } from "../../../model/medium.ts";
import { NOTICE_PREFIX, type NoticeType } from "../../../model/notice.ts";
import { readersOf } from "../../../rules/topics.ts";
import { insertEvent } from "../events/event-row.ts";
import * as media from "../media/rows.ts";
import { isOnItsWay, type MediumRow } from "../media/rows.ts";
import { insert, sql, type Tx } from "../tx.ts";
import type { DeliveryRow } from "./lanes.ts";
import * as lanes from "./lanes.ts";
import { NO_VIDEO } from "./lanes.ts";

type Reader = { endpoint: string; ordered: boolean };
/** `waits`: 1: the last body to the endpoint said "pending"; 0: it said that there is no copy. */
type Owed = { event: number; endpoint: string; ordered: number; waits: number };

const MIRRORED: NoticeType = "relay.media.mirrored";
const FAILED: NoticeType = "relay.media.failed";
const AT_RISK: NoticeType = "relay.media.at_risk";
const DEAD: NoticeType = "relay.delivery.dead";

// The relay's notices (CONTRACT, "Notices"): each is an event of the relay's own in the lane of its video, stored only where an
// endpoint asks for it. Deliveries of notices make no notices.

const VIDEO = sql<[number], { video_id: string; context: string | null }>(
  "SELECT video_id, context FROM videos WHERE id = ?",
);
// A row stays until its medium has a copy, also while mirroring is off for good: 32 bytes for a medium, event and endpoint,
// where the event itself takes 700 (an autosave) to 2,500 (a film and its thumbnail).
const OWED = ["medium", "event", "endpoint", "ordered", "waits"] as const;
const owes = insert("owed", OWED, "ON CONFLICT (medium, event, endpoint) DO UPDATE SET waits = excluded.waits");
const OWED_OF = sql<[number], Owed>(
  "SELECT event, endpoint, ordered, waits FROM owed WHERE medium = ? ORDER BY event, endpoint",
);
const ANNOUNCED = sql<[number], { thumbnail_medium: number | null }>(
  "SELECT thumbnail_medium FROM events WHERE id = ?",
);
const SETTLE_OWED = sql<[number]>("DELETE FROM owed WHERE medium = ?");
const SAID = sql<[number | null, number | null], Said>(
  "SELECT id, video, kind, event, state, suspect, last_error FROM media WHERE id IN (?, ?)",
);
const PASS_ON = sql<[number, number]>(
  `INSERT INTO owed (medium, event, endpoint, ordered, waits)
     SELECT ?, event, endpoint, ordered, waits FROM owed WHERE medium = ? ON CONFLICT DO NOTHING`,
);

/** What of a medium's row its notices are made of. */
type Said = Pick<MediumRow, "id" | "video" | "kind" | "event" | "state" | "suspect" | "last_error">;

/** What a notice is about. `video`: by row; 0: no video. `relay`: further members of its `relay`. */
type Subject = {
  video: number;
  medium?: Pick<MediumRow, "id" | "kind">;
  about: number | null;
  reason: string;
  relay?: Record<string, unknown>;
};

async function post(tx: Tx, type: NoticeType, subject: Subject, readers: Reader[], now: number): Promise<void> {
  if (readers.length === 0) return;
  const { video, medium, about, reason, relay } = subject;
  const { video_id, context } = (await tx.get(VIDEO, [video])) ?? { video_id: null, context: null };
  const id = tx.ids.block(1 + readers.length);
  const aboutEventId = about === null ? null : tx.ids.show("evt", about);
  const body = {
    type,
    wochitVideoId: video_id,
    videoContext: context,
    relay: { aboutEventId, at: new Date(now).toISOString(), reason, ...relay },
  };
  insertEvent(tx, {
    ...{ id, received_at: now, video, type, dialect: "notice", failure: 0, context, source: "relay" },
    // No sequence: a number that no event of the provider's has keeps the row apart.
    sequence: -id,
    video_medium: medium?.kind === "video" ? medium.id : null,
    thumbnail_medium: medium?.kind === "thumbnail" ? medium.id : null,
    deliveries: readers.length,
    body: Buffer.from(JSON.stringify(body)),
  });
  for (const [index, { endpoint, ordered }] of readers.entries()) {
    const at = { id: id + 1 + index, video, endpoint, ordered: ordered && video !== NO_VIDEO ? 1 : 0 };
    const lane = { ...at, event: id, type, replay: 0 as const };
    lanes.add(tx, lane, { gateUntil: null, gate: null, goes: await lanes.leads(tx, lane) }, now);
  }
}

const tell = (tx: Tx, type: NoticeType, row: Said, about: number, reason: string, readers: Reader[], now: number) =>
  post(tx, type, { video: row.video, medium: row, about, reason }, readers, now);

/** A delivery has died; none is made about a notice's. Returns who gets it. */
export async function tellDead(tx: Tx, row: DeliveryRow, reason: string, now: number): Promise<string[]> {
  if (row.type?.startsWith(NOTICE_PREFIX)) return [];
  const readers = await askingFor(tx, DEAD, row);
  const delivery = {
    id: tx.ids.show("dlv", row.id),
    endpoint: row.endpoint,
    attempts: row.attempts + 1,
    error: reason,
  };
  await post(tx, DEAD, { video: row.video, about: row.event, reason, relay: { delivery } }, readers, now);
  return readers.map(({ endpoint }) => endpoint);
}

const OF_ENDPOINT = {
  paused: "relay.endpoint.paused",
  resumed: "relay.endpoint.resumed",
  opened: "relay.endpoint.failing",
  closed: "relay.endpoint.recovered",
} as const satisfies Record<string, NoticeType>;

/** Something happened to an endpoint, which gets no notice of it itself. Returns who gets it. */
export async function tellOfEndpoint(
  tx: Tx,
  endpoint: string,
  what: keyof typeof OF_ENDPOINT,
  reason: string,
  now: number,
): Promise<string[]> {
  const type = OF_ENDPOINT[what];
  const asking = readersOf(type, { videoId: null, context: null }, tx.settings.endpoints);
  const readers = asking.filter((reader) => reader.endpoint !== endpoint);
  await post(tx, type, { video: NO_VIDEO, about: null, reason, relay: { endpoint: { id: endpoint } } }, readers, now);
  return readers.map((reader) => reader.endpoint);
}

/** The endpoints that ask for this notice about a medium or a delivery, by the context that its video has now. */
async function askingFor(tx: Tx, type: NoticeType, row: { video: number }): Promise<Reader[]> {
  const { video_id: videoId, context } = (await tx.get(VIDEO, [row.video]))!;
  return readersOf(type, { videoId, context }, tx.settings.endpoints);
}

/** How a medium that has ended is called, and why it ended so; null: it has not, or goes on. */
function endOf(row: Said): { type: NoticeType; reason: string } | null {
  switch (row.state) {
    case "pending":
    case "running":
      return null;
    case "mirrored":
      return { type: MIRRORED, reason: row.suspect ?? "the copy is kept" };
    default:
      return { type: FAILED, reason: row.last_error ?? row.state };
  }
}

/**
 * The medium that now speaks for the one that an event announced: where that was superseded by one that comes to nothing,
 * another may have a copy, or be on its way.
 */
async function speakerFor(tx: Tx, event: number, row: MediumRow): Promise<MediumRow> {
  const own = row.kind === "video" ? row.id : (await tx.get(ANNOUNCED, [event]))?.thumbnail_medium;
  const medium = own == null || own === row.id ? undefined : await media.byId(tx, own);
  const speaker = medium === undefined ? row : await media.speaker(tx, medium);
  return speaker.state === "mirrored" || isOnItsWay(speaker) ? speaker : row;
}

async function passTo(
  tx: Tx,
  speaker: MediumRow,
  { event, endpoint, ordered, waits }: Owed,
  now: number,
): Promise<void> {
  const end = endOf(speaker);
  if (end === null) owes(tx, { medium: speaker.id, event, endpoint, ordered, waits });
  else await tell(tx, end.type, speaker, event, end.reason, [{ endpoint, ordered: ordered === 1 }], now);
}

/** Notes that the end of a medium is owed to an endpoint, for the event that announced it last. */
function oweEnd(tx: Tx, { id, event }: MediumRow, { endpoint, ordered }: Reader, waits: 0 | 1): void {
  owes(tx, { medium: id, event, endpoint, ordered: ordered ? 1 : 0, waits });
}

/** Notifies the endpoints that are owed this end, and those that ask for it by name. After a failure a copy is still owed. */
async function tellThem(
  tx: Tx,
  row: MediumRow,
  end: { type: NoticeType; reason: string },
  asked: Reader[],
  now: number,
): Promise<void> {
  const isCopy = end.type === MIRRORED;
  const owed = await tx.all(OWED_OF, [row.id]);
  if (owed.length > 0) tx.write(SETTLE_OWED, [row.id]);
  const readers = new Map([[row.event, [...asked]]]);
  for (const one of owed) {
    const { event, endpoint, ordered, waits } = one;
    const speaker = isCopy ? row : await speakerFor(tx, event, row);
    if (speaker.id !== row.id) {
      await passTo(tx, speaker, one, now);
      continue;
    }
    if (asked.some((reader) => reader.endpoint === endpoint)) continue;
    if (!isCopy) owes(tx, { medium: row.id, event, endpoint, ordered, waits: 0 });
    if (!isCopy && waits === 0) continue;
    readers.set(event, [...(readers.get(event) ?? []), { endpoint, ordered: ordered === 1 }]);
  }
  if (!isCopy) for (const reader of asked) oweEnd(tx, row, reader, 0);
  for (const [event, of] of readers) await tell(tx, end.type, row, event, end.reason, of, now);
}

/** Notifies of a medium that is at risk: nothing of it is secured, and this share of its link's life is over. */
export async function tellRisk(tx: Tx, row: MediumRow, share: number, now: number): Promise<void> {
  const reason = `${Math.round(share * 100)} % of the link's life is over${row.last_error === null ? "" : `: ${row.last_error}`}`;
  const readers = await askingFor(tx, AT_RISK, row);
  await tell(tx, AT_RISK, row, row.event, reason, readers, now);
  for (const reader of readers) oweEnd(tx, row, reader, 1);
}

/**
 * Notifies of the end of a medium: the endpoints that ask for it by name, those whose last body said "pending", and, where
 * there is a copy, all whose last body said anything else. `came` is the end of its download, where that failed and the row
 * is "mirrored" for the copy of before.
 */
export async function tellEnd(
  tx: Tx,
  row: MediumRow,
  now: number,
  came?: { state: MediaState; error: string },
): Promise<void> {
  const end = came ? { type: FAILED, reason: came.error } : endOf(row);
  if (end === null) return;
  // What was skipped or deleted on purpose has not failed: only endpoints that wait for it get a notice.
  const isTold = ["mirrored", "failed", "expired"].includes(came?.state ?? row.state);
  await tellThem(tx, row, end, isTold ? await askingFor(tx, end.type, row) : [], now);
}

/** Notifies the endpoints that are owed the end of media whose place this one, which has ended before, has taken. */
export async function tellOwed(tx: Tx, row: MediumRow, now: number): Promise<void> {
  const end = endOf(row);
  if (end !== null) await tellThem(tx, row, end, [], now);
}

/** Notes that the ends of media are owed to an endpoint; those that have ended meanwhile are sent at once. `said`: what its body said of them. */
export async function owe(tx: Tx, delivery: DeliveryRow, said: SaidOfMedium[], now: number): Promise<void> {
  const [video, thumbnail] = said.map(({ mediumId }) => tx.ids.read("med", mediumId));
  const rows = await tx.all(SAID, [video ?? null, thumbnail ?? null]);
  for (const { mediumId, status } of said) {
    const sent = rows.find(({ id }) => id === tx.ids.read("med", mediumId));
    if (!sent) continue;
    const row = sent.state === "superseded" ? await media.speaker(tx, (await media.byId(tx, sent.id))!) : sent;
    const end = endOf(row);
    const isWaiting = status === "pending";
    const isNews = end !== null && (isWaiting || end.type === MIRRORED);
    const reader = { endpoint: delivery.endpoint, ordered: delivery.ordered === 1 };
    if (isNews) await tell(tx, end.type, row, delivery.event, end.reason, [reader], now);
    if (end?.type === MIRRORED) continue;
    const { event, endpoint, ordered } = delivery;
    owes(tx, { medium: row.id, event, endpoint, ordered, waits: end === null && isWaiting ? 1 : 0 });
  }
}

/** What is owed of a medium is owed of the one that took its place. */
export function passOn(tx: Tx, from: number, to: number): void {
  tx.write(PASS_ON, [to, from]);
  tx.write(SETTLE_OWED, [from]);
}
