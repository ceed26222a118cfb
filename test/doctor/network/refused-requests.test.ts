import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnose } from "../../support/doctor.ts";
import { openSeeded } from "../../support/seeded.ts";

test("events of allowed senders that the token, the size, the path or the way of sending kept out are a warning with what to do", async (t) => {
  const { store, configPath } = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 } });
  const receivedAt = Date.now();
  const refuse = (reason: "token" | "size" | "path" | "method" | "request", body: string) =>
    store.quarantine({ receivedAt, sourceAddress: "54.81.68.237", reason, body: Buffer.from(body) });
  const before = await diagnose(configPath);
  assert.equal(before("senders.token"), undefined);
  await refuse("token", "{}");
  await refuse("token", "[]");
  for (const reason of ["size", "path", "method", "request"] as const) await refuse(reason, "{}");
  const said = await diagnose(configPath);
  const { state, detail, advice } = said("senders.token");
  assert.deepEqual(
    [state, detail],
    [
      "warning",
      "2 requests of allowed senders were refused within a day for the token in their path, the last of 54.81.68.237",
    ],
  );
  assert.match(advice, /receive\.token.*quarantine reprocess/);
  assert.match(said("senders.size").advice, /receive\.maxBody/);
  assert.match(said("senders.path").advice, /receive\.path.*quarantine reprocess/);
  assert.match(said("senders.method").advice, /redirect/);
  assert.match(said("senders.request").advice, /log/);
});
