import assert from "node:assert/strict";
import { test } from "node:test";
import { openMirror } from "../../src/mirror/open.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testPorts } from "../support/ports.ts";

test("a mirror that cannot open leaves no target open", async (t) => {
  const dir = tempFolder(t);
  const config = configIn(dir);
  const ports = testPorts();
  const real = await openStore(config, ports, { role: "relay" });
  t.after(() => real.close());
  let asked = 0;
  // A target is opened once the store has given it an id.
  const store = {
    ...real,
    targetId: (...given: Parameters<typeof real.targetId>) => {
      asked++;
      return real.targetId(...given);
    },
  };
  const mirror = { ...config.mirror, allowPrivateAddresses: ["no address, no name"] };
  await assert.rejects(
    openMirror({ config: { ...config, mirror }, store, ports, connectTimeout: 1_000 }),
    /no address/,
  );
  assert.equal(asked, 0);

  const broken = { ...real, targetId: () => Promise.reject(new Error("the disk is gone")) };
  await assert.rejects(openMirror({ config, store: broken, ports, connectTimeout: 1_000 }), /the disk is gone/);
});
