import { errorLine } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { type Finding, inTime, of, ok, warning } from "../probe.ts";

const PATIENCE = 30_000;

/** A former target. `look` resolves with any answer of it, and rejects where it cannot be reached. */
export type Former = { name: string; look(): Promise<void> };

/** Whether copies in former targets can be reached. */
export async function judgeFormer(former: Former[], clock: Clock): Promise<Finding[]> {
  const advice = "copies that were kept there are not served: bring it back, or give its keys in mirror.formerTargets";
  const judged = former.map(({ name, look }) =>
    inTime({ clock, ms: PATIENCE }, look).then(
      () => ok(`${name} can be reached`),
      (error) => warning(`${name}: ${errorLine(error)}`, advice),
    ),
  );
  return (await Promise.all(judged)).map((finding, at) => of(String(at + 1), finding));
}
