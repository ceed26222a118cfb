import { testRandom } from "../../support/ports.ts";
import { type Answer, DAY, HOUR, MINUTE, type Options, type Post, SECOND } from "./model.ts";

/**
 * `pick` counts among what fits, so that a list means the same after it was shortened. `late`: received so long ago. `free`:
 * an endpoint that has a slot for the delivery of what is posted.
 */
export type Command =
  | { do: "post"; type: string; v: string; media?: Post["media"]; late?: number; free?: string }
  | { do: "pass"; ms: number }
  | { do: "back"; ms: number }
  | { do: "wake" }
  | { do: "claim"; e: string; limit?: number }
  | { do: "settle"; pick: number; status: Answer["status"]; retryAfter?: number; abort?: true }
  | { do: "late settle"; pick: number; status: Answer["status"] }
  | { do: "outage"; e: string; status: Answer["status"] }
  | { do: "renew" | "give back"; pick: number }
  | { do: "pause" | "resume" | "remove" | "return"; e: string }
  | { do: "retry" | "cancel" | "cancel running"; pick: number }
  | { do: "replay"; pick: number; e: string; newId?: true }
  | { do: "task"; verb: TaskVerb; e: string; size: number; newId?: true }
  | { do: "batch" | "cancel task"; verb: TaskVerb }
  | { do: "forget"; v: string }
  | { do: "prune"; bodies: number; attempts: number }
  | { do: "restart" | "backup" | "restore" };

type TaskVerb = "retry" | "cancel" | "replay";
const TASK_VERBS: TaskVerb[] = ["retry", "retry", "cancel", "replay"];

export const VIDEOS = ["v", "w", "x"];

const RETRY = [5 * SECOND, 30 * SECOND, 2 * MINUTE];

/** "a" waits for media and keeps order; "b" does neither; "c" keeps order and waits for nothing. */
export const ENDPOINTS: Record<string, Options> = {
  a: {
    ...{ order: "video", maxWait: HOUR, retry: [...RETRY, 10 * MINUTE], laneHold: 2 * MINUTE },
    ...{ coalesce: ["draft.update"], concurrency: 4 },
  },
  b: { order: "none", maxWait: null, retry: RETRY, laneHold: HOUR, coalesce: [], concurrency: 8 },
  c: { order: "video", maxWait: null, retry: RETRY, laneHold: 5 * SECOND, coalesce: ["draft.update"], concurrency: 2 },
};

const STATUSES: Answer["status"][] = [200, 200, 500, 500, 500, 422, 410, 429, "timeout", "connection"];
const TYPES = [
  "draft.update",
  "draft.update",
  "draft.update",
  "video.ready",
  "video.ready",
  "video.delete",
  "draft.delete",
];

