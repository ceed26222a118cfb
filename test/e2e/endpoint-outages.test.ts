import assert from "node:assert/strict";
import { test } from "node:test";
import { CASES } from "../support/outage/cases.ts";
import { runOutage } from "../support/outage/run.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:outage`, in simulated time.
const wanted = CASES.filter(({ isLong }) => isWhole || !isLong);

for (const outage of wanted) {
  test(`an app in trouble loses nothing and gets all in order: ${outage.name}`, async (t) => {
    const { problems, ...report } = await runOutage(outage, { seed: "test" });
    t.diagnostic(JSON.stringify(report));
    assert.deepEqual(problems, []);
  });
}
