import type { Job } from "../../model/job.ts";
import { LEASE } from "../../model/job.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import { wasCommitted } from "./receipts.ts";
import type { Wire } from "./wire/open.ts";

/** Before it is asked again, in milliseconds. */
const PAUSE = 250;

type Options = { wire: Pick<Wire, "transaction">; clock: Clock; giveBack(job: Job): Promise<unknown> };

/**
 * Claims whose COMMIT was not answered, and could not be asked for as long as their callers waited: no work on them was begun.
 * Where they turn out to be this relay's they are given back at once: their lanes and slots do not wait for the ends of leases.
 */
export function createUnanswered({ wire, clock, giveBack }: Options) {
  const asking = new Set<Promise<void>>();
  let isClosed = false;

  async function ask(token: string, jobs: Job[]): Promise<void> {
    const until = clock.elapsed() + LEASE;
    while (!isClosed && clock.elapsed() < until) {
      try {
        if (await wasCommitted(wire, token, { clock, until: clock.elapsed })) await Promise.all(jobs.map(giveBack));
        return;
      } catch {
        await sleep(PAUSE, clock);
      }
    }
  }

  return {
    /** `token`: of the transaction's receipt. */
    add(token: string, jobs: Job[]): void {
      if (jobs.length === 0) return;
      const asked: Promise<void> = ask(token, jobs).finally(() => asking.delete(asked));
      asking.add(asked);
    },
    async close(): Promise<void> {
      isClosed = true;
      await Promise.all(asking);
    },
  };
}
