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
}
