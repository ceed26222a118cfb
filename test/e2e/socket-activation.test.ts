import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { type Holder, noHolder } from "../support/restarts.ts";
import { runUpgrades, type UpgradeReport } from "../support/upgrade.ts";
import { isWhole } from "../support/whole.ts";

// The long run, 200 requests a second for a minute and ten restarts, is `npm run test:upgrade`.

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const command = [process.execPath, ...("Deno" in globalThis ? ["run", "-A"] : []), MAIN];

const { seconds, restarts } = isWhole ? { seconds: 3, restarts: 2 } : { seconds: 2, restarts: 1 };

function counts({ loads }: UpgradeReport) {
  return Object.values(loads).map(
    ({ sent, answered, refused, reset, timedOut, other }) =>
      `${answered} of ${sent} answered, ${refused} refused, ${reset} reset, ${timedOut} timed out, other: ${other}`,
  );
}

for (const [holder, name] of [
  ["own", "a supervisor"],
  ["systemd", "systemd-socket-activate"],
] as [Holder, string][]) {
  test(`over a socket that ${name} holds, a restart refuses no request and loses no event`, {
    skip: noHolder(holder),
  }, async (t) => {
    const report = await runUpgrades({ command, holder, dir: tempFolder(t), rate: 100, seconds, restarts });
    const { lost, codes } = report;
    const all = [40, 40, 20].map((rate) => rate * seconds);
    assert.deepEqual(
      counts(report),
      all.map((sent) => `${sent} of ${sent} answered, 0 refused, 0 reset, 0 timed out, other: `),
    );
    assert.deepEqual({ lost, codes }, { lost: { listed: [], delivered: [] }, codes: Array(restarts + 1).fill(0) });
  });
}

test("without one the same load is refused while nobody listens; what was acknowledged is there all the same", async (t) => {
  const report = await runUpgrades({ command, holder: "none", dir: tempFolder(t), rate: 100, seconds: 2, restarts: 1 });
  assert.ok(
    // On a slow machine a load is over when the old one ends; what had connected before that is answered.
    Object.values(report.loads).some(({ refused, reset }) => refused + reset > 0),
    counts(report).join("\n"),
  );
  assert.deepEqual(report.lost, { listed: [], delivered: [] });
});
