import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** What V8 writes: samples of the stack's top, and the microseconds between them (--cpu-prof). */
type Profile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
};

const SHOWN = 12;

/** The functions that the processor was in for longest, of each thread in a folder of profiles: lines for a person. */
export function showProfiles(dir: string): string {
  const files = readdirSync(dir).filter((name) => name.endsWith(".cpuprofile"));
  return files.map((name) => `${name}\n${showTop(JSON.parse(readFileSync(join(dir, name), "utf8")))}`).join("\n");
}

function showTop({ nodes, samples, timeDeltas }: Profile): string {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const where = url === "" ? "" : ` ${basename(url)}:${lineNumber + 1}`;
      return [id, `${functionName || "(anonymous)"}${where}`];
    }),
  );
  const spent = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const name = names.get(id)!;
    spent.set(name, (spent.get(name) ?? 0) + timeDeltas[at]!);
  }
  const top = [...spent].sort(([, a], [, b]) => b - a).slice(0, SHOWN);
  return top.map(([name, microseconds]) => `  ${(microseconds / 1000).toFixed(0).padStart(7)} ms  ${name}`).join("\n");
}
