import { codeOf, errorLine } from "../errors.ts";

/** A permanent failure: retrying cannot help, and the medium has failed. */
export class PermanentFailure extends Error {
  override readonly name = "PermanentFailure";
}

/** What fails of this machine. */
export type LocalResource = "spool" | "disk space";

/** A failure of this machine. It says nothing about the link, and uses up none of its attempts. */
export class LocalFailure extends Error {
  override readonly name = "LocalFailure";
  readonly resource: LocalResource;
  constructor(resource: LocalResource, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.resource = resource;
  }
}

/** A slow download was stopped so that another gets its place; it is retried, and neither fails nor expires by this. */
export class Preempted extends Error {
  override readonly name = "Preempted";
}

/** The host answered with a status that gives no file. */
export class HttpStatusError extends Error {
  override readonly name = "HttpStatusError";
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** The body is not the whole medium: an error page, a part of a file, nothing. It is fetched again from the start. */
export class InvalidContent extends Error {
  override readonly name = "InvalidContent";
  /** It is a part of a medium, to be kept where nothing better comes. */
  readonly isPartial: boolean;
  constructor(message: string, { isPartial = false } = {}) {
    super(message);
    this.isPartial = isPartial;
  }
}

/** Turns an error of `work` into a LocalFailure. */
export async function asLocalFailure<Result>(resource: LocalResource, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw localFailure(resource, error);
  }
}

export function localFailure(resource: LocalResource, error: unknown): LocalFailure {
  if (error instanceof LocalFailure) return error;
  return new LocalFailure(resource, `${resource}: ${errorLine(error)}`, { cause: error });
}

/** Whether a write failed because the disk or the user's quota is full. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof LocalFailure && ["ENOSPC", "EDQUOT"].includes(codeOf(error.cause));
}

/** The resource whose failure an error shows. */
export function resourceOf(error: unknown): LocalResource {
  return isNoSpace(error) || (error instanceof LocalFailure && error.resource === "disk space")
    ? "disk space"
    : "spool";
}
