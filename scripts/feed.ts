import process from "node:process";
import { runFeed } from "../test/support/feed/run.ts";
import { newSeed, readOptions, report } from "./long-run.ts";

// npm run test:feed -- [--events 20000] [--reader-kills 60] [--relay-kills 5] [--seed TEXT] [--quiet]
// Reads the feed of a real relay by three processes that are killed again and again, as the relay is, while 16 writers post.

const {
  quiet,
  "reader-kills": readerKills,
  "relay-kills": relayKills,
  ...options
} = readOptions({ events: 20_000, "reader-kills": 60, "relay-kills": 5, seed: newSeed(), quiet: false });
const run = await runFeed({ ...options, readerKills, relayKills, onStep: (line) => quiet || console.log(line) });
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
