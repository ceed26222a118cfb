/** The kind of an error. The program switches on this code and on nothing else. */
export type ErrorCode =
  | "usage" // the command line is wrong
  | "config" // the configuration is wrong
  | "not_found" // it does not exist
  | "conflict" // it exists, but its state forbids this
  | "task_running" // a task of this verb has not ended
  | "count_changed" // more match than were confirmed
  | "body_expired" // the event's body has been pruned
  | "unauthorized" // no token, or a wrong one
  | "forbidden" // this token, or this Host, may not
  | "too_many_requests" // too many wrong tokens came from this address
  | "invalid_json"
  | "invalid_event"
  | "source_not_allowed"
  | "method_not_allowed"
  | "request_timeout"
  | "body_too_large"
  | "headers_too_large"
  | "bad_request"
  | "invalid_query" // a parameter, or a body, of a request to the API is wrong
  | "cursor_expired" // it was given by another life of the store
  | "store_unavailable"
  | "target_unavailable" // the mirror target, or a former one, cannot be reached now
  | "unsupported" // this machine or this build cannot do it
  | "internal";

/** The HTTP status and the exit code of each kind of error. */
export const errorTable: Record<ErrorCode, { status: number; exit: number }> = {
  usage: { status: 400, exit: 2 },
  config: { status: 500, exit: 2 },
  not_found: { status: 404, exit: 1 },
  conflict: { status: 409, exit: 1 },
  task_running: { status: 409, exit: 1 },
  count_changed: { status: 409, exit: 1 },
  body_expired: { status: 410, exit: 1 },
  unauthorized: { status: 401, exit: 1 },
  forbidden: { status: 403, exit: 1 },
  too_many_requests: { status: 429, exit: 1 },
  invalid_json: { status: 400, exit: 1 },
  invalid_event: { status: 400, exit: 1 },
  source_not_allowed: { status: 403, exit: 1 },
  method_not_allowed: { status: 405, exit: 1 },
  request_timeout: { status: 408, exit: 1 },
  body_too_large: { status: 413, exit: 1 },
  headers_too_large: { status: 431, exit: 1 },
  bad_request: { status: 400, exit: 1 },
  invalid_query: { status: 400, exit: 1 },
  cursor_expired: { status: 410, exit: 1 },
  store_unavailable: { status: 503, exit: 1 },
  target_unavailable: { status: 503, exit: 1 },
  unsupported: { status: 500, exit: 1 },
  internal: { status: 500, exit: 1 },
};

/** An error for people: one line with what happened, where, and what to do. */
export class RelayError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "RelayError";
    this.code = code;
  }
}

/** Aborts the work on a job that another claim has, or that was canceled. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/** The code of an error of the system or the database's driver; "" where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

/** One line for any thrown value: the message and, for system errors, the code. Never a stack. */
export function errorLine(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorLine(error.errors[0]);
  if (!(error instanceof Error)) return String(error).split("\n", 1)[0] ?? "unknown error";
  const code = (error as { code?: unknown }).code;
  const line = error.message.split("\n", 1)[0] || error.name;
  return !(error instanceof RelayError) && typeof code === "string" && !line.includes(code)
    ? `${line} (${code})`
    : line;
}
