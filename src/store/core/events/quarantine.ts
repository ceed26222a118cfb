import { createHash } from "node:crypto";
import { RelayError } from "../../../errors.ts";
import type { Quarantined, Refusal, RefusalReason } from "../../../model/event.ts";
import { videoIdIn } from "../../../wochit/event.ts";
import type { Store } from "../../store.ts";
import { forgetSizes, type Rings } from "../memory.ts";
import type { Ids } from "../rows/ids.ts";
import { page } from "../rows/paging.ts";
import { PER_PIECE, takeSome } from "../rows/pieces.ts";
import { insert, sql, type Tx } from "../tx.ts";
import { makeRoom } from "./rings.ts";

// Refused bodies, in three rings, each bounded.

type Row = Omit<Quarantined, "id"> & { id: number };

const SHOWN =
  'q.id, q.received_at AS "receivedAt", q.source AS "sourceAddress", q.reason, q.bytes, q.video_id AS "videoId", q.type, q.detail';

/** Which ring a refusal belongs to: what is no event, what was refused, and what an allowed sender sent in vain. */
const RING_OF: Record<RefusalReason, keyof Rings> = {
  invalid_json: "invalid",
  invalid_event: "invalid",
  source: "refused",
  token: "refused",
  size: "refused",
  path: "inVain",
  method: "inVain",
  broken: "inVain",
  request: "inVain",
};

const add = insert("quarantine", [
  "id",
  "received_at",
  "source",
  "reason",
  "ring",
  "sha256",
  "bytes",
  "video_id",
  "type",
  "context",
  "detail",
  "body",
]);
const SAME = sql<[Uint8Array, string], { id: number }>(
  "SELECT id FROM quarantine WHERE sha256 = ? AND reason = ? AND ring = 0",
);
const DROP = sql<[number]>("DELETE FROM quarantine WHERE id = ?");
const SIZES = sql<[number, number], { id: number; bytes: number }>(
  "SELECT id, bytes FROM quarantine WHERE id > ? ORDER BY id LIMIT ?",
);
const BODIES = sql<[number, number], { id: number; body: Uint8Array }>(
  "SELECT id, body FROM quarantine WHERE id BETWEEN ? AND ?",
);
const BY_ID = sql<[number], Row & { body: Uint8Array }>(`SELECT ${SHOWN}, q.body FROM quarantine q WHERE q.id = ?`);

const noteTaken = insert("taken_in", ["refused", "event"], "ON CONFLICT (refused) DO NOTHING");
const TAKEN_IN = sql<[number], { event: number }>("SELECT event FROM taken_in WHERE refused = ?");

async function rowOf(tx: Tx, id: string) {
  const number = tx.ids.read("qrn", id);
  const row = await tx.get(BY_ID, [number]);
  if (row) return row;
  const taken = await tx.get(TAKEN_IN, [number]);
  const event = taken && tx.ids.show("evt", taken.event);
  const then =
    event === undefined ? "" : `: it was taken in as ${event}, which "wochit-relay events show ${event}" shows`;
  throw new RelayError("not_found", `no quarantined body "${id}"${then}`);
}

export async function keep(tx: Tx, refusal: Refusal): Promise<{ id: string }> {
  const { receivedAt, sourceAddress: source, reason, detail = null, body, isEvent = true, event } = refusal;
  const sha256 = createHash("sha256").update(body).digest();
  const name = RING_OF[reason];
  // Equal bytes that are no event are kept once. In the other rings they may be events that were meant twice.
  const kept = name === "invalid" ? await tx.get(SAME, [sha256, reason]) : undefined;
  if (kept) return { id: tx.ids.show("qrn", kept.id) };
  const id = tx.ids.next();
  const bytes = body.length;
  const ring = await makeRoom(tx, name, { source, bytes, isEvent });
  add(tx, {
    id,
    received_at: receivedAt,
    source,
    reason,
    ring,
    sha256,
    bytes,
    video_id: event?.videoId ?? null,
    type: event?.type ?? null,
    context: event?.context ?? null,
    detail,
    body,
  });
  return { id: tx.ids.show("qrn", id) };
}

export async function show(tx: Tx, id: string): Promise<Quarantined & { body: Uint8Array }> {
  return toQuarantined(tx.ids, await rowOf(tx, id));
}

/** `event`: what it was taken in as. */
export async function drop(tx: Tx, id: string, event?: string): Promise<void> {
  const row = await rowOf(tx, id);
  await dropAll(tx, [row.id]);
  if (event !== undefined) noteTaken(tx, { refused: row.id, event: tx.ids.read("evt", event) });
}

/** How many of these were there. */
export async function dropAll(tx: Tx, ids: number[]): Promise<number> {
  forgetSizes(tx.memory.rings);
  const changed = await Promise.all(ids.map((id) => tx.changed(DROP, [id])));
  return changed.reduce((sum, each) => sum + each, 0);
}

/** The bodies after this one that are looked through next, and those of them that are of the video. */
export async function findOf(tx: Tx, videoId: string, after: number): Promise<{ last: number; ids: number[] } | null> {
  const some = takeSome(await tx.all(SIZES, [after, PER_PIECE]));
  if (some.length === 0) return null;
  const last = some.at(-1)!.id;
  const found = await tx.all(BODIES, [some[0]!.id, last]);
  return { last, ids: found.filter(({ body }) => videoIdIn(body) === videoId).map(({ id }) => id) };
}

type Wish = Parameters<Store["quarantined"]>[0];

export async function list(tx: Tx, wish: Wish): Promise<Quarantined[]> {
  return (await rows<Row>(tx, SHOWN, wish)).map((row) => toQuarantined(tx.ids, row));
}

/** The newest ids that match. */
export async function find(tx: Tx, wish: Wish): Promise<number[]> {
  return (await rows<{ id: number }>(tx, "q.id", wish)).map(({ id }) => id);
}

function rows<Shown>(tx: Tx, columns: string, wish: Wish): Promise<Shown[]> {
  const list = page<Shown>(tx, `${columns} FROM quarantine q`, "q.id", "qrn", wish);
  if (wish.reason !== undefined) list.where("q.reason = ?", wish.reason);
  if (wish.source !== undefined) list.where("q.source = ?", wish.source);
  if (wish.videoId !== undefined) list.where("q.video_id = ?", wish.videoId);
  if (wish.context !== undefined) list.where("q.context = ?", wish.context);
  return list.all();
}

function toQuarantined<Shown extends Row>(ids: Ids, row: Shown) {
  return { ...row, id: ids.show("qrn", row.id) };
}
