import type { Clock } from "../ports.ts";
import { AlreadySaid, type Finding, failureOf, inTime, type Probe, type State } from "./probe.ts";

/** Probes that do not disturb each other, so many of them at once. One stage begins when the one before has ended. */
export type Stage = { atOnce: number; probes: Probe[] };

/** A line of what the doctor found. */
export type Line = { probe: string; state: State; detail: string; advice: string | null };

/**
 * Runs all probes and gives each line as soon as those before it are there: the order is the stages' own, however long each
 * probe takes. Never rejects: a probe that throws, or does not end in time, has failed. `progress` is told what is under way.
 */
export async function runProbes(
  stages: Stage[],
  options: { clock: Clock; signal: AbortSignal; found(line: Line): void; progress(text: string): void },
): Promise<void> {
  const { clock, signal, found, progress } = options;
  const under = new Map<string, string>();
  const tellProgress = () =>
    progress([...under].map(([name, how]) => (how === "" ? name : `${name} (${how})`)).join(", "));

  async function runOne(probe: Probe): Promise<Finding[]> {
    const tell = (how: string) => {
      under.set(probe.name, how);
      tellProgress();
    };
    tell("");
    try {
      const run = (stop: AbortSignal) => probe.run(stop, tell);
      const { patience } = probe;
      const given = await (patience === null ? run(signal) : inTime({ clock, ms: patience, outer: signal }, run));
      return Array.isArray(given) ? given : [given];
    } catch (error) {
      return error instanceof AlreadySaid ? [] : [failureOf(error)];
    } finally {
      under.delete(probe.name);
      tellProgress();
    }
  }

  for (const { probes, atOnce } of stages) {
    const results: (Finding[] | undefined)[] = probes.map(() => undefined);
    let begun = 0;
    let told = 0;
    const work = async () => {
      while (begun < probes.length && !signal.aborted) {
        const at = begun++;
        results[at] = await runOne(probes[at]!);
        for (; results[told] !== undefined; told++) {
          for (const finding of results[told]!) found(lineOf(probes[told]!, finding));
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, probes.length) }, work));
  }
}

function lineOf({ name }: Probe, { of, state, detail, advice }: Finding): Line {
  return { probe: of === undefined ? name : `${name}.${of}`, state, detail, advice };
}
