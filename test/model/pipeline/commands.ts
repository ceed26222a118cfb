import { testRandom } from "../../support/ports.ts";
import type { Settings } from "./life.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What a host does with its next requests for a file; `part` of the body comes where it breaks off. */
export type Weather =
  /** As a good host: ranges, conditions. */
  | "ok"
  /** 404, 403, 503. */
  | "missing"
  | "denied"
  | "broken"
  /** No answer, the connection is reset; reset in the middle; half of it, and then nothing for a while. */
  | "reset"
  | "cut"
  | "stalls"
  /** A page of text with 200; a length of less than the file, and no more. */
  | "text"
  | "short"
  /** Breaks off; then the file is another one, of which it gives the rest, carelessly. */
  | "replaced"
  /** Gives the rest of whatever it has now, whatever If-Range says. */
  | "careless";

/** What a host says to tell versions of a file apart. */
export type Tags = "strong" | "weak" | "date" | "none";

/** An event: `video` and `thumb` name files, `edit`: the picture has changed in place, `late`: received so long ago (ms). */
export type Posted = {
  type: "video.ready" | "draft.new" | "draft.update" | "video.delete" | "draft.delete";
  v: string;
  video?: string;
  thumb?: string;
  edit?: boolean;
  /** Of its links, in milliseconds; null: they do not tell. */
  life: number | null;
  late?: number;
};

/** `pick` counts among what fits, so that a list means the same after it was shortened. */
export type Command =
  | ({ do: "post" } & Posted)
  | { do: "again"; pick: number; life: number | null }
  | { do: "host"; name: string; is: Weather; times: number; part: number; tags: Tags }
  | { do: "edit"; name: string }
  | { do: "resume" }
  | { do: "work"; queue: "download" | "upload" | "delete"; limit: number; waits: boolean }
  | { do: "live"; ms: number }
  | { do: "pass"; ms: number; renews: boolean }
  | { do: "deliver" }
  | { do: "away"; target: "one" | "two"; is: boolean }
  /** `dies`: so many verbs of the store after the new start. */
  | { do: "config"; by: "reload" | "restart"; change: Partial<Settings>; dies?: number }
  /** The process dies so many verbs of the store, turns of the event loop, or pieces that the host sends, from now. */
  | { do: "kill"; at: "verb" | "turn" | "piece"; after: number }
  | { do: "retry"; pick: number }
  | { do: "forget"; v: string }
  /** Copies elsewhere begin to be moved, and get so long, in real milliseconds; the task is canceled. */
  | { do: "move"; deletes: boolean; for: number }
  | { do: "end move" };

export type Made = { list: Command[]; settings: Settings };

