import { errorLine } from "../errors.ts";

/** What will not get better by asking again: the medium has failed. */
export class NeverMedia extends Error {
  override readonly name = "NeverMedia";
}

/** Trouble of this machine (disk full, target down), which says nothing of the link and must not use up its time. */
export class OwnTrouble extends Error {
  override readonly name = "OwnTrouble";
}

/** Marks what fails in here as trouble of our own. */
export async function ours<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OwnTrouble ? error : new OwnTrouble(`${doing}: ${errorLine(error)}`, { cause: error });
  }
}
