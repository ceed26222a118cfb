import { testRandom } from "../../support/ports.ts";
import { DAY, HOUR, MINUTE, type Options, SECOND } from "./model.ts";

/**
 * `video` and `thumb` name files; `life`: of their links, in milliseconds, null where they do not tell; `late`: received so
 * long ago, taken in only now.
 */
export type Posted = {
  type: string;
  v: string;
  video?: string;
  thumb?: string;
  life?: number | null;
  failure?: boolean;
  late?: number;
  context?: string;
  title?: string;
};

/** `pick` counts among what fits, so that a list means the same after it was shortened. */
export type Command =
  | ({ do: "post" } & Posted)
  | { do: "again"; pick: number; life: number | null }
  /** Kept in quarantine, and taken in from there. */
  | ({ do: "refuse" } & Posted)
  | { do: "reprocess"; pick: number }
  | { do: "import"; v: string; context: string }
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
  /** All that is due is downloaded and put. */
  | { do: "mirror" }
  | { do: "delete" }
  | { do: "deliver" }
  | { do: "risks" }
  | { do: "crash" }
  | ({ do: "config" } & Partial<Options>)
  | { do: "retry" | "mend" | "rot"; pick: number }
  | { do: "forget"; v: string }
  /** A copy that is elsewhere than in the present target is put there; then its row turns. */
  | { do: "begin move"; pick: number }
  | { do: "end move"; pick: number; deletes: boolean; dies?: boolean }
  | { do: "end moves" }
  | { do: "drop former" };

export const VIDEOS = ["v", "w"];

const READY = ["video.ready", "video.delete"];
const MANY = [
  ...["video.ready", "video.ready", "video.ready", "video.ready", "video.ready", "video.ready"],
  ...["draft.update", "draft.update", "draft.update", "draft.update", "draft.update", "draft.update"],
  ...["draft.new", "video.delete", "video.delete", "draft.delete", "legacy"],
];

/** What a walk is mostly about: what comes more often than in others, and the types of its events. */
type Mood = {
  types: string[][];
  weights: Partial<Record<Command["do"], number>>;
  /** What it begins with. */
  first?: Command[];
  passes?: number[];
  /** Films that are replaced behind their links, too. */
  edits?: boolean;
};
const EVEN: Mood = {
  types: [MANY, MANY, ["video.ready", "draft.update"], ["draft.update"], READY],
  weights: {},
};
const MOODS: Mood[] = [
  ...[EVEN, EVEN, EVEN],
  // Copies that are deleted, and those that are not after all.
  {
    types: [READY, ["video.ready", "draft.update", "draft.delete"], MANY],
    weights: { mirror: 30, pass: 20, delete: 25 },
    first: [{ do: "config", onDelete: "delete" }],
    passes: [HOUR, 8 * DAY],
  },
  // Copies that get another key, target or file.
  {
    types: [["video.ready"], ["video.ready", "draft.update"]],
    weights: {
      mirror: 15,
      edit: 10,
      mend: 12,
      rot: 3,
      config: 8,
      deliver: 12,
      delete: 10,
      "claim uploads": 15,
      put: 12,
    },
    edits: true,
  },
  // Copies that are moved.
  {
    types: [["video.ready"], ["video.ready", "draft.update"], MANY],
    weights: {
      ...{ mirror: 20, config: 8, deliver: 10, delete: 12, mend: 4, forget: 2 },
      ...{ "begin move": 25, "end move": 25, "end moves": 2, "drop former": 2 },
    },
  },
];
const PASSES = [SECOND, 31 * SECOND, 5 * MINUTE, 2 * HOUR, 25 * HOUR, 8 * DAY];

/** The commands of a walk; the same for the same seed. Evenly mixed ones hardly ever come far into one thing: each walk leaves some out. */
export function commandsOf(seed: number, length: number): Command[] {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const isOneIn = (n: number) => below(n) === 0;

  const mood = one(MOODS);
  const types = one(mood.types);
  const videos = one([["v"], ["v"], VIDEOS]);
  const films = one([["a"], ["a", "b"]]);
  const thumbs = one([["x"], ["x", "y"], ["x", "y", "z"], ["x", "y", "z", "yy", "xx"]]);
  const comesLate = isOneIn(3);
  const weightOf = (weight: number, command: Command) => mood.weights[command.do] ?? weight;
  const hasContexts = isOneIn(3);
  const leftOut = Array.from({ length: 20 }, () => isOneIn(3));
  const posts = one([6, 14]);

  function post(): Posted {
    const type = one(types);
    const isDraft = type.startsWith("draft.");
    const hasLinks = !type.endsWith(".delete");
    return {
      ...{ type, v: one(videos), life: one([null, null, 2 * HOUR, 30 * HOUR]) },
      ...(hasLinks && !isDraft && !isOneIn(4) && { video: one(films) }),
      ...(hasLinks && !isOneIn(3) && { thumb: one(thumbs) }),
      ...(isOneIn(20) && { failure: true }),
      ...(comesLate && isOneIn(6) && { late: one([HOUR, 8 * DAY]) }),
      ...(hasContexts && !isOneIn(3) && { context: one(["A", "A", "B"]) }),
      ...(hasContexts && !isOneIn(3) && { title: one(["t", "u"]) }),
    };
  }

  function command(): Command {
    const pick = below(6);
    const v = one(videos);
    const name = `${v}${one([...films, ...thumbs])}`;
    const target = one(["t1", "t2"]);
    const rare: [number, Command][] = [
      [3, { do: "host", name, is: one(["missing", "missing", "refused"]) }],
      [2, { do: "edit", name: `${v}${one(mood.edits ? films : thumbs)}` }],
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
      [3, { do: "pass", ms: one(mood.passes ?? PASSES) }],
      [2, { do: "settle", pick, isCut: true }],
      [3, { do: "refuse", ...post() }],
      [4, { do: "reprocess", pick }],
      [hasContexts ? 3 : 0, { do: "import", v, context: one(["A", "I"]) }],
      [1, { do: "begin move", pick }],
      [1, { do: "end move", pick, deletes: isOneIn(2), ...(isOneIn(4) && { dies: true }) }],
      [0, { do: "end moves" }],
      [0, { do: "drop former" }],
    ];
    const table: [number, Command][] = [
      [posts, { do: "post", ...post() }],
      [12, { do: "claim" }],
      [14, { do: "settle", pick }],
      [10, { do: "claim uploads" }],
      [10, { do: "put", pick }],
      [4, { do: "mirror" }],
      [5, { do: "delete" }],
      [8, { do: "deliver" }],
      [6, { do: "wake" }],
      [4, { do: "risks" }],
      [3, { do: "host", name, is: "ok" }],
      [2, { do: "disk", isFull: false }],
      [3, { do: "down", target, is: false }],
      [2, { do: "config", mirror: true }],
      ...rare.filter(([, { do: what }], index) => what in mood.weights || !leftOut[index]),
    ];
    let at = float() * table.reduce((sum, [weight, each]) => sum + weightOf(weight, each), 0);
    for (const [weight, each] of table) {
      at -= weightOf(weight, each);
      if (at < 0) return each;
    }
    return { do: "claim" };
  }

  const first = mood.first ?? [];
  return [...first, ...Array.from({ length: length - first.length }, command)];
}
