import { systemClock } from "../../src/platform/runtime.ts";
import type { Ports } from "../../src/ports.ts";
import { hear } from "./heard.ts";
import { type Fact, testLog } from "./ports.ts";
import { seededRandom } from "./random.ts";

export type RealPorts = Ports & { log: ReturnType<typeof testLog> };

/** Real time, for tests over real sockets; randomness that replays; and a log that is kept to be looked at. */
export function realPorts(seed: string | number = 1): RealPorts {
  const log = testLog();
  hear("a relay of this process", () => log.facts.slice(-20).map(lineOf));
  return { clock: systemClock(), random: seededRandom(seed), log };
}

const lineOf = ({ level, fact, fields }: Fact) =>
  `${level} ${fact} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? String(value) : value))}`;
