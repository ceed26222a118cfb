import type { Clock } from "../../ports.ts";
import { afterReads } from "../runtime.ts";

/** The requests of a listener that wait for its app; `answer` is given in its place. */
export function createWaiting(answer: () => Response) {
  const giveUps = new Set<() => void>();
  return {
    /** The app's answer, unless it is given up before. */
    add(given: Response | Promise<Response>): Response | Promise<Response> {
      if (!(given instanceof Promise)) return given;
      return new Promise((resolve, reject) => {
        const giveUp = () => resolve(answer());
        giveUps.add(giveUp);
        const end =
          <T>(settle: (value: T) => void) =>
          (value: T) => {
            giveUps.delete(giveUp);
            settle(value);
          };
        given.then(end(resolve), end(reject));
      });
    },
    giveUp(): void {
      for (const giveUp of giveUps) giveUp();
    },
  };
}

/**
 * Waits until no connection waits in the kernel any more: those that do when the socket is closed are reset, with what they have
 * sent. Node takes one in each turn of its loop. `taken`: how many it has taken so far; `longest`: how long it waits, in milliseconds.
 */
export async function takeAll(taken: () => number, clock: Clock, longest: number): Promise<void> {
  const until = clock.elapsed() + longest;
  for (let quiet = 0; quiet < 2 && clock.elapsed() < until; ) {
    const before = taken();
    await new Promise<void>(afterReads);
    quiet = taken() === before ? quiet + 1 : 0;
  }
}
