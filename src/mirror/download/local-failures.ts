import type { Ports } from "../../ports.ts";
import type { LocalResource } from "../errors.ts";

/** Milliseconds after which a failure that has not recurred is forgotten: its job is gone. */
const FORGET_AFTER = 15 * 60_000;

/** Log lines of the first failure of a resource, and of its recovery. */
const LINES: Record<LocalResource, { begins: string; ends: string }> = {
  "disk space": {
    begins: "downloads wait for room on the spool's disk",
    ends: "there is room on the spool's disk again",
  },
  spool: { begins: "downloads wait: the spool cannot be used", ends: "the spool can be used again" },
};

/** Local failures that many downloads meet at once: logged when the first meets one and when the last is past it. */
export function createLocalFailures({ clock, log }: Pick<Ports, "clock" | "log">) {
  const failures = new Map<string, { resource: LocalResource; line: string; at: number; times: number }>();

  const has = (resource: LocalResource) => [...failures.values()].some((each) => each.resource === resource);

  function logEnd(resource: LocalResource): void {
    if (!has(resource)) log.info(LINES[resource].ends);
  }

  function remove(by: string): void {
    const failure = failures.get(by);
    if (failures.delete(by)) logEnd(failure!.resource);
  }

  function forgetOld(): void {
    const oldest = clock.elapsed() - FORGET_AFTER;
    for (const [by, { at }] of failures) if (at < oldest) remove(by);
  }

  return {
    has,
    /** Returns how often `by` has failed so in a row. */
    add(resource: LocalResource, by: string, line: string): number {
      forgetOld();
      if (!has(resource)) log.error(LINES[resource].begins, { error: line });
      const before = failures.get(by);
      const times = before?.resource === resource ? before.times + 1 : 1;
      failures.set(by, { resource, line, at: clock.elapsed(), times });
      if (before !== undefined) logEnd(before.resource);
      return times;
    },
    /** `by` has succeeded, or failed for another reason. */
    clear(by: string): void {
      forgetOld();
      remove(by);
    },
    /** One of the failures; null: there is none. */
    line(): string | null {
      forgetOld();
      return failures.values().next().value?.line ?? null;
    },
  };
}

export type LocalFailures = ReturnType<typeof createLocalFailures>;
