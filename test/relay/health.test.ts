import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { systemClock } from "../../src/platform/runtime.ts";
import { healthRoutes } from "../../src/relay/health.ts";

type Options = Partial<Parameters<typeof healthRoutes>[0]> & {
  minFreeDisk?: number;
  enabled?: boolean;
  dataDir?: string;
};

async function ready({ minFreeDisk = 0, enabled = true, dataDir = tmpdir(), ...more }: Options = {}) {
  const store = { trouble: () => null, probe: async () => {} };
  const config = { dataDir, mirror: { enabled, minFreeDisk } };
  const answer = await healthRoutes({ store, config, clock: systemClock(), ...more }).request("/readyz");
  assert.equal(answer.status, 200);
  return answer.json();
}

const degraded = (...reasons: string[]) => ({ status: "ready", degraded: true, reasons });
const LOW = "free disk space is below mirror.minFreeDisk";
const TARGET = "the mirror target is down: copies cannot be kept";
const SPOOL = "the spool cannot be used: media are not downloaded";

test("trouble with copies degrades readyz, and what exactly is wrong stays in the log", async () => {
  assert.deepEqual(await ready(), { status: "ready" });
  assert.deepEqual(await ready({ targetTrouble: () => null, spoolTrouble: () => null }), { status: "ready" });
  assert.deepEqual(await ready({ targetTrouble: () => "EACCES /srv/media/v1" }), degraded(TARGET));
  assert.deepEqual(await ready({ spoolTrouble: () => "EROFS /var/lib/spool" }), degraded(SPOOL));
  const all = { minFreeDisk: 2 ** 60, targetTrouble: () => "x", spoolTrouble: () => "y" };
  assert.deepEqual(await ready(all), degraded(LOW, TARGET, SPOOL));
  const off = await ready({ ...all, enabled: false });
  assert.deepEqual(off, degraded(TARGET), "nothing is downloaded, and what was is still to be kept");
});

test("a disk that tells nothing is a trouble, too", async () => {
  assert.deepEqual(await ready({ dataDir: join(tmpdir(), "none", "x") }), degraded("free disk space cannot be read"));
});
