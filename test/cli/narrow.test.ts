import assert from "node:assert/strict";
import { test } from "node:test";
import { endpoint } from "../support/config.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli } from "../support/spawn.ts";

const url = "https://cdn.example/renders/2026/election-night-the-long-version.mp4";

test("at 80 columns lists say what they are asked for: contexts, states, kinds, whole addresses, reasons", async (t) => {
  const seeded = await openSeeded(t, { endpoints: [endpoint("cms", { events: ["*"] })], mirror: { enabled: true } });
  await seeded.take(ready("5f3e1c0d2b4a69788796a5b4", { videoContext: "cms-asset-4001", videoUrl: url }));
  await seeded.download("failed");
  await seeded.deliver("cms", "dead");
  await seeded.store.close();
  const show = async (...args: string[]) => {
    const { stdout } = await callCli([...args, "--config", seeded.configPath], { width: 80, env: { NO_COLOR: "1" } });
    const [titles, row, ...below] = stdout.slice(stdout.search(/^(ID|NOT) /m)).split("\n");
    assert.ok(row!.length <= 80, row);
    return { titles: titles!.split(/ {2,}/), row: row!, below: below.join("\n") };
  };

  const ofEvents = await show("events", "list");
  assert.deepEqual(ofEvents.titles, ["ID", "RECEIVED", "TYPE", "CONTEXT", "STATUS"]);
  assert.match(ofEvents.row, / video\.ready +cms-asset-4001 +dead$/);

  const ofMedia = await show("media", "list");
  assert.ok(["KIND", "STATE", "VIDEO"].every((title) => ofMedia.titles.includes(title)));
  assert.ok(
    ofMedia.below.includes(`    where: ${url}`) || ofMedia.below.includes(`    where:\n    ${url}\n`),
    ofMedia.below,
  );

  const ofVideo = await show("videos", "show", "5f3e1c0d2b4a69788796a5b4");
  assert.match(ofVideo.below, /^ {4}why: given up after \d+ attempts?: \S/m);
  assert.doesNotMatch(ofVideo.below, /…/);
});
