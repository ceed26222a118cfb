import assert from "node:assert/strict";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { LocalFailure } from "../../../src/mirror/errors.ts";
import {
  newResumeState,
  type ResumeState,
  readResumeState,
  writeResumeState,
} from "../../../src/mirror/spool/resume-state.ts";
import {
  clearSpool,
  probeSpool,
  reviveAll,
  spoolPaths,
  sweepSpool,
  sweepUnwanted,
} from "../../../src/mirror/spool/spool.ts";
import { tempFolder } from "../../support/folder.ts";
import { makePipe } from "../../support/pipe.ts";
import { testClock } from "../../support/ports.ts";

const begun: ResumeState = {
  ...newResumeState("x"),
  validator: '"1"',
  etag: '"1"',
  total: 99,
  atLeast: 0,
  synced: 4,
  furthest: 4,
};
const proven: ResumeState = {
  ...begun,
  file: { bytes: 4, sha256: "0", contentType: "video/mp4", ext: ".mp4", suspect: null, etag: null, lastModified: null },
};

async function fill(spool: string, id: string, note: ResumeState | null): Promise<void> {
  const { part, file } = spoolPaths(spool, id);
  for (const path of [part, file]) await writeFile(path, "half");
  if (note !== null) await writeResumeState(spoolPaths(spool, id).state, note);
}

test("a sweep keeps what a download goes on from and what waits for its upload, and nothing else of ours", async (t) => {
  const spool = join(tempFolder(t), "spool");
  assert.equal(await sweepSpool(spool, []), 0, "the folder is made");
  await fill(spool, "uploads", begun);
  await fill(spool, "begun", begun);
  await fill(spool, "proven", proven);
  await fill(spool, "waits for room", { ...newResumeState("x"), total: 99 });
  await fill(spool, "no note", null);
  await fill(spool, "damaged", begun);
  await writeFile(spoolPaths(spool, "damaged").state, '{"link":"x","syn');
  await fill(spool, "forgotten", begun);
  await fill(spool, "../up", begun);
  await writeFile(join(spool, "other"), "not ours");
  await mkdir(join(spool, "folder.part"));
  const downloads = ["begun", "proven", "waits for room", "no note", "damaged"];
  const keep = [{ mediumId: "uploads", uploads: true }, ...downloads.map((mediumId) => ({ mediumId, uploads: false }))];
  assert.equal(await sweepSpool(spool, keep), 12);
  assert.deepEqual((await readdir(spool)).sort(), [
    "begun.file",
    "begun.part",
    "begun.part.json",
    "damaged.file",
    "folder.part",
    "no%20note.file",
    "other",
    "proven.file",
    "proven.part",
    "proven.part.json",
    "uploads.file",
    "waits%20for%20room.file",
    "waits%20for%20room.part.json",
  ]);
  assert.equal(await sweepSpool(spool, keep), 0);
});

test("a pipe in place of a note or a file is none, and is not waited for", async (t) => {
  const spool = join(tempFolder(t), "spool");
  assert.equal(await sweepSpool(spool, []), 0);
  await fill(spool, "med_1", begun);
  const { state, part } = spoolPaths(spool, "med_1");
  const pipes = [state, part].map((path) => makePipe(t, path));
  assert.equal(await readResumeState(spoolPaths(spool, "med_1").state), null);
  await assert.rejects(writeResumeState(spoolPaths(spool, "med_1").state, begun), { code: "ENXIO" });
  assert.equal(await sweepSpool(spool, [{ mediumId: "med_1", uploads: false }]), 2);
  assert.deepEqual(await readdir(spool), ["med_1.file"]);
  assert.ok(!pipes.some((pipe) => pipe.hadWriter()));
});

