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
const RESOURCES = Object.keys(LINES) as LocalResource[];

/** Local failures that many downloads meet at once: logged when the first meets one and when the last is past it. */
export type LocalFailures = {
  /** Returns how often `by` has failed so in a row. */
  add(resource: LocalResource, by: string, line: string): number;
  /** `by` has succeeded, or failed for another reason. */
  clear(by: string): void;
  has(resource: LocalResource): boolean;
  /** One of the failures; null: there is none. */
  line(): string | null;
};

export function createLocalFailures({ clock, log }: Pick<Ports, "clock" | "log">): LocalFailures {
  type Failure = { line: string; at: number; times: number };
  const failures = { "disk space": new Map<string, Failure>(), spool: new Map<string, Failure>() };

  function remove(resource: LocalResource, by: string): void {
    if (failures[resource].delete(by) && failures[resource].size === 0) log.info(LINES[resource].ends);
  }

  function forgetOld(): void {
    const oldest = clock.elapsed() - FORGET_AFTER;
    for (const each of RESOURCES) for (const [by, { at }] of failures[each]) if (at < oldest) remove(each, by);
  }

  return {
    add(resource, by, line) {
      forgetOld();
      const all = failures[resource];
      if (all.size === 0) log.error(LINES[resource].begins, { error: line });
      const times = (all.get(by)?.times ?? 0) + 1;
      all.set(by, { line, at: clock.elapsed(), times });
      for (const other of RESOURCES) if (other !== resource) remove(other, by);
      return times;
    },
    clear(by) {
      forgetOld();
      for (const each of RESOURCES) remove(each, by);
    },
    has: (resource) => failures[resource].size > 0,
    line() {
      forgetOld();
      return RESOURCES.flatMap((each) => [...failures[each].values()])[0]?.line ?? null;
    },
  };
}
