import type { Store } from "../../store.ts";
import { FROM } from "../events/shown.ts";
import {
  all,
  any,
  type Between,
  bounds,
  type Condition,
  isOneOf,
  MOST_PLACES,
  newest,
  type Source,
  when,
} from "../rows/merge.ts";
import type { Filter } from "../rows/source.ts";
import type { Tx } from "../tx.ts";

// Events of the videos whose title has a text. Few videos: their events are looked up by the index of a video's events. Many:
// the events of the newest of them are most likely the newest; what may be newer is an event of a video that is older than these.

/** Videos of a title whose events are looked up one by one: one more is asked for, and has its place. */
export const FEW = MOST_PLACES - 1;

/** Events that are looked through for those of older videos, before these are asked which of them lately had one. */
const NEAR = 2_000;

type Wish = Omit<Parameters<Store["events"]>[0], "limit"> & Between;

/** `isFew`: the videos narrow down what is listed more than most filters do. `sources` of many gives all where no limit is known. */
export async function ofTitle(tx: Tx, q: string, wish: Wish): Promise<Filter & { isFew: boolean }> {
  const { before, until, below } = wish;
  const videosOf = (...where: Condition[]): Source[] =>
    tx.titles.sources(q, []).map((source) => ({ ...source, where: [...source.where, ...where] }));
  const isOlder = (id: string) => bounds(tx, [id], "evt", { before, until, below });
  // A video is older than its events.
  const found = videosOf().map((source) => ({ ...source, where: [...source.where, ...isOlder(source.id)] }));
  const videos = await newest(tx, found, FEW + 1);
  // In no order of an index, so that the one of videos is used.
  const within = bounds(tx, ["e.id + 0"], "evt", wish);
  const own = (videos: number[], rest: Condition[]): Source => ({
    ...{ id: "e.id", by: "e.id + 0", from: FROM },
    where: [...within, isOneOf("e.video", videos), ...rest],
  });
  const isAmong = isOneOf("e.video + 0", videos);
  if (videos.length <= FEW) return { isFew: true, sources: (rest) => [own(videos, rest)], condition: isAmong };

  const oldest = videos.at(-1)!;
  const ofOlder = all([when("e.video < ?", oldest), tx.titles.condition(q, "e.video")]);
  const condition = any([isAmong, ofOlder]);
  // For the index that holds no notices.
  const provider = wish.types === undefined ? [when("e.dialect <> 'notice'")] : [];
  const walk = (rest: Condition[], ...where: Condition[]): Source => ({
    id: "e.id",
    from: FROM,
    where: [...bounds(tx, ["e.id"], "evt", wish), ...provider, ...where, ...rest],
  });

  async function sources(rest: Condition[], limit?: number): Promise<Source[]> {
    const first = limit === undefined ? [] : await newest(tx, [own(videos, rest)], limit);
    if (limit === undefined || first.length < limit) return [walk(rest, condition)];
    const end = first.at(-1)!;
    const these =
      first.length <= FEW ? { id: "e.id", from: "events e", where: [isOneOf("e.id", first)] } : own(videos, rest);
    const isNewer = when("e.id > ?", end);
    const near = await newest(tx, [walk([], isNewer)], NEAR);
    if (near.length < NEAR) return [these, walk(rest, isNewer, ofOlder)];
    const hasNewer = "EXISTS (SELECT 1 FROM events x WHERE x.video = v.id AND x.id + 0 > ?)";
    const lately = videosOf(when(`v.id < ? AND ${hasNewer}`, oldest, end));
    const older = await newest(tx, lately, FEW);
    // As many as that: it is not worth while to tell them apart.
    if (older.length === FEW) return [these, walk(rest, isNewer, ofOlder)];
    return [these, own(older, [when("e.id + 0 > ?", end), ...rest])];
  }
  return { isFew: false, sources, condition };
}
