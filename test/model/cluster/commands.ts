import { testRandom } from "../../support/ports.ts";
import type { Place } from "./model.ts";

/**
 * `relay`: by number; `c`: which of its two connections; `pick` counts among what fits. A command that does not fit does
 * nothing, so that a list means the same after it was shortened.
 */
export type Command =
  | { do: "setup"; relays: number; isSynchronous: boolean; limit: number }
  /** `plain`: nothing of it tells whether it comes again; `repeated`: it says what the last of its video did. */
  | { do: "post"; relay: number; video: string; c?: Place; is?: "plain" | "repeated" }
  /** `fail`: it is rolled back; `lost`: its answer is; `warn`: it did not wait for the standby. */
  | { do: "commit"; pick: number; how: "ok" | "lost" | "fail" | "warn" }
  | { do: "retry"; relay: number; pick: number; c?: Place }
  | { do: "look" | "drop" | "recover"; relay: number; c?: Place }
  | { do: "connect"; relay: number; c?: Place; server?: number }
  | { do: "claim"; relay: number; c?: Place; how?: "late" | "lost" | "warn" }
  | { do: "arrive" | "kill" | "freeze" | "thaw" | "migrate" | "replay"; relay: number }
  | { do: "send"; relay: number; pick?: number }
  | { do: "settle"; relay: number; pick?: number; c?: Place; how?: "lost" | "warn" }
  | { do: "start"; relay: number; version: number }
  | { do: "forget"; relay: number; video: string }
  | { do: "read"; reader: number; relay: number; c?: Place }
  | { do: "tick"; n: number }
  | { do: "replicate"; n: number }
  | { do: "link"; on: boolean }
  | { do: "failover"; zombie?: true; skew?: number }
  | { do: "restore"; back: number; how: "point" | "snapshot" | "dump" }
  | { do: "end old" | "crash" | "epoch" };

type Name = Exclude<Command["do"], "setup">;

const CORE: Name[] = ["post", "post", "commit", "commit", "commit", "connect", "look", "retry", "tick", "replicate"];
const LANES: Name[] = ["claim", "send", "settle"];
/** What a walk is mostly about: evenly mixed ones hardly ever come far into one thing. */
const THEMES: Name[][] = [
  ["failover", "drop", "link", ...LANES],
  ["failover", "freeze", "thaw", "recover", "arrive", ...LANES],
  ["failover", "read", "link", "crash", "end old", "epoch"],
  ["failover", "kill", "start", "freeze", "thaw", "read"],
  ["restore", "read", ...LANES],
  ["recover", "arrive", "kill", "start", "drop", ...LANES],
  ["forget", "drop", "crash", "failover", "link"],
  ["migrate", "kill", "start", "freeze", "thaw", "failover"],
  ["failover", "replay", "kill", "start"],
];
const RARE: Name[] = ["failover", "kill", "restore", "crash", "freeze", "epoch", "forget", "migrate", "drop"];

const on = (relay: number) => {
  const post: Command = { do: "post", relay, video: "v" };
  return {
    stores: [post, { do: "commit", pick: 0, how: "ok" }] as Command[],
    connects: [
      { do: "connect", relay },
      { do: "connect", relay, c: 1 },
    ] as Command[],
    delivers: [
      { do: "claim", relay },
      { do: "send", relay },
      { do: "settle", relay },
    ] as Command[],
    looks: { do: "look", relay } as Command,
    reads: { do: "read", reader: 0, relay } as Command,
    claims: { do: "claim", relay } as Command,
    sends: { do: "send", relay } as Command,
  };
};
const [A, B] = [on(0), on(1)];
const FAILOVER: Command = { do: "failover" };
const REPLICATED: Command = { do: "replicate", n: 99 };
/** Longer than claims are held back in a new epoch. */
const LATER: Command[] = [
  { do: "tick", n: 9 },
  { do: "tick", n: 2 },
];
const OK: Command = { do: "commit", pick: 0, how: "ok" };
const moment = (n: number): Command => ({ do: "tick", n });

