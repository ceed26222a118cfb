import type { Finding, Probe } from "../../src/doctor/probe.ts";

/** What a probe finds, each finding under the probe's whole name. */
export async function findingsOf(probes: Probe[]): Promise<Record<string, Finding[]>> {
  const found: Record<string, Finding[]> = {};
  for (const { name, run } of probes) {
    const given = await run(new AbortController().signal, () => {});
    for (const finding of Array.isArray(given) ? given : [given]) {
      const whole = finding.of === undefined ? name : `${name}.${finding.of}`;
      found[whole] = [...(found[whole] ?? []), finding];
    }
  }
  return found;
}

/** "state: detail", for a look at all of it. */
export function inWords(findings: Finding[] | undefined): string {
  return (findings ?? []).map(({ state, detail }) => `${state}: ${detail}`).join("\n");
}
