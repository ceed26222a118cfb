import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { putCopy } from "../../../src/mirror/upload/put-copy.ts";
import type { UploadJob } from "../../../src/model/job.ts";
import { openTarget } from "../../../src/targets/table.ts";
import { sha256Of } from "../../support/bytes.ts";
import { tempFolder } from "../../support/folder.ts";

/** Keeps films of the video "v1" in a real folder, as files of the spool; `placed`: what it wrote down before each put. */
async function openKeeping(t: TestContext) {
  const dir = tempFolder(t);
  const target = await openTarget({ type: "local", dir: join(dir, "media") });
  t.after(() => target.close());
  const placed: { key: string; passed: string[] }[] = [];
  const { signal } = new AbortController();
  let files = 0;
  return {
    placed,
    read: (key: string) => readFile(join(dir, "media", key), "utf8"),
    async keep(content: string, job: Partial<Pick<UploadJob, "own" | "isSecond" | "kind">> = {}, ext = ".mp4") {
      const file = join(dir, `spooled-${files++}`); // The target may share it by a hard link.
      await writeFile(file, content);
      const facts = { bytes: content.length, sha256: sha256Of(content), contentType: "video/mp4", ext };
      return putCopy(
        {
          target,
          targetId: "tgt_present",
          template: "{videoId}/{kind}{ext}",
          job: {
            ...{ videoId: "v1", kind: "video", eventId: "evt_1", isSecond: false, own: null },
            ...job,
            file: { ...facts, suspect: null, etag: null, lastModified: null },
          },
          signal,
        },
        {
          file,
          again: false,
          place: async (key, passed) => void placed.push({ key, passed: [...passed] }),
        },
      );
    },
  };
}

const own = (key: string, content: string, target = "tgt_former") => ({
  own: { target, key, sha256: sha256Of(content), isWhole: true },
});

test("a mended copy keeps its key in a new target, also where another video of its id is there, and the key's making changed", async (t) => {
  const at = await openKeeping(t);
  assert.equal(await at.keep("a film", { ...own("old/v1-video.mp4", "a film"), isSecond: true }), "old/v1-video.mp4");
  assert.equal(await at.keep("longer now", { ...own("v1/video.mp4", "a film"), isSecond: true }), "v1/video.mp4");
  assert.equal(await at.read("v1/video.mp4"), "longer now");
});

test("where its key in the new target holds another film, that is not touched", async (t) => {
  const at = await openKeeping(t);
  await at.keep("another film");
  const key = await at.keep("a film", { ...own("v1/video.mp4", "a film"), isSecond: true });
  assert.equal(key, `v1/video.${sha256Of("a film").slice(0, 8)}.mp4`);
  assert.equal(await at.read("v1/video.mp4"), "another film");
});

test("a copy of another container takes a key with its own extension in a new target", async (t) => {
  const at = await openKeeping(t);
  assert.equal(await at.keep("a film", own("v1/video.mp4", "other bytes"), ".webm"), "v1/video.webm");
});

test("a key that holds another film is reported as passed before the next put", async (t) => {
  const at = await openKeeping(t);
  await at.keep("another film");
  const key = await at.keep("a film");
  assert.deepEqual(at.placed.slice(1), [
    { key: "v1/video.mp4", passed: [] },
    { key, passed: ["v1/video.mp4"] },
  ]);
});