/** Lists that lead to what is worth looking at; a walk puts others in between. */
const PATHS: { isSynchronous?: true; list: Command[] }[] = [
  // The ring, and events that come before it has looked.
  {
    list: [
      ...[...A.stores, FAILOVER, ...B.connects, ...B.stores, ...A.connects, A.looks, B.looks],
      ...[...LATER, ...B.delivers, ...B.delivers],
    ],
  },
  // A clock ahead, and then a right one.
  {
    list: [
      ...[{ ...FAILOVER, skew: 20 }, ...A.connects, ...B.connects, REPLICATED, ...LATER],
      ...[...A.stores, ...A.delivers, ...A.stores, ...A.delivers],
      ...[FAILOVER, ...B.connects, ...B.stores, ...A.connects, ...LATER, ...B.delivers],
    ] as Command[],
  },
  // Sequences.
  {
    list: [
      ...[...A.stores, ...A.delivers, ...A.stores, ...A.delivers],
      ...[FAILOVER, ...B.connects, ...B.stores, ...A.connects, A.looks, ...LATER, ...B.delivers, ...B.delivers],
    ],
  },
  // Claims at a primary that another has taken over from.
  {
    list: [
      ...[...A.stores, REPLICATED, { do: "failover", zombie: true }, { do: "drop", relay: 1 }],
      ...[{ do: "drop", relay: 1, c: 1 }, ...B.connects, moment(2), A.claims, moment(4), moment(2)],
      ...[B.claims, B.sends],
    ] as Command[],
  },
  // Claims that went back with the database.
  {
    list: [
      ...[...A.stores, REPLICATED, A.claims, FAILOVER, ...B.connects, ...A.connects, B.claims, B.sends, A.sends],
      ...[...LATER, B.claims, B.sends],
    ],
  },
  // Pages of two servers.
  {
    list: [
      ...[...A.stores, B.reads, ...B.stores, B.reads, { do: "failover", zombie: true }, { do: "drop", relay: 1, c: 1 }],
      ...[{ do: "connect", relay: 1, c: 1 }, B.reads, B.reads, ...B.stores, A.reads, B.reads, B.reads],
    ] as Command[],
  },
  // Programs of two releases.
  {
    list: [
      ...[{ do: "kill", relay: 0 }, { do: "start", relay: 0, version: 2 }, ...A.connects],
      ...[{ do: "freeze", relay: 1 }, ...LATER, { do: "migrate", relay: 0 }, { do: "thaw", relay: 1 }, ...B.stores],
    ] as Command[],
  },
  // What was seen without the standby.
  {
    isSynchronous: true,
    list: [
      ...[A.stores[0], { do: "post", relay: 1, video: "w" }, { do: "link", on: false }],
      ...[{ do: "commit", pick: 0, how: "warn" }, B.reads, moment(3), FAILOVER, ...B.connects, ...B.stores, B.reads],
      ...[...A.connects, A.looks, B.looks, { do: "retry", relay: 0, pick: 0 }, OK],
    ] as Command[],
  },
  // Asleep while another server took over.
  {
    list: [
      ...[...A.stores, ...LATER, { do: "freeze", relay: 0 }, moment(4), FAILOVER, ...B.connects, ...B.stores],
      ...[...LATER, { do: "thaw", relay: 0 }, ...A.connects, A.looks, ...B.delivers, ...B.delivers],
    ] as Command[],
  },
  // A claim whose answer is late.
  {
    list: [
      ...[...A.stores, { do: "claim", relay: 0, how: "late" }, { do: "recover", relay: 0 }, B.claims],
      ...[{ do: "arrive", relay: 0 }, A.sends, B.sends],
    ] as Command[],
  },
  // An answer that comes after its lease.
  {
    list: [
      ...[...A.stores, A.claims, A.sends, ...LATER, B.claims, { do: "settle", relay: 0 }, B.sends],
      { do: "settle", relay: 1 },
    ] as Command[],
  },
  // An epoch that begins among what is under way.
  {
    list: [
      ...[{ do: "post", relay: 0, video: "w" }, { do: "epoch" }, OK, B.reads, ...A.stores, moment(4), { do: "epoch" }],
      ...[B.reads, B.reads],
    ] as Command[],
  },
];

