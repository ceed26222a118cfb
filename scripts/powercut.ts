import process from "node:process";
import { runPowerCut } from "../test/support/disk/powercut.ts";
import { noRecorder } from "../test/support/disk/recorder.ts";
import { newSeed, readOptions, report } from "./long-run.ts";

// npm run test:powercut -- [--events 400] [--moments 60] [--seed TEXT]
// Records a relay under load, and judges what a power cut at many moments would leave: once on a good disk, once on one whose
// syncs fail now and then. Needs gcc. Exits 1 and says what is lost or damaged, else 0.

const options = readOptions({ events: 400, moments: 60, seed: newSeed() });
if (noRecorder) {
  console.error(noRecorder);
  process.exit(2);
}
console.log(`power cut test: ${options.events} events, ${options.moments} moments, seed ${options.seed}`);
let failed = false;
for (const failEvery of [null, 100]) {
  const { summary, problems } = await runPowerCut({ ...options, failEvery });
  report({ summary: `${failEvery === null ? "a good disk" : "syncs that fail"}: ${summary}`, problems });
  failed ||= problems.length > 0;
}
process.exit(failed ? 1 : 0);
