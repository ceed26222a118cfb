import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Aged, openAged } from "../support/archive.ts";
import { callCli, callJson } from "../support/spawn.ts";

const VIDEO = "5f3e1c0d2b4a69788796a5b4";
const event = (videoId: string) => ({ type: "video.delete", wochitVideoId: videoId, videoContext: "c" });

const on = ({ configPath }: Aged) => ({
  run: (line: string) => callCli([...line.split(" "), "--config", configPath]),
  json: (line: string) => callJson([...line.split(" "), "--config", configPath]),
});

test("prune archives first, and says so; list and verify show what there is", async (t) => {
  const at = await openAged(t, ["v1", VIDEO, "v2"].map(event), { days: 3 });
  const { run, json } = on(at);
  const [dry] = await json("prune --dry-run");
  assert.deepEqual([dry.archived, dry.bodies.rows], [3, 3]);
  assert.match((await run("prune --dry-run")).stdout, /\n3 events would be archived before\n/);
  const [done] = await json("prune");
  assert.deepEqual([done.archived, done.bodies.rows, done.isWhole], [3, 3, true]);
  assert.equal(at.archived().size, 3);
  assert.equal(statSync(at.folder).mode & 0o777, 0o700);
  assert.equal(statSync(at.folder).uid, statSync(at.config.dataDir).uid);
  renameSync(at.folder, `${at.folder}.away`);
  const missing = await run("prune");
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /archive, the folder of the archive, is not there: bring it back/);
  assert.equal(existsSync(at.folder), false);
  renameSync(`${at.folder}.away`, at.folder);

  const parts = await json("archive list");
  assert.deepEqual(
    parts.map(({ part, events, place }) => [part, events, place]),
    [1, 2, 3].map(() => [1, 1, at.folder]),
  );
  assert.deepEqual(parts.map(({ key }) => key).sort(), readdirSync(at.folder).sort());
  assert.equal((await json(`archive list --video-id ${VIDEO}`)).length, 1);
  assert.match((await run("archive list")).stdout, /^DAY +PART +EVENTS +SIZE +MADE +FILE/);
  const good = await run("archive verify");
  assert.deepEqual([good.code, /^3 files, .* read: 3 good\n$/.test(good.stdout)], [0, true]);

  const [newest, middle] = parts;
  const bytes = readFileSync(join(at.folder, newest.key));
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(join(at.folder, newest.key), bytes);
  rmSync(join(at.folder, middle.key));
  const wrong = await run("archive verify");
  assert.equal(wrong.code, 1);
  const [first, second, last] = wrong.stdout.split("\n");
  assert.match(
    first!,
    new RegExp(`^${newest.day}  ${newest.key} is not what was written: as long, with another sha256, in /`),
  );
  assert.match(second!, new RegExp(`^${middle.day}  ${middle.key} is missing, in /`));
  assert.match(last!, /^3 files, .* read: 1 good, 1 missing, 1 damaged$/);
  assert.equal((await run(`archive verify --day ${parts[2].day}`)).code, 0);
  assert.equal((await run(`archive verify --day ${middle.day}`)).code, 1);
  assert.equal((await run("archive verify --day 2026-02-30")).code, 2);
});

test("what is restored can be sent again; the hint of a pruned body names the command", async (t) => {
  const at = await openAged(t, ["v1", VIDEO, "v2"].map(event), { days: 1 });
  const { run, json } = on(at);
  execFileSync("mkdir", ["-m", "700", at.folder]);
  await json("prune");
  const id = at.ids[1]!;
  const gone = await run(`events replay ${id}`);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, new RegExp(`; "wochit-relay archive restore --video-id ${VIDEO}" brings it back\\n$`));
  const shown = await run(`events show ${id}`);
  assert.match(shown.stderr, /^the body of evt_\w+ has been pruned, or erased; .* brings it back\n$/);
  assert.equal(shown.code, 0);
  assert.equal((await run("archive restore")).code, 2);
  assert.equal((await run("archive restore --video-id nothing")).code, 1);
  const said = await run(`archive restore --video-id ${VIDEO}`);
  assert.deepEqual([said.code, said.stdout], [0, "1 event restored from 1 file\n"]);
  const [part] = await json("archive list");
  const [again] = await json(`archive restore --day ${part.day}`);
  assert.deepEqual(again, { files: 1, restored: 2, present: 1, unknown: 0, erased: 0 });
  const audit = await json("audit list --limit 2");
  assert.deepEqual(
    audit.map(({ verb, subject, count }) => [verb, subject, count]),
    [
      ["archive restore", part.day, 2],
      ["archive restore", VIDEO, 1],
    ],
  );
  assert.equal((await run(`events replay ${id} --endpoint app`)).code, 0);
});

test("forget says how many files of the archive have the video", async (t) => {
  const at = await openAged(t, [VIDEO, "v1", VIDEO].map(event), { days: 3 });
  const { run, json } = on(at);
  execFileSync("mkdir", ["-m", "700", at.folder]);
  await json("prune");
  const said = await run(`videos forget ${VIDEO} --yes`);
  assert.match(
    said.stdout,
    /\n2 files of the archive to be written anew without it: by the running relay; the audit says when\n/,
  );
});

test("what docs/ARCHIVE.md says of reading it works word for word", async (t) => {
  const at = await openAged(t, ["v1", VIDEO, "v2"].map(event), { days: 2 });
  execFileSync("mkdir", ["-m", "700", at.folder]);
  await on(at).json("prune");
  const text = readFileSync("docs/ARCHIVE.md", "utf8");
  const recipes = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, recipe]) => recipe!);
  if (spawnSync("jq", ["--version"]).error) return t.skip("jq is not installed");
  const outputs = recipes.map((recipe) => execFileSync("sh", ["-c", recipe], { cwd: at.folder, encoding: "utf8" }));
  assert.deepEqual(
    outputs[0]!
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    ["v1", VIDEO, "v2"].map((videoId, nth) => ({ id: at.ids[nth], type: "video.delete", videoId })),
  );
  assert.deepEqual(outputs.slice(1), [`${JSON.stringify(event(VIDEO))}\n`, "", "      3 video.delete\n"]);
  // The members that the page shows are those of a line.
  const [head, example] = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json!));
  assert.deepEqual(Object.keys(head), ["archive", "version", "day", "part"]);
  const line = at.archived().get(at.ids[0]!)!;
  assert.deepEqual(Object.keys(line).sort(), Object.keys(example).sort());
  const deep = (value: Record<string, unknown>, ...path: string[]) =>
    path.reduce((each, name) => (each as never)[name], value) as object;
  for (const path of [
    ["deliveries", "0"],
    ["deliveries", "0", "attempts", "0"],
  ])
    assert.deepEqual(Object.keys(deep(line, ...path)).sort(), Object.keys(deep(example, ...path)).sort());
});
