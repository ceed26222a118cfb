import { testRandom } from "../../support/ports.ts";
import { DAY, HOUR, MINUTE, type Options, SECOND } from "./model.ts";

/** `video` and `thumb` name files; `life`: of their links, in milliseconds, null where they do not tell; `late`: received so long ago. */
export type Posted = {
  type: string;
  v: string;
  video?: string;
  thumb?: string;
  life?: number | null;
  failure?: boolean;
  late?: number;
};

/** `pick` counts among what fits, so that a list means the same after it was shortened. */
export type Command =
  | ({ do: "post" } & Posted)
  | { do: "again"; pick: number; life: number | null }
  | { do: "pass"; ms: number }
  | { do: "wake" }
  | { do: "host"; name: string; is: "ok" | "missing" | "refused" }
  | { do: "edit"; name: string }
  | { do: "disk"; isFull: boolean }
  | { do: "down"; target: string; is: boolean }
  | { do: "claim" }
  | { do: "settle"; pick: number; isCut?: boolean }
  | { do: "claim uploads" }
  | { do: "put"; pick: number; dies?: boolean }
  | { do: "delete" }
  | { do: "deliver" }
  | { do: "risks" }
  | { do: "crash" }
  | ({ do: "config" } & Partial<Options>)
  | { do: "retry" | "mend" | "rot"; pick: number }
  | { do: "forget"; v: string };

const MANY = [
  ...["video.ready", "video.ready", "video.ready", "video.ready", "video.ready", "video.ready"],
  ...["draft.update", "draft.update", "draft.update", "draft.update", "draft.update", "draft.update"],
  ...["draft.new", "video.delete", "video.delete", "draft.delete", "legacy"],
];

/** The commands of a walk; the same for the same seed. Evenly mixed ones hardly ever come far into one thing: each walk leaves some out. */
export function commandsOf(seed: number, length: number): Command[] {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const isOneIn = (n: number) => below(n) === 0;

  const types = one([MANY, MANY, ["video.ready", "draft.update"], ["draft.update"], ["video.ready", "video.delete"]]);
  const videos = one([["v"], ["v"], ["v", "w"]]);
  const films = one([["a"], ["a", "b"]]);
  const thumbs = one([["x"], ["x", "y"], ["x", "y", "z"], ["x", "y", "z", "yy", "xx"]]);
  const comesLate = isOneIn(3);
  const leftOut = Array.from({ length: 20 }, () => isOneIn(3));
  const posts = one([6, 14]);

  function post(): Command {
    const type = one(types);
    const isDraft = type.startsWith("draft.");
    const hasLinks = !type.endsWith(".delete");
    return {
      ...{ do: "post", type, v: one(videos), life: one([null, null, 2 * HOUR, 30 * HOUR]) },
      ...(hasLinks && !isDraft && !isOneIn(4) && { video: one(films) }),
      ...(hasLinks && !isOneIn(3) && { thumb: one(thumbs) }),
      ...(isOneIn(20) && { failure: true }),
      ...(comesLate && isOneIn(6) && { late: one([HOUR, 8 * DAY]) }),
    };
  }

  function command(): Command {
    const pick = below(6);
    const v = one(videos);
    const name = `${v}${one([...films, ...thumbs])}`;
    const target = one(["t1", "t2"]);
    const rare: [number, Command][] = [
      [3, { do: "host", name, is: one(["missing", "missing", "refused"]) }],
      [2, { do: "edit", name: `${v}${one(thumbs)}` }],
      [2, { do: "disk", isFull: true }],
      [3, { do: "down", target, is: true }],
      [2, { do: "crash" }],
      [3, { do: "put", pick, dies: true }],
      [2, { do: "config", target }],
      [2, { do: "config", mirror: false }],
      [3, { do: "config", onDelete: one(["keep", "delete"]) }],
      [2, { do: "retry", pick }],
      [2, { do: "mend", pick }],
      [1, { do: "rot", pick }],
      [1, { do: "forget", v }],
      [4, { do: "again", pick: below(2), life: one([null, 2 * HOUR, 30 * HOUR]) }],
      [3, { do: "pass", ms: one([SECOND, 31 * SECOND, 5 * MINUTE, 2 * HOUR, 25 * HOUR, 8 * DAY]) }],
      [2, { do: "settle", pick, isCut: true }],
    ];
    const table: [number, Command][] = [
      [posts, post()],
      [12, { do: "claim" }],
      [14, { do: "settle", pick }],
      [10, { do: "claim uploads" }],
      [10, { do: "put", pick }],
      [5, { do: "delete" }],
      [8, { do: "deliver" }],
      [6, { do: "wake" }],
      [4, { do: "risks" }],
      [3, { do: "host", name, is: "ok" }],
      [2, { do: "disk", isFull: false }],
      [3, { do: "down", target, is: false }],
      [2, { do: "config", mirror: true }],
      ...rare.filter((_, index) => !leftOut[index]),
    ];
    let at = float() * table.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, each] of table) {
      at -= weight;
      if (at < 0) return each;
    }
    return { do: "claim" };
  }

  return Array.from({ length }, command);
}