/** The commands of a walk; the same for the same seed. Evenly mixed ones hardly ever come far into one thing: each walk leaves some out. */
export function commandsOf(seed: number, length: number): Command[] {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const isOneIn = (n: number) => below(n) === 0;

  const videos = one([["v"], ["v"], ["v", "w"], VIDEOS]);
  const endpoints = one([["a"], ["c"], ["c"], ["a", "b"], ["a", "b", "c"]]);
  const hasMedia = isOneIn(3);
  const isPlain = isOneIn(3);
  const isMended = isOneIn(2);
  const leftOut = Array.from({ length: 20 }, (_, index) => (isPlain ? index > (isMended ? 1 : 0) : isOneIn(2)));
  const posts = one([2, 4, 10]);
  /** What an endpoint answers lasts for a while: so lanes come to their ends. */
  const moods: Answer["status"][][] = [
    ...[[200], [500], [500, 500, 500, 200], [410, 410, 500]],
    ...([["connection"], ["timeout", "timeout", "timeout", 200]] as Answer["status"][][]),
    ...[STATUSES, STATUSES],
  ];
  const mood = one(moods);
  const wakes = one([6, 14]);
  const hasOutages = isOneIn(2);

  function post(): Command {
    const media = hasMedia ? one(["none", "thumbnail", "video"] as const) : "none";
    const late = isOneIn(15) ? one([MINUTE, 2 * HOUR]) : 0;
    const free = isOneIn(3) ? one(endpoints) : "";
    const said = { type: one(TYPES), v: one(videos), ...(media !== "none" && { media }), ...(late && { late }) };
    return { do: "post", ...said, ...(free && { free }) };
  }

  function command(): Command {
    const pick = below(8);
    const e = one(endpoints);
    const status = isOneIn(6) ? one(STATUSES) : one(mood);
    const isRefused = typeof status === "number" && status >= 400;
    const hint = isRefused && isOneIn(5) ? one([SECOND, MINUTE, 3 * HOUR]) : 0;
    const abort = isRefused && isOneIn(20);
    const rare: [number, Command][] = [
      [4, { do: "retry", pick }],
      [3, { do: "cancel", pick }],
      [3, { do: "cancel running", pick }],
      [3, { do: "replay", pick, e, ...(isOneIn(3) && { newId: true }) }],
      [2, { do: "late settle", pick, status }],
      [2, { do: "renew", pick }],
      [1, { do: "pause", e }],
      [1, { do: "remove", e }],
      [1.5, { do: "forget", v: one(videos) }],
      [1.5, { do: "restart" }],
      [1.5, { do: "back", ms: one([SECOND, MINUTE, 2 * HOUR]) }],
      [1, { do: "backup" }],
      [3, { do: "pass", ms: one([SECOND, 31 * SECOND, 5 * MINUTE, 2 * HOUR, 2 * DAY]) }],
      [2, { do: "give back", pick }],
      [2, { do: "task", verb: one(TASK_VERBS), e, size: 1 + below(3), ...(isOneIn(2) && { newId: true }) }],
      [4, { do: "batch", verb: one(TASK_VERBS) }],
      [0.5, { do: "cancel task", verb: one(TASK_VERBS) }],
    ];
    const table: [number, Command][] = [
      [posts, post()],
      [14, { do: "claim", e, ...(isOneIn(3) && { limit: 1 + below(2) }) }],
      [16, { do: "settle", pick, status, ...(hint && { retryAfter: hint }), ...(abort && { abort: true }) }],
      ...(hasOutages ? [[4, { do: "outage", e, status: isOneIn(2) ? "connection" : 500 }] as [number, Command]] : []),
      [wakes, { do: "wake" }],
      [2, { do: "resume", e }],
      [2, { do: "return", e }],
      ...rare.filter((_, index) => !leftOut[index]),
      // A restore costs as much as a hundred others.
      ...(leftOut[11] ? [] : [[0.7, { do: "restore" }] as [number, Command]]),
    ];
    let at = float() * table.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, each] of table) {
      at -= weight;
      if (at < 0) return each;
    }
    return { do: "wake" };
  }

  return withRetention(Array.from({ length }, command), seed);
}

/**
 * Some of the walks prune, now and then, those without what has rules of its own for what has ended: a clock that is set back,
 * tasks, media. The numbers are others than those of the walk, which stays as it is.
 */
function withRetention(list: Command[], seed: number): Command[] {
  const { float } = testRandom(seed + 1_000_000);
  const isOther = (one: Command) =>
    ["back", "task", "batch"].includes(one.do) || (one.do === "post" && one.media !== undefined);
  if (list.some(isOther) || float() < 0.3) return list;
  const age = () => [SECOND, MINUTE, HOUR, DAY][Math.floor(float() * 4)]!;
  return list.flatMap((one): Command[] => {
    if (float() > 0.15) return [one];
    const prune: Command = { do: "prune", bodies: age(), attempts: age() };
    return float() < 0.5 ? [one, prune] : [one, { do: "pass", ms: age() }, prune];
  });
}