/** The commands of a walk; the same for the same seed. `length`: of one that follows no path. */
export function commandsOf(seed: number, length: number): Command[] {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const isOneIn = (n: number) => below(n) === 0;

  const relays = one([2, 2, 3]);
  const names = [...CORE, ...one([...THEMES, THEMES.flat()]), ...one([...THEMES, THEMES.flat()])];

  function command(name: Name): Command {
    const relay = below(relays);
    const c = isOneIn(5) ? { c: 1 as const } : {};
    const pick = below(3);
    switch (name) {
      case "post":
        return { do: name, relay, video: one(["v", "v", "w"]), ...c, ...one([{}, {}, { is: "plain" }, REPEATED]) };
      case "commit":
        return { do: name, pick, how: one(["ok", "ok", "ok", "lost", "fail", "warn"]) };
      case "retry":
        return { do: name, relay, pick, ...c };
      case "look":
      case "drop":
      case "recover":
        return { do: name, relay, ...c };
      case "connect":
        return { do: name, relay, ...c, ...(isOneIn(3) && { server: below(3) }) };
      case "claim":
        return { do: name, relay, ...c, ...one([{}, {}, {}, ...(["late", "lost", "warn"] as const).map(by)]) };
      case "arrive":
      case "kill":
      case "freeze":
      case "thaw":
      case "migrate":
      case "replay":
        return { do: name, relay };
      case "send":
        return { do: name, relay, pick };
      case "settle":
        return { do: name, relay, pick, ...c, ...one([{}, {}, ...(["lost", "warn"] as const).map(by)]) };
      case "start":
        return { do: name, relay, version: one([1, 2, 2]) };
      case "forget":
        return { do: name, relay, video: "v" };
      case "read":
        return { do: name, reader: below(2), relay, ...c };
      case "tick":
        return { do: name, n: one([1, 1, 2, 4, 9, 15]) };
      case "replicate":
        return { do: name, n: one([1, 2, 99]) };
      case "link":
        return { do: name, on: isOneIn(2) };
      case "failover":
        return { do: name, ...one([{}, {}, { zombie: true as const }]), ...one([{}, {}, ...[-2, 9, 20].map(skewed)]) };
      case "restore":
        return { do: name, back: one([1, 2, 5]), how: one(["point", "snapshot", "dump"]) };
      case "end old":
      case "crash":
      case "epoch":
        return { do: name };
    }
  }

  function some(): Command[] {
    const name = one(names);
    return RARE.includes(name) && isOneIn(2) ? [] : [command(name)];
  }

  const path = isOneIn(2) ? one(PATHS) : null;
  const isSynchronous = path === null ? float() < 0.35 : (path.isSynchronous ?? false);
  const setup: Command = { do: "setup", relays, isSynchronous, limit: one([1, 9]) };
  if (path === null) return [setup, ...Array.from({ length: length + below(2 * length) }, some).flat()];
  const isTurned = isOneIn(3);
  const hasGaps = isOneIn(3);
  const turned = (each: Command): Command =>
    isTurned && "relay" in each && each.relay < 2 ? { ...each, relay: 1 - each.relay } : each;
  const between = () => Array.from({ length: one([0, 0, 0, 0, 1, 1, 3]) }, some).flat();
  return [setup, ...path.list.flatMap((each) => [...between(), ...(hasGaps && isOneIn(10) ? [] : [turned(each)])])];
}

const REPEATED = { is: "repeated" } as const;
const by = <How>(how: How) => ({ how });
const skewed = (skew: number) => ({ skew });

/** The same command in a form that says less. */
export function plainer(command: Command): Command[] {
  const how = command.do === "commit" ? "ok" : command.do === "restore" ? command.how : undefined;
  const plain = { relay: 0, pick: 0, how, c: undefined, is: undefined, skew: undefined, zombie: undefined };
  return Object.entries(plain).flatMap(([name, value]) => {
    if (!(name in command) || command[name as keyof Command] === (value as unknown)) return [];
    return [JSON.parse(JSON.stringify({ ...command, [name]: value })) as Command];
  });
}
