import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { openRelay } from "../../src/relay.ts";
import { realPorts } from "../support/real-ports.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

/** Videos with copies in a folder, a config that names another one since, and the command. */
async function open(t: TestContext, videos: string[]) {
  const seeded = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 }, endpoints: [] });
  for (const id of videos) await seeded.take(ready(id, { videoUrl: `https://cdn.example.com/${id}.mp4?sig=hush` }));
  await seeded.download("mirrored");
  const { configPath, config, dir } = seeded;
  const input = JSON.parse(readFileSync(configPath, "utf8"));
  const newDir = join(dir, "bucket");
  input.mirror.target = { type: "local", dir: newDir };
  input.server = { ...input.server, listen: "127.0.0.1:0" };
  input.admin = null;
  writeFileSync(configPath, JSON.stringify(input));
  return {
    ...{ ...seeded, newDir, oldDir: join(config.dataDir, "media") },
    move: (line = "", options?: Parameters<typeof callCli>[1]) =>
      callCli(["media", "move", ...line.split(" ").filter(Boolean), "--config", configPath], options),
    /** A relay of that config takes the place of the seeded database. */
    async relay() {
      await seeded.store.close();
      const relay = await openRelay(loadConfig(configPath, { env: {}, cwd: dir }), realPorts());
      t.after(() => relay.close());
      return relay;
    },
  };
}

const COPIES = "3 copies, 33 bytes, would be moved to the folder";

test("media move says how many, how much and how long, and moves nothing unless it is asked to", async (t) => {
  const { move, relay, store, newDir, oldDir } = await open(t, ["v1", "v2", "v3"]);
  const unused = await move("--dry-run");
  assert.deepEqual([unused.code, unused.stdout], [1, ""]);
  assert.match(
    unused.stderr,
    /^wochit-relay: no relay has used the folder \S+\/bucket yet: reload or start it first\n$/,
  );
  await store.targetId({ type: "local", dir: newDir });
  const { code, stdout } = await move("--dry-run --rate 1B");
  assert.deepEqual(
    [code, stdout],
    [0, `${COPIES} ${newDir} from the folder ${oldDir}; at 1 bytes a second done in 33 s\n`],
  );
  const { stdout: json } = await move("--dry-run --json");
  assert.deepEqual(JSON.parse(json), {
    ...{ dryRun: true, copies: 3, bytes: 33, seconds: null, to: `the folder ${newDir}` },
    ...{ from: [{ place: `the folder ${oldDir}`, copies: 3, bytes: 33 }], left: { copies: 0, bytes: 0 } },
  });
  const declined = await move("", { answer: "n" });
  assert.deepEqual([declined.code, declined.stdout], [1, ""]);
  assert.ok(declined.stderr.includes(`${COPIES} ${newDir}`), declined.stderr);
  assert.deepEqual(await store.tasks({ limit: 9 }), []);
  const wrong = await move("--rate fast");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^wochit-relay: --rate must be a size like 50MiB, not "fast"/);
  await store.close();
  const queued = await move("--yes");
  assert.equal(queued.code, 1);
  assert.match(queued.stderr, /no relay runs with \S+: what is queued goes on when one is started/);
  await relay();
  await waitFor(() => existsSync(join(newDir, "v3/video.bin")));
});

test("media move has the relay move them, shows its end, and names what it could not move", async (t) => {
  const { move, relay, newDir, oldDir } = await open(t, ["v1", "v2", "v3"]);
  rmSync(join(oldDir, "v2/video.bin"));
  await relay();
  const moved = await move("--yes");
  // On a slow machine lines before it say how far it is.
  assert.deepEqual([moved.code, moved.stdout.split("\n").at(-2)], [1, "2 moved, 1 not"]);
  assert.match(moved.stderr, /med_\S+: its copy is gone\n/);
  assert.equal(readFileSync(join(newDir, "v1/video.bin"), "utf8"), "video of v1");
  writeFileSync(join(oldDir, "v2/video.bin"), "video of v2");
  const again = await move("--delete-source", { answer: "y" });
  assert.deepEqual(
    [again.code, again.stdout],
    [
      0,
      "1 moved\n2 copies, 22 bytes, of earlier moves are deleted where they were: in a folder now, in a bucket within 6 h\n",
    ],
  );
  assert.ok(again.stderr.includes("; 2 copies, 22 bytes, of earlier moves would be deleted there"), again.stderr);
  const none = await move("--delete-source --yes");
  assert.deepEqual([none.code, none.stdout], [0, `all copies are in the folder ${newDir}\n`]);
});
