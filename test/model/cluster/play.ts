import { testRandom } from "../../support/ports.ts";
import type { How } from "./tampered-wire.ts";

/** What is done to relays on a PostgreSQL, and to that. `pick` counts among what fits; what does not fit does nothing. */
export type Play =
  | { do: "post"; relay: number; video: string; is?: "plain" | "repeated"; how?: How }
  /** Two relays get the same at once. */
  | { do: "post twice"; video: string }
  /** The slow COMMIT comes. */
  | { do: "let go" }
  | { do: "claim"; relay: number; how?: "lost" | "fail" }
  | { do: "send"; relay: number; pick: number }
  | { do: "settle"; relay: number; pick: number; how?: "lost" | "fail" }
  | { do: "drop" | "kill" | "start" | "freeze" | "thaw"; relay: number }
  | { do: "forget"; relay: number; video: string }
  | { do: "read"; reader: number; relay: number }
  | { do: "tick"; ms: number }
  | { do: "replicate" | "failover" | "epoch" };

const VIDEOS = ["v", "v", "w"];

const THEMES: Play["do"][][] = [
  ["failover", "replicate", "read", "read"],
  ["claim", "send", "settle", "settle", "tick", "kill", "start"],
  ["claim", "send", "settle", "tick", "freeze", "thaw", "failover", "replicate"],
  ["read", "read", "let go", "epoch"],
  ["kill", "start", "drop", "read", "failover", "replicate"],
  ["forget", "drop", "claim", "send", "settle"],
];

/** The commands of a walk; the same for the same seed. */
export function playOf(seed: number, length: number): Play[] {
  const { float } = testRandom(seed);
  const below = (n: number) => Math.floor(float() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const names: Play["do"][] = ["post", "post", "post", "post twice", "let go", "claim", "send", "settle", "read"];
  names.push(...one(THEMES), ...one(THEMES));

  function command(): Play {
    const name = one(names);
    const [relay, pick, video] = [below(2), below(3), one(VIDEOS)];
    const inDoubt = one([{}, {}, { how: "lost" }, { how: "fail" }] as const);
    switch (name) {
      case "post": {
        const how = one([{}, {}, {}, { how: "lost" }, { how: "fail" }, { how: "slow" }, { how: "slow" }] as const);
        return { do: name, relay, video, ...one([{}, {}, { is: "plain" }, { is: "repeated" }] as const), ...how };
      }
      case "post twice":
        return { do: name, video };
      case "claim":
        return { do: name, relay, ...inDoubt };
      case "send":
        return { do: name, relay, pick };
      case "settle":
        return { do: name, relay, pick, ...inDoubt };
      case "drop":
      case "kill":
      case "start":
      case "freeze":
      case "thaw":
        return { do: name, relay };
      case "forget":
        return { do: name, relay, video };
      case "read":
        return { do: name, reader: below(2), relay };
      case "tick":
        return { do: name, ms: one([1_000, 5_000, 21_000, 26_000]) };
      case "let go":
      case "replicate":
      case "failover":
      case "epoch":
        return { do: name };
    }
  }

  return Array.from({ length }, command);
}
