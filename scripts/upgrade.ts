import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Holder, noHolder } from "../test/support/restarts.ts";
import type { LoadReport } from "../test/support/steady-load.ts";
import { runUpgrades, type UpgradeReport } from "../test/support/upgrade.ts";

// npm run test:upgrade -- [--rate 200] [--seconds 60] [--restarts 10] [--holder systemd|own|none]… [--program PATH]
// Restarts the real process under load: over a socket that somebody holds for it, and without one for comparison. Exits 1
// when over a held socket a request was refused or reset, or an acknowledged event is lost.

const HOLDERS: Record<Holder, string> = {
  systemd: "socket held by systemd-socket-activate",
  own: "socket held by a few lines of Perl",
  none: "no socket held: the relay opens its own",
};

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "60" },
    restarts: { type: "string", default: "10" },
    holder: { type: "string", multiple: true, default: ["systemd", "own", "none"] },
    // The packed binary; else this runtime with src/main.ts.
    program: { type: "string" },
  },
});
const [rate, seconds, restarts] = [values.rate, values.seconds, values.restarts].map(Number) as [
  number,
  number,
  number,
];
const holders = values.holder.filter((name): name is Holder => name in HOLDERS);
if (!(rate > 0 && seconds > 0 && restarts >= 0) || holders.length < values.holder.length) {
  console.error("--rate, --seconds and --restarts are numbers; --holder is systemd, own or none");
  process.exit(2);
}
const command = values.program ? [values.program] : [process.execPath, join(import.meta.dirname, "../src/main.ts")];

let failed = false;
for (const holder of holders) {
  console.log(`\n${HOLDERS[holder]}: ${rate} requests a second for ${seconds} s, ${restarts} restarts`);
  const lacking = noHolder(holder);
  if (lacking) {
    console.log(`  left out: ${lacking}`);
    continue;
  }
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-upgrade-"));
  const report = await runUpgrades({ command, holder, dir, rate, seconds, restarts });
  show(report);
  const isWell = isClean(report);
  if (isWell) rmSync(dir, { recursive: true, force: true });
  else console.log(`  what it left behind is in ${dir}`);
  if (holder !== "none" && !isWell) failed = true;
}
console.log(
  failed
    ? "\nFAILED: over a held socket, no request may fail and no event be lost"
    : "\nover a held socket nothing was refused, and nothing is lost",
);
process.exit(failed ? 1 : 0);

function isClean({ loads, lost, codes }: UpgradeReport): boolean {
  const isAnswered = (load: LoadReport) => load.answered === load.sent;
  const isLost = lost.listed.length > 0 || lost.delivered.length > 0;
  return Object.values(loads).every(isAnswered) && !isLost && codes.every((code) => code === 0);
}

function show({ loads, restarts, codes, lost }: UpgradeReport): void {
  console.log("  connections    sent  answered  refused  reset  timed out  other    p50 ms    p99 ms   most ms");
  for (const [name, load] of Object.entries(loads)) {
    const cells = [load.sent, load.answered, load.refused, load.reset, load.timedOut, load.other.length];
    const widths = [7, 9, 8, 6, 10, 6];
    const waits = [0.5, 0.99, 1].map((share) => at(load.waits, share).toFixed(1).padStart(9));
    console.log(
      `  ${name.padEnd(11)} ${cells.map((cell, i) => String(cell).padStart(widths[i]!)).join(" ")} ${waits.join(" ")}`,
    );
    for (const line of load.other.slice(0, 3)) console.log(`    ${line}`);
  }
  const times = restarts.toSorted((a, b) => a - b);
  console.log(
    `  restarts took ${at(times, 0.5).toFixed(0)} ms (median) to ${at(times, 1).toFixed(0)} ms; exit codes: ${[...new Set(codes)].join(", ")}`,
  );
  console.log(
    `  of ${Object.values(loads).reduce((sum, load) => sum + load.answered, 0)} acknowledged events ${lost.listed.length} are not listed, ${lost.delivered.length} were not delivered`,
  );
}

function at(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
