import { errorLine } from "../errors.ts";
import { within } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";

export type State = "ok" | "warning" | "failed";

/** What a probe found, in one line, and what to do about it. `of` is added to the probe's name: one probe, several things. */
export type Finding = { state: State; detail: string; advice: string | null; of?: string };

/** Something that is looked at. What `run` throws is a failure, in one line. */
export type Probe = {
  /** Words of a-z and digits with dots between them; ids of endpoints may be among them. */
  name: string;
  /** Milliseconds; null: each of its steps has a limit of its own. */
  patience: number | null;
  /** No finding at all: there was nothing to look at. `tell` says how far it is, in a few words. */
  run(signal: AbortSignal, tell: (progress: string) => void): Promise<Finding | Finding[]>;
};

export function ok(detail: string): Finding {
  return { state: "ok", detail, advice: null };
}

export function warning(detail: string, advice: string | null = null): Finding {
  return { state: "warning", detail, advice };
}

export function failed(detail: string, advice: string | null = null): Finding {
  return { state: "failed", detail, advice };
}

/** What helps whoever may not look. */
export const AS_SOMEBODY_ELSE = "run doctor as root, or as the relay's user";

/** Of what a probe threw, in one line. */
export function failureOf(error: unknown): Finding {
  const { code, path, message = "" } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== "EACCES" && code !== "EPERM") return failed(errorLine(error));
  const what = path ?? /'([^']+)'/.exec(message)?.[1];
  return what === undefined
    ? failed(errorLine(error), AS_SOMEBODY_ELSE)
    : failed(`this user may not look at ${what} (${code})`, AS_SOMEBODY_ELSE);
}

/** The same finding, of a part. */
export function of(part: string, finding: Finding): Finding {
  return { ...finding, of: part };
}

/** Another probe says why: this one has nothing to add. */
export class AlreadySaid extends Error {
  override readonly name = "AlreadySaid";
}

/** Rejects so when a step took too long. */
export class TooLate extends Error {
  override readonly name = "TooLate";
}

/**
 * What `work` gives, within so many milliseconds. Its signal is aborted when the time is over, or `outer` is; then it rejects,
 * whatever becomes of the work, which nobody waits for.
 */
export async function inTime<Result>(
  { clock, ms, outer }: { clock: Clock; ms: number; outer?: AbortSignal },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = () => new TooLate(`no answer within ${tellSpan(ms)}`);
  return within(ms, clock, work, { late, signal: outer });
}

function tellSpan(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}
