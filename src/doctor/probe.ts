import { formatSpan } from "../actions/format.ts";
import { codeOf, errorLine } from "../errors.ts";
import { within } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";

export type State = "ok" | "warning" | "failed";

/** One line of a probe's result, with what to do about it. `of` is appended to the probe's name, for a probe with several lines. */
export type Finding = { state: State; detail: string; advice: string | null; of?: string };

/** The default time limit of a probe, in milliseconds. */
const TIMEOUT = 10_000;

/** One thing that is examined. An error that `run` throws becomes a failed finding. */
export type Probe = {
  /** Words of a-z and digits with dots between them; ids of endpoints may be among them. */
  name: string;
  /** Milliseconds; null: each step of the probe has its own limit. */
  timeout: number | null;
  /** An empty list: there was nothing to examine. `progress` shows how far it is, in a few words. */
  run(signal: AbortSignal, progress: (how: string) => void): Promise<Finding | Finding[]> | Finding | Finding[];
};

export const probe = (name: string, run: Probe["run"], timeout: number | null = TIMEOUT): Probe => ({
  name,
  timeout,
  run,
});

export const ok = (detail: string): Finding => ({ state: "ok", detail, advice: null });

export const warning = (detail: string, advice: string | null = null): Finding => ({
  state: "warning",
  detail,
  advice,
});

export const failed = (detail: string, advice: string | null = null): Finding => ({ state: "failed", detail, advice });

/** The same finding, about a part. */
export const of = (part: string, finding: Finding): Finding => ({ ...finding, of: part });

/** The advice where this user lacks a permission. */
export const USE_ANOTHER_USER = "run doctor as root, or as the relay's user";

/** The advice where no relay runs. */
export const START = "start it: systemctl start wochit-relay";

export function isDenied(error: unknown): boolean {
  return ["EACCES", "EPERM"].includes(codeOf(error));
}

/** The finding for an error that a probe threw. */
export function failureOf(error: unknown): Finding {
  return failed(errorLine(error), isDenied(error) ? USE_ANOTHER_USER : null);
}

/** The error of a step that exceeded its time limit. */
export class TooLate extends Error {
  override readonly name = "TooLate";
}

/**
 * The result of `work` within a time limit in milliseconds. When the time is over this rejects at once, and the signal of `work` is
 * aborted.
 */
export function inTime<Result>(
  { clock, ms }: { clock: Clock; ms: number },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return within(ms, clock, work, { late: () => new TooLate(`no answer within ${formatSpan(ms)}`) });
}
