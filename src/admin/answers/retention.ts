import * as v from "valibot";
import type { countPrunable } from "../../actions/prune.ts";
import type { archiveStateJson, PartJson } from "../../actions/relay/archive.ts";
import { count, orNull, pageOf, shapeOf, text, time } from "./shape.ts";

// What retention and the archive answer.

const rows = v.object({ rows: count, bytes: count });
export const prunable = shapeOf<Awaited<ReturnType<typeof countPrunable>>>()(
  "Prunable",
  v.object({
    ...{ bodies: rows, autosaves: rows, duplicates: rows, attempts: rows },
    archived: v.pipe(count, v.description("How many events are to be archived before")),
  }),
);

export const archivePage = pageOf(
  "ArchivePage",
  shapeOf<PartJson>()(
    "ArchivePart",
    v.object({
      id: text,
      day: v.pipe(text, v.description("Of its events' receipt (UTC): 2026-11-30")),
      part: v.pipe(count, v.description("Its number within the day")),
      events: count,
      bytes: v.pipe(count, v.description("Of the file; text: unpacked")),
      text: count,
      sha256: text,
      key: text,
      place: v.pipe(text, v.description("The folder, or the id of the target")),
      madeAt: time,
    }),
  ),
);

export const archiveState = shapeOf<NonNullable<ReturnType<typeof archiveStateJson>>>()(
  "ArchiveState",
  v.object({
    place: v.pipe(orNull(text), v.description('The folder, or "target"; null: nothing is archived any longer')),
    ...{ files: count, events: count, bytes: count, lastAt: orNull(time) },
    failing: v.pipe(
      orNull(v.object({ since: time, error: text })),
      v.description("Why what has expired cannot be archived, and is not pruned"),
    ),
    waits: v.pipe(v.boolean(), v.description("Something is to be archived")),
    toRewrite: v.pipe(count, v.description("Files that still have what was erased")),
  }),
);
