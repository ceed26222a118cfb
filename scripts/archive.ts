import process from "node:process";
import { runArchiveKills } from "../test/support/archiving/kill.ts";
import { runWhole } from "../test/support/archiving/whole.ts";
import { newSeed, readOptions, report } from "./long-run.ts";

// npm run test:archive -- [--events 1000000] [--kills 50] [--old 3000] [--seed TEXT]
// A database of that many events is archived, pruned and verified, with the bytes an event takes; a day is restored, and one of its
// events sent again with a valid signature. Then a relay is killed again and again while it archives and prunes `old` events, and it is
// said how many kills came while a file was written, while it was read back, and while events were pruned.
// 0 leaves a part out. Exits 1 and says what failed, else 0.

const { events, kills, old, seed } = readOptions({ events: 1_000_000, kills: 50, old: 3_000, seed: newSeed() });
let failed = 0;

function told(run: { summary: string; problems: string[]; folder: string }): void {
  report(run);
  failed += run.problems.length;
}

if (events > 0) told(await runWhole({ events }, (line) => console.log(`  ${line}`)));
if (kills > 0) told(await runArchiveKills({ kills, events: old, seed }));
process.exit(failed === 0 ? 0 : 1);
