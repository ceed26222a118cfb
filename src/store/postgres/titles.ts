import { held } from "../core/rows/held.ts";
import { when } from "../core/rows/merge.ts";
import type { Titles } from "../core/titles/titles.ts";
import { about, apart, type Job, job, sql, type Tx } from "../core/tx.ts";

// Titles are written in lower case beside, some time after they have changed: until then what has changed is looked through.

/** At most this many titles in one transaction: some milliseconds. */
const PER_PIECE = 100;

type Due = { video: number; title: string | null };

const DUE = "SELECT t.video, v.title FROM titles_due t JOIN videos v ON v.id = t.video";
const SOME = sql<[number], Due>(`${DUE} ORDER BY t.video LIMIT ?`);
const OF = sql<[string], Due>(`${DUE} WHERE v.video_id = ?`);
const TAKE_OUT = sql<[number]>("DELETE FROM titles WHERE video = ?");
const PUT = sql<[number, string]>(
  "INSERT INTO titles (video, folded) VALUES (?, ?) ON CONFLICT (video) DO UPDATE SET folded = excluded.folded",
);
const DONE = sql<[number]>("DELETE FROM titles_due WHERE video = ?");

const MATCHES = "t.folded LIKE ? AND NOT EXISTS (SELECT 1 FROM titles_due x WHERE x.video = t.video)";
/** Lower case of ASCII only: of what is due, for some seconds. */
const HAS = 'lower(v.title) LIKE lower(CAST(? AS text) COLLATE "C")';

/** What holds the text somewhere, whatever characters it has. */
const pattern = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

export const titles: Titles = {
  sources: (text, within) => [
    {
      id: "t.video",
      from: within.length === 0 ? "titles t" : "titles t JOIN videos v ON v.id = t.video",
      where: [when(MATCHES, pattern(text.toLowerCase())), ...within],
    },
    {
      id: "d.video",
      from: "titles_due d JOIN videos v ON v.id = d.video",
      where: [when(HAS, pattern(text)), ...within],
    },
  ],
  condition: (text, column) =>
    when(
      `${column} IN (SELECT t.video FROM titles t WHERE ${MATCHES}
        UNION ALL SELECT d.video FROM titles_due d JOIN videos v ON v.id = d.video WHERE ${HAS})`,
      pattern(text.toLowerCase()),
      pattern(text),
    ),
};

/** Writes some of the titles that have changed, or that of one video; resolves with whether there are more. */
export const indexWork = {
  answer: (): Job<{ isMore: boolean } | undefined> =>
    job(async (tx) => ((await tx.get(SOME, [1])) === undefined ? { isMore: false } : undefined)),
  run: (videoId?: string): Job<{ isMore: boolean }> =>
    videoId === undefined
      ? apart("titles", async (tx) => index(tx, await held(tx, PER_PIECE, (most) => tx.all(SOME, [most]))))
      : about(videoId, async (tx) => index(tx, await tx.all(OF, [videoId]))),
};

function index(tx: Tx, rows: Due[]): { isMore: boolean } {
  for (const { video, title } of rows) {
    if (title === null) tx.write(TAKE_OUT, [video]);
    else tx.write(PUT, [video, title.toLowerCase()]);
    tx.write(DONE, [video]);
  }
  return { isMore: rows.length === PER_PIECE };
}
