import { errorLine } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { doublingWait, LOCAL_WAITS } from "../../rules/schedule.ts";

/** Why a target is not asked now, and the milliseconds until it may be. */
export type Blocked = { error: string; ms: number };

/**
 * One circuit breaker per target, the present one and former ones: after a failure the target is left alone for a doubling
 * wait, then one job at a time tries it. So a target that does not answer takes no slot from jobs of other targets. Uploads
 * to the present target have a breaker that probes (`upload/target-health.ts`); a former target must not be written to.
 */
export function createTargetBreakers(clock: Pick<Clock, "elapsed">) {
  const open = new Map<string, { error: string; failures: number; until: number; isTried: boolean }>();

  /** Null: the target may be asked. */
  function blocked(target: string): Blocked | null {
    const breaker = open.get(target);
    if (breaker === undefined) return null;
    const ms = breaker.isTried ? LOCAL_WAITS.first : breaker.until - clock.elapsed();
    return ms > 0 ? { error: breaker.error, ms } : null;
  }

  return {
    blocked,

    /** Does work on a target, unless it is blocked, and notes whether it failed. Throws what the work throws. */
    async run<Result>(target: string, work: () => Promise<Result>): Promise<Result | Blocked> {
      const why = blocked(target);
      if (why !== null) return why;
      const breaker = open.get(target);
      if (breaker !== undefined) breaker.isTried = true;
      try {
        const result = await work();
        open.delete(target);
        return result;
      } catch (error) {
        const failures = (open.get(target)?.failures ?? 0) + 1;
        const until = clock.elapsed() + doublingWait(failures, LOCAL_WAITS);
        open.set(target, { error: errorLine(error), failures, until, isTried: false });
        throw error;
      }
    },
  };
}
