import { testRandom } from "../../support/ports.ts";

/** What a post says; what is undefined is left out of it. `spell`: the same members, written otherwise. */
export type Written = {
  v: string;
  /** "legacy": no type. */
  type: unknown;
  context?: unknown;
  title?: unknown;
  duration?: number;
  /** Which file its links lead to. */
  file?: string;
  failure?: string;
  /** What its links are signed with. */
  signed: number;
  spell?: "turned" | "twice" | "escaped" | "marked";
};

/** `pick` counts back from the newest, so that a list means the same after it was shortened. */
export type Command =
  | { do: "post"; post: Written }
  | { do: "again"; pick: number; signed: number; spell?: Written["spell"] }
  | { do: "burst"; pick: number; many: number }
  | { do: "pass"; ms: number }
  | { do: "import"; v: string; context: string; override?: true }
  | { do: "forget"; v: string }
  | { do: "refuse"; pick: number; signed: number }
  | { do: "reprocess"; pick: number }
  | { do: "replay"; pick: number }
  | { do: "restart" };

export const VIDEOS = ["v1", "v2", "v3"];

/** Some come more often than others. */
const TYPES: unknown[] = [
  ...["video.ready", "video.ready", "legacy", "legacy", "video.delete", "draft.new", "draft.update", "draft.update"],
  ...["draft.exit", "draft.delete", "draft.delete", "video.odd", null, 7],
];

/** What a walk is mostly about: evenly mixed ones hardly ever come far into one thing. */
const MOODS: {
  videos: string[];
  types: unknown[];
  weights: Partial<Record<Command["do"], number>>;
  passes?: number[];
}[] = [
  {
    videos: ["v1", "v1", "v1", "v2", "v3"],
    types: TYPES,
    weights: {
      post: 42,
      again: 18,
      burst: 4,
      pass: 12,
      import: 7,
      forget: 3,
      refuse: 5,
      reprocess: 5,
      replay: 3,
      restart: 2,
    },
  },
  {
    videos: ["v1"],
    types: ["video.ready", "video.delete", "draft.update", "draft.update"],
    weights: { post: 22, again: 28, refuse: 15, reprocess: 20, pass: 15 },
    passes: [1, 1000],
  },
  {
    videos: ["v1"],
    types: ["draft.new", "draft.update", "draft.exit", "draft.delete", "video.ready", "video.odd"],
    weights: { post: 45, again: 25, pass: 15, import: 8, refuse: 3, reprocess: 3, replay: 1 },
  },
  {
    videos: ["v1", "v2"],
    types: TYPES,
    weights: { post: 30, again: 20, pass: 10, import: 8, forget: 12, refuse: 8, reprocess: 8, restart: 4 },
  },
];
const MINUTE = 60_000;
const PASSES = [0, 1, 1000, MINUTE, 10 * MINUTE - 1, 10 * MINUTE, 10 * MINUTE + 1, 60 * MINUTE];
const BACK = [1, 1000, 10 * MINUTE, 10 * MINUTE + 1, 120 * MINUTE];

/** The commands of a walk; the same for the same seed. */
export function commandsOf(seed: number, length: number): Command[] {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  let signed = 0;

  function post(v: string, type: unknown): Written {
    const made: Written = { v, type, signed: signed++ };
    // The provider's draft.delete says nothing but its id.
    if (type !== "draft.delete" || float() < 0.05) {
      made.context = one(["A", "A", "A", "B", "C", undefined, "", null, 42]);
      made.title = one(["t", "t", "u", undefined, "", null]);
    }
    const text = String(type);
    if (float() < 0.5 && /ready|legacy|new|update/.test(text)) made.file = one(["f", "f", "g"]);
    if (float() < 0.4 && /ready|legacy/.test(text)) made.duration = one([35.9, 12, -1, 0]);
    if (float() < 0.12) made.failure = one(["no", "no", ""]);
    if (float() < 0.15) made.spell = one(["turned", "twice", "escaped", "marked"] as const);
    return made;
  }

  const { videos, types, weights, passes = PASSES } = one(MOODS);
  const all = Object.entries(weights) as [Command["do"], number][];
  const sum = all.reduce((total, [, weight]) => total + weight, 0);

  function kind(): Command["do"] {
    let at = float() * sum;
    for (const [name, weight] of all) {
      at -= weight;
      if (at < 0) return name;
    }
    return "post";
  }

  function command(): Command {
    const v = one(videos);
    switch (kind()) {
      case "again":
        return {
          do: "again",
          pick: below(5),
          signed: signed++,
          spell: one([undefined, undefined, "turned", "escaped"]),
        };
      case "burst":
        return { do: "burst", pick: below(3), many: 2 + below(3) };
      case "pass":
        return { do: "pass", ms: float() < 0.85 ? one(passes) : -one(BACK) };
      case "import":
        return { do: "import", v, context: one(["A", "B", "I"]), ...(float() < 0.3 && { override: true }) };
      case "forget":
        return { do: "forget", v };
      case "refuse":
        return { do: "refuse", pick: below(5), signed: signed++ };
      case "reprocess":
        return { do: "reprocess", pick: below(3) };
      case "replay":
        return { do: "replay", pick: below(4) };
      case "restart":
        return { do: "restart" };
      default:
        return { do: "post", post: post(v, one(types)) };
    }
  }

  return Array.from({ length }, command);
}

/** The text of a post. */
export function write({ v, type, context, title, duration, file, failure, signed, spell }: Written): string {
  const link = (ext: string) =>
    `https://m.example/${v}${file}.${ext}?w=1&X-Amz-Date=20260101T000000Z&X-Amz-Expires=86400&X-Amz-Signature=${signed}`;
  const isDraft = typeof type === "string" && type.startsWith("draft.");
  const members = {
    wochitVideoId: v,
    ...(type === "legacy" ? {} : { type }),
    ...(context === undefined ? {} : { videoContext: context }),
    ...(title === undefined ? {} : { title }),
    ...(duration === undefined ? {} : { videoDuration: duration }),
    ...(file === undefined ? {} : { ...(isDraft ? {} : { videoUrl: link("mp4") }), thumbnailUrl: link("jpg") }),
    ...(failure === undefined ? {} : { errorMessage: failure }),
  };
  const text = JSON.stringify(members);
  switch (spell) {
    case "turned":
      return JSON.stringify(Object.fromEntries(Object.entries(members).reverse()), null, 2);
    case "twice": // Of two members of one name the last counts.
      return `{"wochitVideoId":"ghost","title":"ghost",${text.slice(1, -1)}${title === undefined ? ',"title":null' : ""}}`;
    case "escaped":
      return text.replace('"videoContext"', '"\\u0076ideoContext"').replace(`"${v}"`, `"\\u0076${v.slice(1)}"`);
    case "marked":
      return `\ufeff${text}`;
    default:
      return text;
  }
}

/** The forms of a command that say less. */
export function plainer(command: Command): Command[] {
  if (command.do !== "post") return [];
  const names = ["spell", "file", "duration", "failure", "title", "context"] as const;
  return names
    .filter((name) => command.post[name] !== undefined)
    .map((name) => ({ ...command, post: { ...command.post, [name]: undefined } }));
}
