import { systemClock } from "../../src/platform/runtime.ts";
import type { Ports } from "../../src/ports.ts";
import { testLog } from "./ports.ts";
import { seededRandom } from "./random.ts";

export type RealPorts = Ports & { log: ReturnType<typeof testLog> };

/** Real time, for tests over real sockets; randomness that replays; and a log that is kept to be looked at. */
export function realPorts(seed: string | number = 1): RealPorts {
  return { clock: systemClock(), random: seededRandom(seed), log: testLog() };
}
