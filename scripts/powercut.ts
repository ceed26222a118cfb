import process from "node:process";
import { parseArgs } from "node:util";
import { runPowerCut } from "../test/support/disk/powercut.ts";
import { noRecorder } from "../test/support/disk/recorder.ts";

// npm run test:powercut -- [--events 400] [--moments 60] [--seed TEXT]
// Records a relay under load, and judges what a power cut at many moments would leave: once on a good disk, once on one whose
// syncs fail now and then. Needs gcc. Exits 1 and says what is lost or damaged, else 0.

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "400" },
    moments: { type: "string", default: "60" },
    seed: { type: "string", default: Date.now().toString(36) },
  },
});
const [events, moments] = [Number(values.events), Number(values.moments)];
if (noRecorder || ![events, moments].every((number) => Number.isInteger(number) && number > 0)) {
  console.error(noRecorder || "--events and --moments must be whole numbers from 1 on");
  process.exit(2);
}
console.log(`power cut test: ${events} events, ${moments} moments, seed ${values.seed}`);
let failed = false;
for (const failEvery of [null, 100]) {
  const { summary, problems } = await runPowerCut({ events, moments, seed: values.seed, failEvery });
  console.log(`${failEvery === null ? "a good disk" : "syncs that fail"}: ${summary}`);
  for (const problem of problems.slice(0, 20)) console.error(`FAILED: ${problem}`);
  failed ||= problems.length > 0;
}
process.exit(failed ? 1 : 0);
