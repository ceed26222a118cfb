import process from "node:process";
import { runCutTest } from "../test/support/cluster/cut.ts";
import { runClusterTest } from "../test/support/cluster/run.ts";
import { newSeed, nowAndThen, readOptions, report } from "./long-run.ts";

// npm run test:cluster -- [--seconds 300] [--cut 0] [--relays 4] [--skew 45] [--seed TEXT] [--quiet]
// Kills one of several relays on one PostgreSQL every second and a half, under load, with clocks that are wrong, and judges what
// is left; or with `cut`: kills none, and cuts one off from the database for so many seconds. Exits 1 and says what failed, else 0.

const { quiet, cut, ...options } = readOptions({
  ...{ seconds: 300, cut: 0, relays: 4, skew: 45, seed: newSeed(), quiet: false },
});
const run =
  cut > 0
    ? await runCutTest({ ...options, seconds: cut })
    : await runClusterTest({ ...options, onKill: nowAndThen((line) => quiet || console.log(line)) });
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