/** The commands of a walk; the same for the same seed. Evenly mixed ones hardly ever come far into one thing: each walk leaves some out. */
export function commandsOf(seed: number, length: number): Made {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const isOneIn = (n: number) => below(n) === 0;

  const videos = one([["v"], ["v"], ["v", "w"]]);
  const films = one([["a"], ["a", "b"], ["b", "c"], ["c"]]);
  const thumbs = one([["x"], ["x", "y"], ["x", "y", "z"]]);
  const places = one([
    ["one", "two"],
    ["one", "two"],
    ["one", "bucket"],
  ] as const);
  const settings: Settings = { enabled: true, target: "one", onDelete: one(["keep", "keep", "delete"]) };
  const comesLate = isOneIn(3);
  // Links that die soon, hours that go by, and mirroring that is off meanwhile.
  const isHasty = isOneIn(5);
  const lives = isHasty ? [2 * HOUR, 2 * HOUR, 30 * HOUR] : [null, null, null, 2 * HOUR, 30 * HOUR];
  const leftOut = Array.from({ length: 13 }, () => isOneIn(3));

  function post(): Posted {
    const type = one([
      ...(["video.ready", "video.ready", "video.ready", "video.ready"] as const),
      ...(["draft.update", "draft.update", "draft.update", "draft.new", "video.delete", "draft.delete"] as const),
    ]);
    const hasLinks = !type.endsWith(".delete");
    const hasFilm = type === "video.ready" && !isOneIn(6);
    const hasThumb = hasLinks && !isOneIn(3);
    // Pictures of drafts change in place.
    const edit = type.startsWith("draft.") && isOneIn(2);
    const late = comesLate && isOneIn(5);
    return {
      ...{ type, v: one(videos), life: one(lives) },
      ...(hasFilm && { video: one(films) }),
      ...(hasThumb && { thumb: one(thumbs), edit: edit && !late }),
      ...(late && { late: one([10 * MINUTE, HOUR, 26 * HOUR, 8 * DAY]) }),
    };
  }

  function command(): Command {
    const v = one(videos);
    const film = `${v}/${one(films)}.mp4`;
    const thumb = `${v}/${one(thumbs)}`;
    const pick = below(6);
    const name = isOneIn(4) ? thumb : film;
    const is = one([
      ...(["missing", "denied", "broken", "reset", "cut", "cut", "cut", "stalls", "stalls"] as const),
      ...(["text", "short", "careless", "replaced", "replaced"] as const),
    ]);
    const by = one(["reload", "restart"] as const);
    const how = { by, ...(by === "restart" && isOneIn(3) && { dies: below(8) }) };
    const host = {
      times: one([1, 1, 2, 3, 99]),
      part: 0.05 + 0.9 * float(),
      tags: one(["strong", "strong", "weak", "date", "none"] as const),
    };
    const rare: [number, Command][] = [
      [8, { do: "host", name, is, ...host }],
      [2, { do: "edit", name: film }],
      [5, { do: "away", target: one(["one", "two"]), is: true }],
      [3, { do: "config", ...how, change: { target: one(places) } }],
      [2, { do: "config", ...how, change: { enabled: false } }],
      [2, { do: "config", ...how, change: { onDelete: one(["keep", "delete"]) } }],
      [2, { do: "retry", pick }],
      [1, { do: "forget", v }],
      [4, { do: "again", pick: below(2), life: one([null, 2 * HOUR, 30 * HOUR]) }],
      [1, { do: "pass", ms: one([2 * HOUR, 25 * HOUR]), renews: true }],
      [2, { do: "pass", ms: one([31 * SECOND, 5 * MINUTE]), renews: false }],
      [4, { do: "live", ms: one([10 * SECOND, 10 * MINUTE, 2 * HOUR]) }],
      [6, { do: "move", deletes: isOneIn(2), for: one([0, 0, 5, 30]) }],
      [1, { do: "end move" }],
    ];
    const table: [number, Command][] = [
      [12, { do: "post", ...post() }],
      [12, { do: "work", queue: "download", limit: one([1, 2, 9]), waits: !isOneIn(4) }],
      [12, { do: "work", queue: "upload", limit: one([1, 2, 9]), waits: !isOneIn(4) }],
      [4, { do: "work", queue: "delete", limit: one([1, 9]), waits: !isOneIn(4) }],
      [6, { do: "deliver" }],
      [6, { do: "pass", ms: one([SECOND, 2 * SECOND, 11 * SECOND, 11 * SECOND, MINUTE]), renews: true }],
      [4, { do: "resume" }],
      [3, { do: "away", target: one(["one", "two"]), is: false }],
      [2, { do: "config", ...how, change: { enabled: true } }],
      [10, { do: "kill", at: "verb", after: below(12) }],
      [5, { do: "kill", at: "turn", after: below(60) }],
      [3, { do: "kill", at: "piece", after: below(3) }],
      [isHasty ? 6 : 0, { do: "pass", ms: 90 * MINUTE, renews: true }],
      [isHasty ? 4 : 0, { do: "config", ...how, change: { enabled: false } }],
      [isHasty ? 6 : 0, { do: "again", pick: below(3), life: 30 * HOUR }],
      ...rare.filter((_, index) => !leftOut[index]),
    ];
    let at = float() * table.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, each] of table) {
      at -= weight;
      if (at < 0) return each;
    }
    return { do: "deliver" };
  }

  return { list: Array.from({ length }, command), settings };
}
