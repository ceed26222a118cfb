import type { Clock } from "../../ports.ts";
import { doublingWait, LOCAL_WAITS } from "../../rules/schedule.ts";

/** Why a target is not asked now, and the milliseconds until it may be. */
export type Blocked = { error: string; ms: number };

/**
 * One circuit breaker per target, the present one and former ones: after a failure the target is left alone for a doubling
 * wait, then one job at a time tries it. So a target that does not answer takes no slot from jobs of other targets. The
 * present target's uploads have a stronger breaker (`upload/target-health.ts`), which probes: a former target is not written to.
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

    /** Call before asking the target; where null comes back, call `succeeded` or `failed` afterwards. */
    begin(target: string): Blocked | null {
      const why = blocked(target);
      const breaker = open.get(target);
      if (why === null && breaker !== undefined) breaker.isTried = true;
      return why;
    },

    succeeded(target: string): void {
      open.delete(target);
    },

    failed(target: string, error: string): void {
      const failures = (open.get(target)?.failures ?? 0) + 1;
      const until = clock.elapsed() + doublingWait(failures, LOCAL_WAITS);
      open.set(target, { error, failures, until, isTried: false });
    },
  };
}
