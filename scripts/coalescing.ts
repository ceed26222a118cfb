import process from "node:process";
import { runCoalescing } from "../test/support/coalescing/run.ts";
import { readOptions, report } from "./long-run.ts";

// npm run test:coalescing -- [--events 10000] [--videos 50] [--posted 1000] [--rate 20]
// Posts autosaves, so many a second, to a real relay whose endpoint takes `rate` requests a second and has them coalesced.

const run = await runCoalescing(readOptions({ events: 10_000, videos: 50, posted: 1_000, rate: 20 }));
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
