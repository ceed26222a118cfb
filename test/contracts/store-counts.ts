import assert from "node:assert/strict";
import { COMMIT_BOUNDS } from "../../src/store/counts.ts";
import { checker, draft, type OpenStore, ready, video } from "./store.ts";

const HOUR = 3_600_000;
const LINKS = { videoUrl: "https://cdn.example.com/v.mp4", thumbnailUrl: "https://cdn.example.com/v.jpg" };

/** What a monitor asks of a store. */
export function storeCountsContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check("media are counted by kind and state, and the oldest that waits is known", async ({ post, store, clock }) => {
    assert.deepEqual((await store.counts()).oldest, { download: null, upload: null, delete: null });
    await post(ready("v1", LINKS));
    const began = clock.now();
    clock.set(began + HOUR);
    await post(video("v2", LINKS.videoUrl));
    const { kinds, media, oldest } = await store.counts();
    assert.deepEqual(kinds.map(({ kind, state, count }) => `${count} ${kind} ${state}`).sort(), [
      "1 thumbnail pending",
      "2 video pending",
    ]);
    assert.deepEqual(media, { pending: 3 });
    assert.deepEqual(oldest, { download: began, upload: null, delete: null });
  });

  check("an upload waits from when its file was in the spool", async ({ post, store, clock, spool, download }) => {
    await post(video("v1", LINKS.videoUrl));
    clock.set(clock.now() + HOUR);
    const [job] = await download();
    await spool(job!);
    const { oldest, uploads } = await store.counts();
    assert.deepEqual([uploads, oldest.upload], [1, clock.now()]);
  });

  check("commits are counted, with the time that each took and how many writes shared it", async ({ post, store }) => {
    const before = await store.commits();
    await Promise.all([1, 2, 3].map((n) => post(draft(`v${n}`))));
    await post(draft("v4"));
    const { seconds, writes } = await store.commits();
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    assert.equal(writes.sum - before.writes.sum, 4);
    assert.ok(sum(writes.counts) - sum(before.writes.counts) >= 2);
    assert.equal(sum(seconds.counts), sum(writes.counts));
    assert.ok(seconds.sum >= before.seconds.sum);
    assert.deepEqual(
      [seconds, writes].map(({ counts }) => counts.length),
      [COMMIT_BOUNDS.seconds.length + 1, COMMIT_BOUNDS.writes.length + 1],
    );
  });

  check("the bytes of copies are counted as they come and go", async (at) => {
    const { post, store, clock, download, settle, deletions } = at;
    const copies = async () => (await store.counts()).copies;
    await post(video("v1", LINKS.videoUrl));
    assert.equal(await copies(), 0);
    const [job] = await download();
    await settle(job!, "v1/video.mp4", { bytes: 70 });
    await post(ready("v2", LINKS));
    for (const each of await download()) await settle(each, `v2/${each.kind}`, { bytes: 5, sha256: each.kind });
    assert.equal(await copies(), 80);
    // While a copy is mended it is there still; the other one may be larger.
    await store.mendMedium(job!.mediumId, clock.now());
    assert.equal(await copies(), 80);
    clock.set(clock.now() + HOUR);
    const [again] = await download();
    await settle(again!, "v1/video.mp4", { bytes: 100 });
    assert.equal(await copies(), 110);
    await post(ready("v2", { ...LINKS, thumbnailUrl: "https://cdn.example.com/other.jpg" }));
    const [thumbnail] = await download();
    await settle(thumbnail!, "v2/thumbnail", { bytes: 1, sha256: "another" });
    assert.equal(await copies(), 106, "the former thumbnail is superseded");
    await store.forgetVideo("v1", clock.now());
    await deletions();
    assert.equal(await copies(), 6);
  });
}
