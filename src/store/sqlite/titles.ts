import { when } from "../core/rows/merge.ts";
import { LIMIT } from "../core/rows/numbers.ts";
import type { Titles } from "../core/titles/titles.ts";
import { type Job, job, sql, type Tx } from "../core/tx.ts";

// Titles are indexed in pieces, some time after they have changed: until then what has changed, and the videos that came since,
// are looked through.

/** At most this many titles in one transaction: some milliseconds. */
const PER_PIECE = 100;

type Due = { video: number; indexed: string | null; title: string | null };

const DUE = "SELECT t.video, t.indexed, v.title FROM titles_due t JOIN videos v ON v.id = t.video";
const SOME = sql<[number], Due>(`${DUE} ORDER BY t.video LIMIT ?`);
/** Those beyond LIMIT were there before there was an index: they are among those that have changed. */
const IS_NEW = `v.id > (SELECT video FROM titles_reached) AND v.id <= ${LIMIT}`;
const NEW = sql<[number], Due>(
  `SELECT v.id AS video, NULL AS indexed, v.title FROM videos v WHERE ${IS_NEW} ORDER BY v.id LIMIT ?`,
);
const SET_REACHED = sql<[number]>("UPDATE titles_reached SET video = ?");
const OF = sql<[string], Due>(`${DUE} WHERE v.video_id = ?`);
const TAKE_OUT = sql<[number, string]>("INSERT INTO titles (titles, rowid, title) VALUES ('delete', ?, ?)");
const PUT = sql<[number, string]>("INSERT INTO titles (rowid, title) VALUES (?, ?)");
const DONE = sql<[number]>("DELETE FROM titles_due WHERE video = ?");

const MATCHES = "t.titles MATCH ? AND NOT EXISTS (SELECT 1 FROM titles_due x WHERE x.video = t.rowid)";
/** Lower case of ASCII only: of what is due, for some seconds. */
const HAS = "instr(lower(v.title), lower(?)) > 0";

/** A phrase, whatever stands in it (sqlite.org/fts5.html, 3.1). A NUL would end the query within it; no title is indexed beyond one. */
const phraseOf = (text: string) => `"${text.replaceAll('"', '""').replaceAll("\0", "\ufffd")}"`;

export const titles: Titles = {
  sources: (text, within) => [
    {
      id: "t.rowid",
      ...(within.length === 0
        ? { from: "titles t", where: [when(MATCHES, phraseOf(text))] }
        : {
            from: "titles t CROSS JOIN videos v",
            where: [when(`${MATCHES} AND v.id = t.rowid`, phraseOf(text)), ...within],
          }),
    },
    {
      id: "d.video",
      from: "titles_due d CROSS JOIN videos v",
      where: [when(`v.id = d.video AND ${HAS}`, text), ...within],
    },
    // Bounds of a page are none that the index may be gone through by in place of this one.
    { id: "v.id + 0", by: "v.id", from: "videos v", where: [when(`${IS_NEW} AND ${HAS}`, text), ...within] },
  ],
  condition: (text, column) =>
    when(
      `${column} + 0 IN (SELECT t.rowid FROM titles t WHERE ${MATCHES}
        UNION ALL SELECT d.video FROM titles_due d CROSS JOIN videos v WHERE v.id = d.video AND ${HAS}
        UNION ALL SELECT v.id FROM videos v WHERE ${IS_NEW} AND ${HAS})`,
      phraseOf(text),
      text,
      text,
    ),
};

/** Indexes some of the titles that have changed, or that of one video; resolves with whether there are more. */
export const indexWork = {
  answer: (): Job<{ isMore: boolean } | undefined> =>
    job(async (tx) => {
      const next = (await tx.get(SOME, [1])) ?? (await tx.get(NEW, [1]));
      return next === undefined ? { isMore: false } : undefined;
    }),
  run: (videoId?: string): Job<{ isMore: boolean }> => job((tx) => index(tx, videoId)),
};

async function index(tx: Tx, videoId: string | undefined): Promise<{ isMore: boolean }> {
  const changed = videoId === undefined ? await tx.all(SOME, [PER_PIECE]) : await tx.all(OF, [videoId]);
  for (const { video, indexed, title } of changed) {
    if (indexed !== null) tx.write(TAKE_OUT, [video, indexed]);
    if (title !== null) tx.write(PUT, [video, title]);
    tx.write(DONE, [video]);
  }
  if (videoId !== undefined) return { isMore: false };
  const added = await tx.all(NEW, [PER_PIECE - changed.length]);
  for (const { video, title } of added) if (title !== null) tx.write(PUT, [video, title]);
  if (added.length > 0) tx.write(SET_REACHED, [added.at(-1)!.video]);
  return { isMore: changed.length + added.length === PER_PIECE };
}
