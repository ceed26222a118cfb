import { RelayError } from "../../../errors.ts";
import { type ArchiveFile, type ArchivePart, type ArchivePlace, nameOfPart } from "../../../model/archive.ts";
import type { ArchiveVerbs, Archivist, OpenPart, QueuePlace, StrayFile } from "../../archive/verbs.ts";
import * as erasures from "../events/erasures.ts";
import * as reaches from "../retention/reached.ts";
import * as retained from "../retention/retained.ts";
import { ALL } from "../rows/paging.ts";
import { insert, sql, type Tx } from "../tx.ts";
import * as forgetting from "./forgetting.ts";
import { mark } from "./marks.ts";

export type PartRow = {
  id: number;
  day: number;
  number: number;
  place: string;
  key: string;
  state: "writing" | "kept";
  sha256: Uint8Array | null;
  bytes: number | null;
  text: number | null;
  events: number | null;
  made_at: number;
};

/** Marks that are removed in one transaction. */
const PER_PIECE = 500;

// Parts as rows: begun, filled, kept, shown. Their files are written by others.

const add = insert("archive_parts", ["id", "day", "number", "place", "key", "state", "made_at"]);
const addFile = insert("archive_files", ["key", "place", "part", "writer"], "ON CONFLICT DO NOTHING");
const BY_ID = sql<[number], PartRow>("SELECT * FROM archive_parts WHERE id = ?");
const LAST_NUMBER = sql<[number], { number: number | null }>(
  'SELECT max(number) AS "number" FROM archive_parts WHERE day = ?',
);
const EVENT = sql<[number], { video: number; isEmpty: number }>(
  'SELECT video, CASE WHEN body IS NULL THEN 1 ELSE 0 END AS "isEmpty" FROM events WHERE id = ?',
);
const OF_VIDEO = sql<[number, number]>("INSERT INTO archive_videos (video, part) VALUES (?, ?) ON CONFLICT DO NOTHING");
const KEEP = sql<[Uint8Array, number, number, number, number, number]>(
  "UPDATE archive_parts SET state = 'kept', sha256 = ?, bytes = ?, text = ?, events = ?, made_at = ? WHERE id = ?",
);
const DROP_FILE = sql<[string, string]>("DELETE FROM archive_files WHERE key = ? AND place = ?");
const FILE = sql<[string, string], unknown>("SELECT 1 FROM archive_files WHERE key = ? AND place = ?");
const STRAY = sql<[string], { key: string; place: string; part: number | null }>(
  "SELECT key, place, part FROM archive_files WHERE writer IS NULL OR writer <> ? ORDER BY key",
);
const DROP_MARKS = sql<[number, number]>(
  "DELETE FROM archived WHERE event IN (SELECT event FROM archived WHERE part = ? LIMIT ?)",
);
const DROP_VIDEOS = sql<[number, number, number]>(
  `DELETE FROM archive_videos WHERE part = ? AND video IN (SELECT video FROM archive_videos WHERE part = ? LIMIT ?)`,
);
const DROP_PART = sql<[number]>("DELETE FROM archive_parts WHERE id = ?");

/** The one who works on the archive is the one who prunes. RelayError("conflict"): another is at it. */
export async function hold(tx: Tx, { by, leaseFor }: Archivist, now: number): Promise<void> {
  const reached = await reaches.read(tx);
  if (reaches.isHeld(reached, by, now)) throw new RelayError("conflict", "another is at work on the archive");
  reaches.write(tx, { ...reached, ...reaches.heldBy(tx, by, leaseFor, now) });
}

export async function rowOf(tx: Tx, id: string): Promise<PartRow> {
  const row = await tx.get(BY_ID, [tx.ids.read("arc", id)]);
  if (row === undefined)
    throw new RelayError("conflict", `${id} is no part of the archive any longer: another took over`);
  return row;
}

type Begin = Parameters<ArchiveVerbs["beginPart"]>[0];

export async function nextQueued(tx: Tx, from: QueuePlace | null): Promise<number | null> {
  const id = from === null ? 0 : from.after === null ? 0 : tx.ids.read("evt", from.after);
  const [row] = await retained.dueBehind(tx, "archive", ALL, { since: from?.day ?? 0, id }, 1);
  return row?.since ?? null;
}

export async function begin(tx: Tx, wish: Begin, now: number): Promise<OpenPart | null> {
  const day = await nextQueued(tx, wish.from);
  if (day === null) return null;
  await hold(tx, wish, now);
  const number = ((await tx.get(LAST_NUMBER, [day]))?.number ?? 0) + 1;
  const id = tx.ids.next();
  const key = keyOf({ day, number }, wish);
  const place = JSON.stringify(wish.place);
  add(tx, { id, day, number, place, key, state: "writing", made_at: now });
  addFile(tx, { key, place, part: id, writer: wish.by });
  return { id: tx.ids.show("arc", id), day, number, place: wish.place, key };
}

/** A file that takes the place of a part's. */
export async function beginRewrite(tx: Tx, part: string, wish: Omit<Begin, "from">, now: number): Promise<OpenPart> {
  await hold(tx, wish, now);
  const { id, day, number } = await rowOf(tx, part);
  const key = keyOf({ day, number }, wish);
  addFile(tx, { key, place: JSON.stringify(wish.place), part: null, writer: wish.by });
  return { id: tx.ids.show("arc", id), day, number, place: wish.place, key };
}

function keyOf(part: { day: number; number: number }, { folder, tag }: Pick<Begin, "folder" | "tag">): string {
  const name = nameOfPart(part, tag);
  return folder === null ? name : `${folder}/${name}`;
}

