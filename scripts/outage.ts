import process from "node:process";
import { CASES } from "../test/support/outage/cases.ts";
import type { OutageReport } from "../test/support/outage/judge.ts";
import { runOutage } from "../test/support/outage/run.ts";
import { newSeed, readOptions } from "./long-run.ts";

// npm run test:outage -- [--rounds 3] [--size 3] [--seed TEXT] [--only TEXT]
// Plays the troubles of an endpoint's app in simulated time, and prints what each costs: the worst of so many rounds. `size`
// times 200 events come to it. `only`: the troubles whose name holds this. Exits 1 and says what is wrong, else 0.

const { rounds, size, seed, only } = readOptions({ rounds: 3, size: 3, seed: newSeed(), only: "" });

const COLUMNS: [head: string, cell: (worst: OutageReport) => string | number][] = [
  ["trouble", ({ name }) => name],
  ["events", ({ events }) => events],
  ["waits spent of 12", ({ spent }) => spent],
  ["attempts", ({ attempts }) => attempts],
  ["probes", ({ probes }) => probes],
  ["all arrived after", ({ recovered }) => (recovered === null ? "never" : `${(recovered / 1_000).toFixed(1)} s`)],
  ["at once", ({ peak }) => peak],
  ["longest attempt", ({ longest }) => `${(longest / 1_000).toFixed(2)} s`],
  ["others waited", ({ others }) => `${others} ms`],
  ["out of order", ({ outOfOrder }) => outOfOrder],
  ["lost", ({ lost }) => lost],
  ["dead", ({ dead }) => dead],
  ["warnings in the log", ({ logged }) => logged],
];

/** The worst of each figure. */
function worstOf(reports: OutageReport[]): OutageReport {
  const most = (pick: (report: OutageReport) => number) => Math.max(...reports.map(pick));
  const recovered = most((report) => report.recovered ?? Number.POSITIVE_INFINITY);
  return {
    name: reports[0]!.name,
    events: most(({ events }) => events),
    spent: most(({ spent }) => spent),
    attempts: most(({ attempts }) => attempts),
    probes: most(({ probes }) => probes),
    recovered: Number.isFinite(recovered) ? recovered : null,
    peak: most(({ peak }) => peak),
    longest: most(({ longest }) => longest),
    others: most(({ others }) => others),
    outOfOrder: most(({ outOfOrder }) => outOfOrder),
    lost: most(({ lost }) => lost),
    dead: most(({ dead }) => dead),
    logged: most(({ logged }) => logged),
    problems: reports.flatMap(({ problems }) => problems),
  };
}

console.log(`outages: ${rounds} rounds, size ${size}, seed ${seed}`);
const line = (cells: (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);
line(COLUMNS.map(([head]) => head));
line(COLUMNS.map((_, at) => (at === 0 ? "---" : "---:")));
const problems: string[] = [];
for (const outage of CASES.filter(({ name }) => name.includes(only))) {
  const reports: OutageReport[] = [];
  for (let round = 1; round <= rounds; round++) {
    const report = await runOutage(outage, { seed: `${seed} ${round}`, size });
    reports.push(report);
    problems.push(...report.problems.map((problem) => `${outage.name}, seed "${seed} ${round}": ${problem}`));
  }
  const worst = worstOf(reports);
  line(COLUMNS.map(([, cell]) => cell(worst)));
}
for (const problem of problems) console.error(`FAILED: ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
