import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../../src/store/open.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

test("the feed has one order while a command writes beside the relay, each by its own clock", async (t) => {
  const config = configIn(tempFolder(t), {});
  const clocks = [testClock(), testClock()];
  const relay = await openStore(config, testPorts(clocks[0]!), { role: "relay" });
  const command = await openStore(config, testPorts(clocks[1]!), { role: "operator" });
  const beside = await openStore(config, testPorts(testClock()), { role: "operator" });
  for (const store of [command, beside, relay]) t.after(() => store.close());
  const random = testPorts().random;
  const read: string[] = [];
  let position: string | null = null;
  const page = async () => {
    const found = await beside.feed({ after: position === null ? "oldest" : { position }, limit: 7 });
    ({ position } = found);
    read.push(...found.events.map(({ event }) => event.id));
    return found.isMore;
  };
  const written: string[] = [];
  for (let n = 0; n < 200; n++) {
    const at = Math.floor(random.float() * 2);
    clocks[at]!.set(Date.UTC(2026, 0, 1) + Math.floor((random.float() - 0.5) * 1e7));
    const body = Buffer.from(JSON.stringify({ type: "draft.update", wochitVideoId: `v${n % 7}` }));
    const store = at === 0 ? relay : command;
    const accept = () => store.accept({ receivedAt: clocks[at]!.now(), sourceAddress: "192.0.2.1", body });
    const [first] = await Promise.all([accept(), random.float() < 0.5 && page()]);
    written.push(first.id);
  }
  while (await page());
  assert.deepEqual(read, written);
});
