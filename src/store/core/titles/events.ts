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
import { sql, type Tx } from "../tx.ts";

// Events of the videos whose title has a text. Few videos: their events are looked up by the index of a video's events. Many:
// the events of the newest of them are most likely the newest; what may be newer is an event of a video that is older than these.

/** Videos of a title whose events are looked up one by one: one more is asked for, and has its place. */
export const FEW = MOST_PLACES - 1;

/** The newest of many videos, which are tried before all of `FEW`: a word that these have is in many titles. */
const SOME = 100;

/** Events that are looked through for those of older videos, before these are asked which of them lately had one. */
const NEAR = 2_000;

type Wish = Omit<Parameters<Store["events"]>[0], "limit"> & Between;

/** `isFew`: the videos narrow down what is listed more than most filters do. `sources` of many gives all where no limit is known. */
export async function ofTitle(tx: Tx, q: string, wish: Wish): Promise<Filter & { isFew: boolean }> {
  const videos = await videosOf(tx, q, wish);
  // In no order of an index, so that the one of videos is used.
  const within = bounds(tx, ["e.id + 0"], "evt", wish);
  const own = (some: number[], rest: Condition[]): Source => ({
    ...{ id: "e.id", by: "e.id + 0", from: FROM },
    where: [...within, isOneOf("e.video", some), ...rest],
  });
  const isAmong = isOneOf("e.video + 0", videos);
  if (videos.length <= FEW) {
    const sources = async (rest: Condition[], limit?: number) => {
      // What is older than as many events of the newest videos need not be sorted.
      if (limit === undefined || videos.length <= SOME) return [own(videos, rest)];
      const first = await newest(tx, [own(videos.slice(0, SOME), rest)], limit);
      if (first.length < limit) return [own(videos, rest)];
      return [own(videos, [when("e.id + 0 >= ?", first.at(-1)!), ...rest])];
    };
    return { isFew: true, sources, condition: isAmong };
  }

  const ofOlder = (than: number) => all([when("e.video < ?", than), tx.titles.condition(q, "e.video")]);
  const condition = any([isAmong, ofOlder(videos.at(-1)!)]);
  // For the index that holds no notices.
  const provider = wish.types === undefined ? [when("e.dialect <> 'notice'")] : [];
  const walk = (...where: Condition[]): Source => ({
    id: "e.id",
    from: FROM,
    where: [...bounds(tx, ["e.id"], "evt", wish), ...provider, ...where],
  });

  /** What may be newer than the event `end`, of videos that are older than `oldest`; null: that takes a longer look. */
  async function near(end: number, oldest: number, rest: Condition[]): Promise<Source[] | null> {
    const isNewer = when("e.id > ?", end);
    if ((await newest(tx, [walk(isNewer)], NEAR)).length === NEAR) return null;
    const active = await newest(
      tx,
      [{ ...walk(isNewer, when("e.video < ?", oldest)), id: "e.video", by: "e.id" }],
      NEAR,
    );
    if (active.length > FEW) return [walk(isNewer, ofOlder(oldest), ...rest)];
    const [last, first] = [active.at(-1) ?? 0, active[0] ?? -1];
    const among = titled(tx, q, (id) => [when(`${id} >= ? AND ${id} <= ?`, last, first), isOneOf(`${id} + 0`, active)]);
    const older = active.length === 0 ? [] : await newest(tx, inNoOrder(among), FEW);
    return older.length === 0 ? [] : [own(older, [when("e.id + 0 > ?", end), ...rest])];
  }

  /** The same, by asking the videos. */
  async function lately(end: number, oldest: number, rest: Condition[]): Promise<Source[]> {
    const hasNewer = (id: string) => `EXISTS (SELECT 1 FROM events x WHERE x.video = ${id} AND x.id + 0 > ?)`;
    const asked = titled(tx, q, (id) => [when(`${id} < ? AND ${hasNewer(id)}`, oldest, end)]);
    const older = await newest(tx, asked, FEW);
    // As many as that: it is not worth while to tell them apart.
    if (older.length === FEW) return [walk(when("e.id > ?", end), ofOlder(oldest), ...rest)];
    return [own(older, [when("e.id + 0 > ?", end), ...rest])];
  }

  async function sources(rest: Condition[], limit?: number): Promise<Source[]> {
    for (const some of limit === undefined ? [] : [videos.slice(0, SOME), videos]) {
      const first = await newest(tx, [own(some, rest)], limit!);
      if (first.length < limit!) continue;
      const [end, oldest] = [first.at(-1)!, some.at(-1)!];
      const others = await near(end, oldest, rest);
      if (others === null && some !== videos) continue;
      const these =
        first.length <= FEW ? { id: "e.id", from: "events e", where: [isOneOf("e.id", first)] } : own(some, rest);
      return [these, ...(others ?? (await lately(end, oldest, rest)))];
    }
    return [walk(condition, ...rest)];
  }
  return { isFew: false, sources, condition };
}

const OLDEST = sql<[], { id: number }>("SELECT min(id) AS id FROM videos");

/** The newest videos of the title that may have such events, `FEW` and one more at most. */
async function videosOf(tx: Tx, q: string, { before, until, below }: Wish): Promise<number[]> {
  // A video is older than its events.
  const some = await newest(
    tx,
    titled(tx, q, (id) => bounds(tx, [id], "evt", { before, until, below })),
    SOME + 1,
  );
  if (some.length <= SOME) return some;
  const [first, last] = [some[0]!, some.at(-1)!];
  const others = titled(tx, q, (id) => [when(`${id} < ?`, last)]);
  // As many as there are of them if they are as frequent before.
  const expected = (SOME * (last - (await tx.get(OLDEST, []))!.id)) / (first - last);
  // An index of words is read faster as it lies than from its end.
  const rest = await newest(tx, expected > FEW ? others : inNoOrder(others), FEW + 1 - some.length);
  return [...some, ...rest];
}

/** Videos of the title, under conditions on their id. */
const titled = (tx: Tx, q: string, where: (id: string) => Condition[]): Source[] =>
  tx.titles.sources(q, []).map((source) => ({ ...source, where: [...source.where, ...where(source.id)] }));

/** All of them are found, and then sorted. */
const inNoOrder = (sources: Source[]): Source[] => sources.map((source) => ({ ...source, by: `${source.id} + 0` }));