test("links are not followed out of the spool: not by a sweep, not by a note", async (t) => {
  const folder = tempFolder(t);
  const [spool, outside] = [join(folder, "spool"), join(folder, "outside")];
  await mkdir(outside);
  await fill(outside, "med_1", begun);
  await sweepSpool(spool, []);
  for (const name of await readdir(outside)) await symlink(join(outside, name), join(spool, name));
  assert.equal(await readResumeState(spoolPaths(spool, "med_1").state), null);
  await assert.rejects(writeResumeState(spoolPaths(spool, "med_1").state, proven));
  assert.equal(await sweepSpool(spool, []), 3);
  assert.deepEqual(await readdir(spool), []);
  assert.equal((await readdir(outside)).length, 3);
  const linked = join(folder, "linked");
  await symlink(outside, linked);
  assert.equal(await sweepSpool(linked, []), 0);
  assert.equal((await readdir(outside)).length, 3);
  assert.equal(await readFile(spoolPaths(outside, "med_1").part, "utf8"), "half");
});

test("a note comes back as it was, also a shorter one over a longer one; a damaged one is none", async (t) => {
  const path = join(tempFolder(t), "note");
  assert.equal(await readResumeState(path), null);
  for (const note of [{ ...proven, etag: `"${"\\".repeat(500)}"` }, begun, proven]) {
    await writeResumeState(path, note);
    assert.deepEqual(await readResumeState(path), note);
  }
  const whole = await readFile(path);
  for (const damaged of [
    whole.subarray(0, 60),
    Buffer.alloc(8192),
    Buffer.concat([whole.subarray(0, 100), Buffer.alloc(8092)]),
    Buffer.from(JSON.stringify({ ...begun, synced: -1 })),
    Buffer.from(JSON.stringify({ ...begun, link: 5 })),
    Buffer.from("null"),
    Buffer.alloc(0),
  ]) {
    await writeFile(path, damaged);
    assert.equal(await readResumeState(path), null, damaged.toString().slice(0, 80));
  }
});

test("a spool that cannot be written is found out, and all of a medium can be removed", async (t) => {
  const spool = join(tempFolder(t), "spool");
  await probeSpool(spool, true);
  await fill(spool, "med_1", begun);
  await fill(spool, "med_10", begun);
  await clearSpool(spool, "med_1");
  await clearSpool(spool, "med_1");
  assert.deepEqual((await readdir(spool)).sort(), ["med_10.file", "med_10.part", "med_10.part.json"]);
  const file = join(spool, "med_10.file");
  await assert.rejects(probeSpool(file, false), (error) => error instanceof LocalFailure && error.resource === "spool");
  await mkdir(join(spool, "~probe.part"));
  await probeSpool(spool, false);
  await assert.rejects(probeSpool(spool, true), LocalFailure);
});

test("what another relay has ended is swept, and nothing of what is wanted or taken up, nor of a move", async (t) => {
  const spool = join(tempFolder(t), "spool");
  await mkdir(spool);
  await fill(spool, "ended", begun);
  for (const id of ["wanted", "failed"]) await fill(spool, id, begun);
  await writeFile(spoolPaths(spool, "ended").moved, "half");
  const before = (await readdir(spool)).filter((name) => !name.startsWith("ended"));
  const wanted = new Set(["wanted"]);
  const store = {
    isSpooled: async (id: string) => wanted.has(id),
    reviveSpooled: async (ids: string[]) => {
      if (ids.includes("failed")) wanted.add("failed");
    },
  };
  await sweepUnwanted({ store, clock: testClock(), spoolDir: spool });
  assert.deepEqual((await readdir(spool)).sort(), ["ended.moved", ...before].sort());
});

test("of however many whole files there are, a bounded number is taken up in one transaction", async (t) => {
  const spool = join(tempFolder(t), "spool");
  await mkdir(spool);
  const ids = Array.from({ length: 201 }, (_, nth) => `med_${nth}`);
  for (const id of ids) await writeFile(spoolPaths(spool, id).file, "whole");
  await writeFile(spoolPaths(spool, "begun").part, "half");
  const asked: string[][] = [];
  const store = { reviveSpooled: async (some: string[]) => void asked.push(some) };
  await reviveAll({ store, clock: testClock(), spoolDir: spool });
  assert.deepEqual(
    asked.map(({ length }) => length),
    [100, 100, 1],
  );
  assert.deepEqual(asked.flat().sort(), ids.sort());
});
