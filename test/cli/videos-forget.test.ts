import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, callJson } from "../support/spawn.ts";

/** A database with a mirrored video of a person, and another one. */
async function openTwo(t: Pick<TestContext, "after">) {
  const seeded = await openSeeded(t, { mirror: { enabled: true } });
  const more = { title: "Ada's birthday", videoUrl: "https://cdn.example.com/a.mp4?sig=hush" };
  const event = await seeded.take(ready("v1", more));
  await seeded.take(ready("v2"));
  await seeded.download("mirrored");
  await seeded.deliver("app", "retry");
  const config = ["--config", seeded.configPath];
  return {
    ...seeded,
    event,
    run: (line: string, options?: Parameters<typeof callCli>[1]) => callCli([...line.split(" "), ...config], options),
    json: (line: string) => callJson([...line.split(" "), ...config]),
  };
}

test("videos forget: without --yes and without a terminal nothing is erased", async (t) => {
  const { run, json } = await openTwo(t);
  const { code, stdout, stderr } = await run("videos forget v1");
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(stderr, /^wochit-relay: this cannot be undone, and there is no terminal to ask: say --yes/);
  assert.equal((await json("videos show v1"))[0]?.title, "Ada's birthday");
  const unknown = await run("videos forget nosuch");
  assert.deepEqual([unknown.code, unknown.stderr], [1, 'wochit-relay: no video "nosuch"\n']);
  const asked = await run("videos forget nosuch", { answer: "n" });
  assert.match(
    asked.stderr,
    /^No video nosuch is known\. Look through what was refused, and erase what names it\? \[y\/N\] /,
  );
});

test("videos forget: at a terminal it asks, and only a yes erases", async (t) => {
  const { run, json } = await openTwo(t);
  for (const answer of ["", "n", "no", "v1", "yess"]) {
    const { code, stdout, stderr } = await run("videos forget v1", { answer });
    assert.deepEqual([code, stdout], [1, ""]);
    assert.equal(stderr, `Erase v1 "Ada's birthday" with 1 copy? This cannot be undone. [y/N] nothing was erased\n`);
  }
  assert.equal((await json("videos show v1"))[0]?.title, "Ada's birthday");
  assert.equal((await run("videos forget v1", { answer: " Yes " })).code, 0);
  assert.equal((await json("videos show v1"))[0]?.title, null);
});

test("videos forget --yes: says what is gone, what stays and who removes the copies; nothing of it is found again", async (t) => {
  const { run, json, event, store } = await openTwo(t);
  const { code, stdout, stderr } = await run("videos forget v1 --yes");
  assert.deepEqual([code, stderr], [0, ""]);
  const lines = stdout.split("\n");
  assert.equal(lines[0], "erased: bodies, titles, contexts and links of 1 event and 1 medium");
  assert.equal(lines[1], "1 copy to be removed: by the running relay, or at its next start");
  assert.match(lines[2]!, /^kept: ids, types and times, and that this was erased at \d{4}-/);

  const [video] = await json("videos show v1");
  assert.deepEqual([video.title, video.context, video.contextHistory, video.state], [null, null, [], "deleted"]);
  assert.match(video.forgottenAt, /^\d{4}-/);
  assert.match((await run("videos show v1")).stdout, /^forgottenAt +\d{4}-/m);
  assert.match((await run("videos list")).stdout, /^v1 +forgotten /m);
  const [shown] = await json(`events show ${event}`);
  assert.deepEqual([shown.id, shown.type, shown.context], [event, "video.ready", null]);
  assert.deepEqual([...new Set(shown.deliveries.map(({ state }: { state: string }) => state))], ["canceled"]);
  assert.equal((await run(`events show ${event} --body`)).code, 1);
  const all = await Promise.all(
    ["events list", "videos list", "videos show v1", "media list", "deliveries list", `events show ${event}`].map(
      async (line) => (await run(line)).stdout,
    ),
  );
  assert.doesNotMatch(all.join(""), /Ada|context of v1|a\.mp4/);
  assert.equal((await store.claimDeletions({ now: Date.now(), limit: 10, leaseFor: 1_000 })).jobs.length, 1);
  assert.equal((await json("videos show v2"))[0]?.context, "context of v2");

  const again = await run("videos forget v1 --yes");
  assert.deepEqual([again.code, again.stdout], [1, ""]);
  assert.match(again.stderr, /the video was erased already, at \d{4}-/);
  assert.equal((await run("videos forget nobody --yes")).code, 1);
});

test("videos forget --json: one object", async (t) => {
  const { json } = await openTwo(t);
  const [done] = await json("videos forget v1 --yes");
  const { forgottenAt, ...counts } = done;
  assert.deepEqual(counts, { videoId: "v1", events: 1, media: 1, copies: 1, refused: 0, archiveFiles: 0 });
  assert.match(forgottenAt, /^\d{4}-/);
});

test("videos forget: an id that only refused bodies name is erased, too", async (t) => {
  const { run, store } = await openTwo(t);
  const refused = { receivedAt: Date.now(), sourceAddress: "192.0.2.1", reason: "source" } as const;
  await store.quarantine({ ...refused, body: Buffer.from('{"wochitVideoId":"\\u00769"}') });
  assert.equal((await run("videos forget v2 --yes")).code, 0);
  assert.equal((await store.quarantined({ limit: 9 })).length, 1);
  const { code, stdout } = await run("videos forget v9", { answer: "y" });
  assert.equal(code, 0);
  assert.match(stdout, /^erased: .* of 0 events and 0 media, and 1 refused body\n/);
  assert.equal((await store.quarantined({ limit: 9 })).length, 0);
  assert.equal((await run("videos forget v9 --yes")).code, 1);
});
