import type { ArchiveState, ArchiveVerbs } from "../../archive/verbs.ts";
import type { Work } from "../../verbs.ts";
import * as retained from "../retention/retained.ts";
import * as meta from "../rows/meta.ts";
import { videosOf } from "../rows/named.ts";
import { ALL } from "../rows/paging.ts";
import { aboutSome, apart, job, sql, type Tx } from "../tx.ts";
import * as content from "./content.ts";
import * as forgetting from "./forgetting.ts";
import * as parts from "./parts.ts";
import { release } from "./release.ts";
import { restore } from "./restored.ts";

type ArchiveWorks = {
  [Name in keyof ArchiveVerbs]: Work<Parameters<ArchiveVerbs[Name]>, Awaited<ReturnType<ArchiveVerbs[Name]>>>;
};

const SUMS = sql<[], { parts: number; events: number | null; bytes: number | null; lastAt: number | null }>(
  `SELECT count(*) AS "parts", sum(events) AS "events", sum(bytes) AS "bytes", max(made_at) AS "lastAt"
   FROM archive_parts WHERE state = 'kept'`,
);
const BY_ID = sql<[number], parts.PartRow>("SELECT * FROM archive_parts WHERE id = ?");

/** What the verbs of the archive do. */
export const archiveWorks: ArchiveWorks = {
  beginPart: {
    answer: ({ from }) => job(async (tx) => ((await parts.nextQueued(tx, from)) === null ? null : undefined)),
    run: (wish, now) => keeping((tx) => parts.begin(tx, wish, now)),
  },
  archivePiece: (from, bytes) => job((tx) => content.piece(tx, from, bytes)),
  archiveRest: (from, bytes) => job((tx) => content.rest(tx, from, bytes)),
  markArchived: (part, events, archivist, now) =>
    ofEvents(events, (tx) => parts.fill(tx, part, events, archivist, now)),
  keepPart: (part, file, archivist, now) => keeping((tx) => parts.keep(tx, part, file, archivist, now)),
  releaseArchived: (ids, now) =>
    keeping((tx) =>
      release(
        tx,
        ids.map((id) => tx.ids.read("evt", id)),
        now,
      ),
    ),
  holdArchive: (archivist, now) => keeping((tx) => parts.hold(tx, archivist, now)),
  strayFiles: (by) => job((tx) => parts.strays(tx, by)),
  dropFile: (file) =>
    aboutSome(
      (tx) => parts.videosErasedFrom(tx, file),
      (tx) => parts.dropFile(tx, file),
      "retention",
    ),

  archiveParts: (wish) => job((tx) => parts.list(tx, wish)),
  archiveState: () => job(readState),
  noteArchive: {
    answer: (error) => job(async (tx) => (error === null && (await readFailing(tx)) === null ? false : undefined)),
    run: (error, now) => apart("meta", (tx) => note(tx, error, now)),
  },

  partToRewrite: (after) =>
    job((tx) => {
      const from = after === null ? 0 : tx.ids.read("arc", after);
      return forgetting.next(tx, from, async (id) => parts.show(tx, (await tx.get(BY_ID, [id]))!));
    }),
  beginRewrite: (part, wish, now) => keeping((tx) => parts.beginRewrite(tx, part, wish, now)),
  keepRewritten: (part, to, file, archivist, now) =>
    keeping((tx) => parts.keepRewritten(tx, part, to, file, archivist, now)),
  endErasures: (part, videoIds) =>
    aboutSome(
      async () => videoIds,
      (tx) => forgetting.end(tx, tx.ids.read("arc", part), videoIds),
      "retention",
    ),

  restoreBodies: (part, events, { keepFor, bodies }, now) =>
    ofEvents(events, (tx) => restore(tx, events, { part: tx.ids.read("arc", part), since: now + keepFor - bodies })),
};

/** A job about the archive alone. */
const keeping = <Result>(run: (tx: Tx) => Promise<Result>) => aboutSome(async () => [], run, "retention");

/** A job about the archive and the videos of these events: none of them is erased meanwhile. */
const ofEvents = <Result>(events: { id: string }[], run: (tx: Tx) => Promise<Result>) =>
  aboutSome(
    (tx) =>
      videosOf(
        tx,
        "events",
        events.map(({ id }) => tx.ids.find("evt", id)),
      ),
    run,
    "retention",
  );

const FAILING = "archive-failing";

const readFailing = (tx: Tx) => meta.readJson<ArchiveState["failing"]>(tx, FAILING);

async function note(tx: Tx, error: string | null, now: number): Promise<boolean> {
  const failing = await readFailing(tx);
  if (error === null) meta.remove(tx, FAILING);
  else meta.writeJson(tx, FAILING, { since: failing?.since ?? now, error });
  return (error === null) !== (failing === null);
}

async function readState(tx: Tx): Promise<ArchiveState> {
  const [sums, failing, queued, toRewrite] = await Promise.all([
    tx.get(SUMS, []),
    readFailing(tx),
    retained.due(tx, "archive", ALL, 1),
    forgetting.count(tx),
  ]);
  const { parts: count, events, bytes, lastAt } = sums!;
  return {
    ...{ parts: count, events: events ?? 0, bytes: bytes ?? 0, lastAt },
    ...{ failing, isBehind: queued.length > 0, toRewrite },
  };
}