export async function fill(
  tx: Tx,
  part: string,
  events: { id: string; revision: number }[],
  archivist: Archivist,
  now: number,
): Promise<void> {
  await hold(tx, archivist, now);
  const { id } = await rowOf(tx, part);
  await Promise.all(
    events.map(async (one) => {
      const event = tx.ids.read("evt", one.id);
      const row = await tx.get(EVENT, [event]);
      mark(tx, event, id, one.revision);
      if (row === undefined || row.video === 0) return;
      tx.write(OF_VIDEO, [row.video, id]);
      // It was read before its video was erased, or while that began.
      const isErased = row.isEmpty === 1 || (await erasures.covers(tx, { video: row.video, event }));
      if (isErased) forgetting.plan(tx, row.video, id);
    }),
  );
}

export async function keep(tx: Tx, part: string, file: ArchiveFile, archivist: Archivist, now: number): Promise<void> {
  await hold(tx, archivist, now);
  const { id, key, place } = await rowOf(tx, part);
  await take(tx, { key, place });
  setFile(tx, id, file, now);
}

/** A part's file gives its place to another; the old one is to be removed. */
export async function keepRewritten(
  tx: Tx,
  part: string,
  { key, place }: { key: string; place: ArchivePlace },
  file: ArchiveFile,
  archivist: Archivist,
  now: number,
): Promise<void> {
  await hold(tx, archivist, now);
  const old = await rowOf(tx, part);
  await take(tx, { key, place: JSON.stringify(place) });
  addFile(tx, { key: old.key, place: old.place, part: null, writer: null });
  tx.write(MOVE, [key, JSON.stringify(place), old.id]);
  setFile(tx, old.id, file, now);
}

const MOVE = sql<[string, string, number]>("UPDATE archive_parts SET key = ?, place = ? WHERE id = ?");

/** The file is no stray any longer. RelayError("conflict"): another has cleared it away. */
async function take(tx: Tx, { key, place }: { key: string; place: string }): Promise<void> {
  if ((await tx.get(FILE, [key, place])) === undefined)
    throw new RelayError("conflict", `${key} was given up: another took over`);
  tx.write(DROP_FILE, [key, place]);
}

function setFile(tx: Tx, id: number, { sha256, bytes, text, events }: ArchiveFile, now: number): void {
  tx.write(KEEP, [Buffer.from(sha256, "hex"), bytes, text, events, now, id]);
}

export async function strays(tx: Tx, by: string): Promise<StrayFile[]> {
  const rows = await tx.all(STRAY, [by]);
  return rows.map(({ key, place, part }) => ({
    ...{ key, place: JSON.parse(place) as ArchivePlace },
    part: part === null ? null : tx.ids.show("arc", part),
  }));
}

/** The names of the videos whose erasure ends where the part of this file goes. */
export async function videosErasedFrom(tx: Tx, { part }: StrayFile): Promise<string[]> {
  return part === null ? [] : forgetting.namesOf(tx, tx.ids.find("arc", part));
}

/** Its part goes first, in pieces: as long as it is there its file is known. */
export async function dropFile(tx: Tx, { key, place, part }: StrayFile): Promise<{ isMore: boolean }> {
  const row = part === null ? undefined : await tx.get(BY_ID, [tx.ids.find("arc", part)]);
  if (row?.state === "writing") {
    if ((await tx.changed(DROP_MARKS, [row.id, PER_PIECE])) === PER_PIECE) return { isMore: true };
    if ((await tx.changed(DROP_VIDEOS, [row.id, row.id, PER_PIECE])) === PER_PIECE) return { isMore: true };
    await forgetting.endAll(tx, row.id);
    tx.write(DROP_PART, [row.id]);
  }
  tx.write(DROP_FILE, [key, JSON.stringify(place)]);
  return { isMore: false };
}

export const show = (tx: Tx, row: PartRow): ArchivePart => ({
  ...{ id: tx.ids.show("arc", row.id), day: row.day, number: row.number, key: row.key, madeAt: row.made_at },
  ...{ place: JSON.parse(row.place) as ArchivePlace, sha256: Buffer.from(row.sha256!).toString("hex") },
  ...{ bytes: row.bytes!, text: row.text!, events: row.events! },
});

const VIDEO = sql<[string], { id: number }>("SELECT id FROM videos WHERE video_id = ?");
const BEFORE = "(p.day < ? OR (p.day = ? AND p.number < ?))";

export async function list(tx: Tx, wish: Parameters<ArchiveVerbs["archiveParts"]>[0]): Promise<ArchivePart[]> {
  const { limit, before, since, until, videoId } = wish;
  const conditions = ["p.state = 'kept'"];
  const values: (number | string)[] = [];
  const where = (condition: string, ...given: (number | string)[]) => {
    conditions.push(condition);
    values.push(...given);
  };
  if (before !== undefined) {
    const { day, number } = await rowOf(tx, before);
    where(BEFORE, day, day, number);
  }
  if (since !== undefined) where("p.day >= ?", since);
  if (until !== undefined) where("p.day < ?", until);
  if (videoId !== undefined) {
    const video = (await tx.get(VIDEO, [videoId]))?.id ?? 0;
    where("p.id IN (SELECT part FROM archive_videos WHERE video = ?)", video);
  }
  const text = `SELECT p.* FROM archive_parts p WHERE ${conditions.join(" AND ")} ORDER BY p.day DESC, p.number DESC LIMIT ?`;
  const rows = await tx.all(sql<(number | string)[], PartRow>(text), [...values, Math.min(limit, ALL)]);
  return rows.map((row) => show(tx, row));
}
