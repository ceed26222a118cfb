import type { Config } from "../../config/schema.ts";
import { type ArchivePart, nameOfDay } from "../../model/archive.ts";
import type { ArchiveState } from "../../store/archive/verbs.ts";
import { formatSize, shortTime } from "../format.ts";
import { isoTime, pick } from "../json.ts";
import { list, walk } from "../list.ts";

/** A part as it is shown. `place`: a folder, or the id of a target. */
export function partJson(part: ArchivePart) {
  const { place, day, number, madeAt } = part;
  return {
    ...{ id: part.id, day: nameOfDay(day), part: number },
    ...pick(part, "events bytes text sha256 key"),
    ...{ place: "dir" in place ? place.dir : place.target, madeAt: isoTime(madeAt) },
  };
}
export type PartJson = ReturnType<typeof partJson>;

export const archive = list({
  filters: { videoId: { value: "ID", help: "only files that have events of this video" } },
  rows: ({ store }, query) => walk((page) => store.archiveParts(page), query, partJson),
  columns: [
    { title: "DAY", value: ({ day }) => day, whole: true },
    { title: "PART", value: ({ part }) => part, whole: true },
    { title: "EVENTS", value: ({ events }) => events, whole: true },
    { title: "SIZE", value: ({ bytes }) => formatSize(bytes), whole: true },
    { title: "MADE", value: ({ madeAt }) => shortTime(madeAt), whole: true, spare: 1 },
    { title: "FILE", value: ({ key }) => key, least: 30 },
    { title: "PLACE", value: ({ place }) => place, spare: 2 },
  ],
});

/** How the archive stands. `place`: as the config says; `waits`: something is to be archived; `toRewrite`: files with what was erased. */
export function archiveStateJson({ archive }: Config["retention"], state: ArchiveState) {
  const { parts, events, bytes, lastAt, failing, isBehind, toRewrite } = state;
  if (archive === null && parts === 0) return null;
  return {
    place: archive === null || archive === "target" ? archive : archive.dir,
    ...{ files: parts, events, bytes, lastAt: isoTime(lastAt) },
    failing: failing && archive !== null ? { since: isoTime(failing.since), error: failing.error } : null,
    ...{ waits: isBehind && archive !== null, toRewrite },
  };
}
