import { parseArgs } from "node:util";
import { runBackupLoad } from "./backup/run.ts";

/**
 * Backups under load: a relay takes events as fast as it can, first alone, then while the database is backed up every second
 * (or as soon as the one before has ended). Every copy is opened, checked, and held against what was acknowledged before it
 * began. Ends with exit code 1 when a copy is not whole, or the 99th percentile more than doubles.
 *
 *   npm run test:backup -- [--seconds 300] [--every 1000] [--connections 32] [--rate N]
 */
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    every: { type: "string", default: "1000" },
    connections: { type: "string", default: "32" },
    rate: { type: "string", default: "0" },
  },
});

const result = await runBackupLoad({
  seconds: Number(values.seconds),
  every: Number(values.every),
  connections: Number(values.connections),
  rate: Number(values.rate) || null,
  say: (line) => console.log(line),
});
process.exit(result.isFine ? 0 : 1);
