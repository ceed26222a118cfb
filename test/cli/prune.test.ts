import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openStore } from "../../src/store/open.ts";
import { endpoint } from "../support/config.ts";
import { realPorts } from "../support/real-ports.ts";
import { openSeeded, type Seeded } from "../support/seeded.ts";
import { callCli, callJson } from "../support/spawn.ts";

const INPUT = { endpoints: [endpoint("app")], retention: { bodies: "0s", attempts: "0s" } };

const on = ({ configPath }: Seeded) => ({
  run: (line: string) => callCli([...line.split(" "), "--config", configPath]),
  json: (line: string) => callJson([...line.split(" "), "--config", configPath]).then(([one]) => one),
});

/** Events with large bodies, all of them delivered. */
async function seed({ take, deliver }: Seeded, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let nth = 0; nth < count; nth++)
    ids.push(
      await take({ type: "draft.update", wochitVideoId: `v${nth % 3}`, videoContext: "c", pad: "x".repeat(2_000) }),
    );
  for (let done = -1; done !== 0; ) done = await deliver("app", "delivered");
  return ids;
}

test("a dry run says what would go, and how much; then it goes, beside the relay", async (t) => {
  const seeded = await openSeeded(t, INPUT);
  const { run, json } = on(seeded);
  const ids = await seed(seeded, 9);
  const waiting = await seeded.take({ type: "video.delete", wochitVideoId: "other" });
  const dry = await json("prune --dry-run");
  assert.equal(dry.dryRun, true);
  // Of each video the first and the last that say the context stay.
  assert.deepEqual([dry.bodies.rows, dry.autosaves.rows, dry.attempts.rows], [6, 3, 9]);
  assert.ok(dry.bodies.bytes > 12_000 && dry.database.bytes > 0);
  const said = await run("prune --dry-run");
  assert.equal(said.code, 0);
  assert.match(said.stdout, /^WHAT +ROWS +CONTENT\nbodies of events +6 +\d+\.\d KiB\nautosaves, whole +3 /);
  assert.match(said.stdout, /nothing was pruned\n$/);
  assert.equal((await seeded.store.events({ limit: 99 })).length, 10);

  const { returned, database, compacted, isWhole, dryRun, ...done } = await json("prune");
  const { dryRun: _, database: __, ...counted } = dry;
  assert.deepEqual(done, counted);
  assert.deepEqual([dryRun, compacted, isWhole], [false, null, true]);
  assert.equal((await seeded.store.events({ limit: 99 })).length, 7);
  assert.ok((await seeded.store.eventBody(waiting)).length > 0);
  const deed = await json("audit list");
  assert.deepEqual([deed.verb, deed.through, deed.count, deed.outcome], ["prune", "cli", 18, "done"]);
  const gone = await run(`events show ${ids[4]}`);
  assert.deepEqual([gone.code, /has been pruned/.test(gone.stderr)], [1, true]);
  const bodiless = await run(`events replay ${ids[0]}`);
  assert.deepEqual([bodiless.code, /the body of evt_\w+ has been pruned/.test(bodiless.stderr)], [1, true]);
  const shown = await callCli(["prune", "--config", seeded.configPath], { width: 80 });
  assert.match(shown.stdout, /\nattempts of deliveries +0 +0 bytes\nthe database has .*\n$/);
  assert.match(shown.stderr, /^\r\x1b\[Kpruning, 0 rows pruned so far/, "it shows at once that it is at it");
});

test("compact makes the file small, with the relay stopped only", async (t) => {
  const seeded = await openSeeded(t, INPUT);
  const { run, json } = on(seeded);
  await seed(seeded, 600);
  const beside = await run("prune --compact");
  assert.equal(beside.code, 1);
  assert.match(beside.stderr, /a relay is running with dataDir .*: stop it/);
  assert.equal((await seeded.store.events({ limit: 999 })).length, 600, "nothing was pruned");
  assert.equal((await run("prune --compact --dry-run")).code, 2);
  await seeded.store.close();
  const before = statSync(join(seeded.config.dataDir, "relay.db")).size;
  const { compacted, database, autosaves } = await json("prune --compact");
  assert.equal(autosaves.rows, 594);
  assert.deepEqual(compacted, { before: compacted.before, after: database.bytes });
  assert.ok(compacted.after < before / 3, `${before} → ${compacted.after}`);
  const store = await openStore(seeded.config, realPorts(), { role: "relay" });
  t.after(() => store.close());
  assert.equal((await store.events({ limit: 999 })).length, 6);
});
