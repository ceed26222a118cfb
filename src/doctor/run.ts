import type { Clock } from "../ports.ts";
import { type Finding, failureOf, inTime, type Probe, type State } from "./probe.ts";

/** Probes that do not disturb each other, with how many of them run at once. A stage starts when the one before has ended. */
export type Stage = { atOnce: number; probes: Probe[] };

/** A line of the report. */
export type Line = { probe: string; state: State; detail: string; advice: string | null };

/**
 * Runs all probes and reports each line as soon as those before it are reported: the order is that of the stages, however long
 * each probe takes. Never rejects: a probe that throws, or exceeds its time limit, has failed. `progress` gets what is under way.
 */
export async function runProbes(
  stages: Stage[],
  options: { clock: Clock; found(line: Line): void; progress(text: string): void },
): Promise<void> {
  const { clock, found, progress } = options;
  const running = new Map<string, string>();
  const show = () => progress([...running].map(([name, how]) => (how === "" ? name : `${name} (${how})`)).join(", "));

  async function runOne(probe: Probe): Promise<Finding[]> {
    const { name, timeout } = probe;
    const showProgress = (how: string) => {
      running.set(name, how);
      show();
    };
    showProgress("");
    try {
      const run = async (signal: AbortSignal) => probe.run(signal, showProgress);
      return [
        await (timeout === null ? run(new AbortController().signal) : inTime({ clock, ms: timeout }, run)),
      ].flat();
    } catch (error) {
      return [failureOf(error)];
    } finally {
      running.delete(name);
      show();
    }
  }

  for (const { probes, atOnce } of stages) {
    const results = probes.map(() => Promise.withResolvers<Finding[]>());
    const queue = probes.entries();
    const work = async () => {
      for (const [at, probe] of queue) results[at]!.resolve(await runOne(probe));
    };
    for (let n = 0; n < atOnce; n++) void work();
    for (const [at, { name }] of probes.entries()) {
      for (const { of, state, detail, advice } of await results[at]!.promise) {
        found({ probe: of === undefined ? name : `${name}.${of}`, state, detail, advice });
      }
    }
  }
}
