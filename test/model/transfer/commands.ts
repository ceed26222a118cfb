import { testRandom } from "../../support/ports.ts";

/**
 * `relay`: by number; `pick` counts among what fits. A command that does not fit does nothing, so that a list means the same after
 * it was shortened.
 */
export type Command =
  | { do: "pass"; seconds: number }
  | {
      do: "claim download" | "settle download" | "claim upload" | "begin" | "complete" | "settle upload";
      relay: number;
    }
  /** `isSame`: the link gives the same bytes each time. */
  | { do: "fetch"; relay: number; isSame: boolean }
  | { do: "delete" | "settle deletion" | "take over" | "sweep"; relay: number }
  /** `is lost`: for good, with its disk. */
  | { do: "freeze" | "thaw" | "restart" | "is lost"; relay: number }
  /** A call that completes an upload. */
  | { do: "arrive"; pick: number }
  /** `early`: before its deadline. */
  | { do: "link dies"; early: boolean }
  | { do: "replicate" | "failover" | "lose event" | "store again" | "remove" };

type Name = Command["do"];

const WAY: Name[] = ["claim download", "fetch", "settle download", "claim upload", "begin", "complete", "arrive"];
const WORK: Name[] = [...WAY, ...WAY, "settle upload", "settle upload", "delete", "settle deletion", "pass", "pass"];
/** What a walk is mostly about: evenly mixed ones hardly ever come far into one thing. */
const THEMES: Name[][] = [
  ["freeze", "thaw", "take over", "pass"],
  ["freeze", "thaw", "take over", "link dies", "sweep", "pass"],
  ["replicate", "replicate", "failover", "freeze", "thaw"],
  ["lose event", "store again", "store again", "link dies", "sweep"],
  ["remove", "freeze", "thaw", "take over", "pass"],
  ["restart", "restart", "sweep", "link dies"],
  ["is lost", "take over", "pass"],
];
/** A walk that does them at once has nothing left to do. */
const RARE: Name[] = ["remove", "link dies", "lose event", "is lost", "failover"];

type OfRelay = Extract<Command, { relay: number }>["do"];

function on(relay: number) {
  const does = (...names: Exclude<OfRelay, "fetch">[]) => names.map((name): Command => ({ do: name, relay }));
  return {
    does,
    downloads: (isSame = true): Command[] => [
      ...does("claim download"),
      { do: "fetch", relay, isSame },
      ...does("settle download"),
    ],
    puts: (pick = 0): Command[] => [...does("claim upload", "begin", "complete"), { do: "arrive", pick }],
  };
}
const [A, B] = [on(0), on(1)];
const SLEEPS: Command[] = [...A.does("freeze"), { do: "pass", seconds: 121 }, ...B.does("take over")];
const LAPSES: Command[] = [{ do: "pass", seconds: 21 }];
const HANGS: Command[] = [...A.downloads(), ...A.does("claim upload", "begin", "complete"), ...SLEEPS];

/** Lists that lead to what is worth looking at; a walk puts others in between. */
const PATHS: Command[][] = [
  // A call that arrives after another relay has put its own, or after what was put is deleted.
  [...HANGS, ...B.downloads(false), ...B.puts(1), ...B.does("settle upload"), { do: "arrive", pick: 0 }],
  [...HANGS, ...B.does("delete", "settle deletion"), { do: "arrive", pick: 0 }],
  [...HANGS, { do: "remove" }, ...B.does("delete", "settle deletion"), { do: "arrive", pick: 0 }],
  // A place is to be emptied that is used again.
  [...HANGS, ...B.downloads(), ...B.puts(), ...A.does("thaw", "delete"), ...B.does("settle upload")],
  [
    ...[...HANGS, ...B.downloads(), ...B.puts(), ...B.does("freeze"), ...LAPSES],
    ...[...A.does("thaw", "delete"), ...B.does("thaw", "settle upload")],
  ],
  // A key is tried that holds another film, and the relay is gone before it tries the next one.
  [
    ...[...A.downloads(), ...A.puts(), ...A.does("settle upload"), { do: "lose event" } as Command],
    ...[{ do: "store again" } as Command, ...A.downloads(false), ...A.does("claim upload", "begin"), ...SLEEPS],
    ...B.does("delete"),
  ],
  // A file is there, and its link is dead.
  [
    ...[...A.does("claim download"), { do: "fetch", relay: 0, isSame: true } as Command, ...A.does("restart")],
    ...[{ do: "link dies", early: false } as Command, ...A.downloads()],
  ],
  [
    ...[
      ...A.does("claim download"),
      { do: "fetch", relay: 0, isSame: true } as Command,
      ...A.does("freeze"),
      ...LAPSES,
    ],
    ...[{ do: "link dies", early: false } as Command, ...B.downloads(), ...A.does("thaw", "settle download")],
  ],
  [
    ...A.downloads(),
    ...SLEEPS,
    { do: "link dies", early: true },
    ...B.downloads(),
    ...A.does("thaw", "delete", "sweep"),
  ],
];

/** The commands of a walk; the same for the same seed. Most of the time a film goes on at one relay. */
export function commandsOf(seed: number, length: number): Command[] {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const names = [...WORK, ...one(THEMES), ...one(THEMES)];
  const sameness = one([0, 1, 0.5]);
  let relay = below(2);
  let step = 0;

  function command(name: Name): Command {
    switch (name) {
      case "pass":
        return { do: name, seconds: one([1, 9, 21, 121]) };
      case "fetch":
        return { do: name, relay, isSame: float() < sameness };
      case "arrive":
        return { do: name, pick: below(2) };
      case "link dies":
        return { do: name, early: float() < 0.5 };
      case "replicate":
      case "failover":
      case "lose event":
      case "store again":
      case "remove":
        return { do: name };
      default:
        return { do: name, relay };
    }
  }

  function some(): Command {
    if (below(6) === 0) relay = 1 - relay;
    if (below(3) > 0) return command(WAY[step++ % WAY.length]!);
    const name = one(names);
    return command(RARE.includes(name) && below(2) === 0 ? "pass" : name);
  }

  if (below(2) === 0) return Array.from({ length }, some);
  const isTurned = below(2) === 0;
  const turned = (each: Command): Command => (isTurned && "relay" in each ? { ...each, relay: 1 - each.relay } : each);
  const between = () => Array.from({ length: one([0, 0, 0, 0, 1, 3]) }, some);
  const path = one(PATHS).flatMap((each) => [...between(), ...(below(12) === 0 ? [] : [turned(each)])]);
  return [...path, ...Array.from({ length: below(length) }, some)];
}

/** The same command in a form that says less. */
export function plainer(command: Command): Command[] {
  if ("relay" in command && command.relay === 1) return [{ ...command, relay: 0 }];
  return command.do === "arrive" && command.pick > 0 ? [{ ...command, pick: 0 }] : [];
}
