import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stagesOf } from "../../src/doctor/table.ts";
import { configIn } from "../support/config.ts";
import { findingsOf, inWords } from "../support/doctor.ts";
import { tempFolder } from "../support/folder.ts";
import { realPorts } from "../support/real-ports.ts";

test("a disk that does not answer is one line, and no other probe touches it", async (t) => {
  const dir = tempFolder(t);
  mkdirSync(join(dir, "data"));
  const ports = realPorts();
  const clock = {
    ...ports.clock,
    after(_: number, run: () => void) {
      run();
      return () => {};
    },
  };
  const stages = await stagesOf({
    judged: { path: null, problems: [], warnings: [], secrets: null },
    config: configIn(dir, { backup: { every: "6h", dir: join(dir, "backups") } }),
    hasKeys: true,
    ports: { ...ports, clock },
    userAgent: "test",
    mark: "0123abcd",
    offline: true,
    request: null,
    inspectServer: () => Promise.reject(new Error("it is on no server")),
    openStore: () => assert.fail("no store"),
    readOrigin: async () => null,
    lookForCopies: () => assert.fail("no store"),
    listFormer: () => assert.fail("no store"),
  });
  const probes = stages.flatMap((stage) => stage.probes);
  assert.deepEqual(
    probes.map(({ name }) => name),
    ["config", "files", "data.folder", "backup.folder", "senders", "target"],
  );
  const found = await findingsOf(probes.slice(0, 4));
  const late = `failed: ${join(dir, "data")} cannot be looked at: no answer within 5 s`;
  assert.equal(inWords(found["data.folder"]), late);
  // The folders elsewhere are examined all the same.
  assert.match(inWords(found["backup.folder"]), /^ok: .*the relay makes it$/);
});
