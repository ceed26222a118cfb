import { codeOf, errorLine } from "../errors.ts";

/** What will not get better by asking again: the medium has failed. */
export class NeverMedia extends Error {
  override readonly name = "NeverMedia";
}

/** Trouble of this machine (disk full, target down), which says nothing of the link and must not use up its time. */
export class OwnTrouble extends Error {
  override readonly name = "OwnTrouble";
  /** Whose it is: "spool", "room", "target"… as `ours` was told; null where nobody said. */
  readonly doing: string | null;
  constructor(message: string, { doing = null, cause }: { doing?: string | null; cause?: unknown } = {}) {
    super(message, { cause });
    this.doing = doing;
  }
}

/** A slow download was given up, so that others get their turn: it is tried again, and neither fails nor expires by it. */
export class GaveWay extends Error {
  override readonly name = "GaveWay";
}

/** The host answered, but not with the file. */
export class NotServed extends Error {
  override readonly name = "NotServed";
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** What came is not the media (yet): an error page, half a file, nothing. Worth another try, from the start. */
export class NotMediaYet extends Error {
  override readonly name = "NotMediaYet";
  /** It is media, though not whole: better than nothing where nothing better comes. */
  readonly isRemainder: boolean;
  constructor(message: string, { isRemainder = false } = {}) {
    super(message);
    this.isRemainder = isRemainder;
  }
}

/** Marks what fails in here as trouble of our own. */
export async function ours<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OwnTrouble
      ? error
      : new OwnTrouble(`${doing}: ${errorLine(error)}`, { doing, cause: error });
  }
}

/** Whether a write failed because the disk, or its owner's share of it, is full. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof OwnTrouble && ["ENOSPC", "EDQUOT"].includes(codeOf(error.cause));
}
