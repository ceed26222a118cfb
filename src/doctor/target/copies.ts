import { formatCount } from "../../actions/format.ts";
import { type Finding, ok, warning } from "../probe.ts";

/** The newest copies were looked for in their targets. `missing`: the ids of those that are not there, or not whole. */
export type LookedFor = { copies: number; missing: string[] };

/** Whether copies that the database knows are where they should be: after a restore, or on another disk, they may not. */
export function judgeCopies({ copies, missing }: LookedFor): Finding[] {
  if (copies === 0) return [];
  const newest = copies === 1 ? "the newest copy" : `the newest ${copies} copies`;
  if (missing.length === 0) return [ok(`${newest}: there, with the size that was kept`)];
  return [
    warning(
      `of ${newest} ${missing.length === 1 ? "one is" : `${missing.length} are`} not in the target, or not whole: ${formatCount(missing.length, "medium")} like ${missing[0]}`,
      missing.length === copies
        ? "most likely its disk is not mounted, or its folder was moved: see to that first; wochit-relay media verify then looks for all copies"
        : "wochit-relay media verify looks for all, media verify --mend downloads them again",
    ),
  ];
}
