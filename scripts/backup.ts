import { runBackupLoad } from "./backup/run.ts";
import { readOptions } from "./long-run.ts";

/**
 * Backups under load: a relay takes events as fast as it can, first alone, then while the database is backed up every second
 * (or as soon as the one before has ended). Every copy is opened, checked, and held against what was acknowledged before it
 * began. Ends with exit code 1 when a copy is not whole, or the 99th percentile more than doubles.
 *
 *   npm run test:backup -- [--seconds 300] [--every 1000] [--connections 32] [--rate N]
 */
const { rate, ...options } = readOptions({ seconds: 30, every: 1_000, connections: 32, rate: 0 });
const result = await runBackupLoad({ ...options, rate: rate || null, say: (line) => console.log(line) });
process.exit(result.isFine ? 0 : 1);
