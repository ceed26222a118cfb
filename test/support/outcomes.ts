import type { Attempt, DeliveryOutcome } from "../../src/model/delivery.ts";
import type { FailureKind } from "../../src/model/health.ts";

/** What a test says of an outcome beside its answer. `at`: when the attempt began. `spread` is 0.5, no jitter, unless given. */
type More = Partial<Omit<DeliveryOutcome, "attempt" | "failure">> & { at: number; attempt?: Partial<Attempt> };

/** An attempt that was answered with this status. */
export function answered(status: number, more: More): DeliveryOutcome {
  return outcome({ status, error: status < 300 ? null : `HTTP ${status}`, response: Buffer.from("ok") }, null, more);
}

/** An attempt without an answer, for this reason. */
export function unanswered(failure: FailureKind, more: More): DeliveryOutcome {
  return outcome({ status: null, error: `no answer: ${failure}`, response: null }, failure, more);
}

function outcome(
  answer: Pick<Attempt, "status" | "error" | "response">,
  failure: FailureKind | null,
  { at, attempt, ...more }: More,
): DeliveryOutcome {
  const rest = { retryAfter: 0, isLast: false, spread: 0.5, pending: [], ...more };
  const sent = failure === "body" ? { bytes: null, sha256: null } : { bytes: 2, sha256: "ab" };
  return { attempt: { startedAt: at, duration: 3, ...answer, ...sent, ...attempt }, failure, ...rest };
}
