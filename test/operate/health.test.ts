import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import test from "node:test";
import { healthRoutes } from "../../src/operate/health.ts";
import { systemClock } from "../../src/platform/runtime.ts";

const mirror = { enabled: true, minFreeDisk: 0 };

async function ready(targetTrouble?: () => string | null) {
  const store = { trouble: () => null, probe: async () => {} };
  const app = healthRoutes({ store, config: { dataDir: tmpdir(), mirror }, clock: systemClock(), targetTrouble });
  const answer = await app.request("/readyz");
  return { status: answer.status, text: await answer.text() };
}

test("a target that fails degrades readyz, and what exactly is wrong stays in the log", async () => {
  assert.deepEqual(await ready(), { status: 200, text: '{"status":"ready"}' });
  assert.deepEqual(await ready(() => null), { status: 200, text: '{"status":"ready"}' });
  const { status, text } = await ready(() => "target: EACCES /srv/media/v1");
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(text), {
    status: "ready",
    degraded: true,
    reasons: ["the mirror target is down: copies cannot be kept"],
  });
});
