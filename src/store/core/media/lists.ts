import { RelayError } from "../../../errors.ts";
import type { MediaKind, MediaState, Medium } from "../../../model/medium.ts";
import type { Store } from "../../store.ts";
import {
  all,
  bounds,
  type Condition,
  isOneWordOf,
  namedStates,
  newest,
  rowsOf,
  type Source,
  when,
} from "../rows/merge.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import * as downloads from "./downloads.ts";
import { type MediumRow, presentOf, SHOWN_MEDIUM, toMedium } from "./rows.ts";

type Shown = MediumRow & { video_id: string };

// Media as operators and readers see them.

const BY_ID = sql<[number], Shown>(`SELECT ${SHOWN_MEDIUM} WHERE m.id = ?`);
const BY_KEY = sql<[string], Shown>(
  `SELECT ${SHOWN_MEDIUM} WHERE m.key = ? ORDER BY m.state = 'superseded', m.sequence DESC LIMIT 1`,
);
const BY_FORMER_KEY = sql<[string], Shown>(
  `SELECT ${SHOWN_MEDIUM} JOIN former_keys k ON k.medium = m.id WHERE k.key = ?
   ORDER BY m.state = 'superseded', m.sequence DESC LIMIT 1`,
);
const THUMBNAIL_COPIES = sql<[number], Shown>(
  `SELECT ${SHOWN_MEDIUM} WHERE m.video = ? AND m.state <> 'superseded' AND m.kind = 'thumbnail' AND m.key IS NOT NULL
   ORDER BY m.sequence DESC, m.id DESC`,
);

async function rowOf(tx: Tx, id: string): Promise<Shown> {
  const row = await tx.get(BY_ID, [tx.ids.read("med", id)]);
  if (!row) throw new RelayError("not_found", `no medium "${id}"`);
  return row;
}

/** A row that is to be downloaded: RelayError("conflict") while mirroring is off. */
async function wanted(tx: Tx, id: string): Promise<Shown> {
  if (tx.settings.mirror.enabled) return rowOf(tx, id);
  throw new RelayError("conflict", "mirroring is off: nothing is downloaded before mirror.enabled is true again");
}

export const show = async (tx: Tx, id: string): Promise<Medium> => toMedium(tx.ids, await rowOf(tx, id));

export async function byKey(tx: Tx, key: string): Promise<Medium | null> {
  const present = await tx.get(BY_KEY, [key]);
  if (present && present.state !== "superseded") return toMedium(tx.ids, present);
  // Every key that a medium once had leads to its present copy, a thumbnail's to the one that took its place.
  const row = present ?? (await tx.get(BY_FORMER_KEY, [key]));
  const medium = row?.kind === "thumbnail" ? presentOf(await tx.all(THUMBNAIL_COPIES, [row.video])) : row;
  return medium ? toMedium(tx.ids, medium) : null;
}

const ROWS = { select: `SELECT ${SHOWN_MEDIUM}`, column: "m.id" };
const FROM = "media m JOIN videos v ON v.id = m.video";
const STATES: MediaState[] = [
  ...(["pending", "running", "mirrored", "failed", "expired", "skipped", "superseded", "deleted"] as const),
];
const KINDS: MediaKind[] = ["video", "thumbnail"];
// The condition of media_deadline.
const UNSECURED = when("m.state || '' IN ('pending', 'running') AND m.key IS NULL AND m.spooled IS NULL");

export async function list(tx: Tx, wish: Parameters<Store["media"]>[0]): Promise<Medium[]> {
  const rows = await rowsOf<Shown>(tx, ROWS, await find(tx, wish));
  return rows.map((row) => toMedium(tx.ids, row));
}

type Wish = Parameters<Store["media"]>[0];

/** The newest ids that match: of a video, else of what is suspect, else by state and kind. */
export async function find(tx: Tx, wish: Wish): Promise<number[]> {
  if (wish.byDeadline) return (await byDeadline(tx, wish)).map(({ id }) => id);
  const { videoId, suspect, kind, withCopy } = wish;
  const named = namedStates(wish);
  const within = bounds(tx, ["m.id"], "med", wish);
  const rows = (where: Condition[]): Source => ({ id: "m.id", from: FROM, where: [...within, ...where] });
  const copies = withCopy ? [when("m.key IS NOT NULL AND m.state || '' <> 'superseded'")] : [];
  const others = [
    ...copies,
    ...(named === undefined ? [] : [isOneWordOf("m.state || ''", named)]),
    ...(kind === undefined ? [] : [when("m.kind || '' = ?", kind)]),
  ];
  const isSuspect = suspect ? [when("m.suspect IS NOT NULL")] : [];
  if (videoId !== undefined) {
    const ofVideo = when("m.video = (SELECT id FROM videos WHERE video_id = ?)", videoId);
    const each = ["m.state <> 'superseded'", "m.state = 'superseded'"];
    return newest(
      tx,
      each.map((one) => rows([ofVideo, when(one), ...isSuspect, ...others])),
      wish.limit,
    );
  }
  if (suspect) return newest(tx, [rows([...isSuspect, ...others])], wish.limit);
  if (named === undefined && kind === undefined && !withCopy) return newest(tx, [rows([])], wish.limit);
  const states = named ?? STATES;
  const kinds = kind === undefined ? KINDS : [kind];
  const each = states.flatMap((one) => kinds.map((of) => when("m.state = ? AND m.kind = ?", one, of)));
  return newest(
    tx,
    each.map((one) => rows([one, ...copies])),
    wish.limit,
  );
}

/** What is not secured yet, the nearest deadline first. */
function byDeadline(tx: Tx, { kind, videoId, suspect, ...wish }: Wish): Promise<{ id: number }[]> {
  const { before, ...range } = wish;
  const named = namedStates(wish);
  const { text, values } = all([
    UNSECURED,
    ...bounds(tx, ["m.id + 0"], "med", range),
    ...(before === undefined
      ? []
      : [when("(m.deadline, m.id) > (SELECT deadline, id FROM media WHERE id = ?)", tx.ids.read("med", before))]),
    ...(named === undefined ? [] : [isOneWordOf("m.state || ''", named)]),
    ...(kind === undefined ? [] : [when("m.kind || '' = ?", kind)]),
    ...(videoId === undefined ? [] : [when("v.video_id || '' = ?", videoId)]),
    ...(suspect ? [when("m.suspect IS NOT NULL")] : []),
  ]);
  const statement = sql<Value[], { id: number }>(
    `SELECT m.id FROM ${FROM} WHERE ${text} ORDER BY m.deadline, m.id LIMIT ?`,
  );
  return tx.all(statement, [...values, wish.limit]);
}

export const retry = async (tx: Tx, id: string, now: number) => downloads.retry(tx, await wanted(tx, id), now);

export const mend = async (tx: Tx, id: string, now: number) => downloads.mend(tx, await wanted(tx, id), now);
