import * as v from "valibot";
import type { countPrunable } from "../../actions/prune.ts";
import type { PartJson } from "../../actions/relay/archive.ts";
import { count, pageOf, shapeOf, text, time } from "./shape.ts";

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
