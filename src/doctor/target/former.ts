import { errorLine } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { inTime, of, ok, type Probe, warning } from "../probe.ts";

const PATIENCE = 30_000;

/** A former target. `look` resolves with any answer of it, and rejects where it cannot be reached. */
export type Former = { name: string; look(): Promise<void> };

/** Whether copies in former targets can be reached. */
export function formerProbe({ list, clock }: { list(): Promise<Former[]>; clock: Clock }): Probe {
  return {
    name: "formerTargets",
    timeout: null,
    async run(outer) {
      const findings = await Promise.all(
        (await list()).map(async ({ name, look }, at) => {
          const finding = await inTime({ clock, ms: PATIENCE, outer }, look).then(
            () => ok(`${name} can be reached`),
            (error) =>
              warning(
                `${name}: ${errorLine(error)}`,
                "copies that were kept there are not served: bring it back, or give its keys in mirror.formerTargets",
              ),
          );
          return of(String(at + 1), finding);
        }),
      );
      return findings;
    },
  };
}
