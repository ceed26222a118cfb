import assert from "node:assert/strict";
import { checker, type OpenStore, ready } from "./store.ts";

/** What a store engine must do with the records of backups, where it has backups of its own. */
export function storeBackupsContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check("verified backups are remembered, the newest first, until they are forgotten", async ({ store, post }) => {
    assert.equal(await store.backups.last(), null);
    const made = { at: 1000, place: "dir", name: "/b/1.db", bytes: 10, events: 2, newest: 900, planned: true } as const;
    await store.backups.note(made);
    await store.backups.note({ ...made, at: 2000, name: "/b/2.db", place: "file", planned: false });
    await store.backups.note({ ...made, at: 3000, name: "~backups/3.db", place: "target", newest: null });
    assert.deepEqual(
      (await store.backups.list()).map(({ at, place, name, planned }) => [at, place, name, planned]),
      [
        [3000, "target", "~backups/3.db", true],
        [2000, "file", "/b/2.db", false],
        [1000, "dir", "/b/1.db", true],
      ],
    );
    const { id, ...last } = (await store.backups.last())!;
    assert.deepEqual(last, { ...made, at: 3000, name: "~backups/3.db", place: "target", newest: null });
    await store.backups.forget(id);
    assert.equal((await store.backups.last())?.at, 2000);
    const failed = { at: 3500, error: "no room", againAt: 3600 };
    await store.backups.noteFailed(failed);
    assert.deepEqual(await store.backups.failed(), failed);
    await store.backups.note({ ...made, at: 4000, bytes: 11 });
    assert.deepEqual(
      (await store.backups.list()).map(({ at }) => at),
      [4000, 2000],
      "the same file once more is one backup",
    );
    assert.equal((await post(ready("v1"))).status, "accepted");
  });

  check(
    "a backup that is begun stays known until it is noted or ended, over every opening",
    async ({ store, reopen }) => {
      const [one, two] = [
        { place: "dir", name: "/b/1.db" },
        { place: "target", name: "~backups/1.db" },
      ] as const;
      assert.deepEqual(await store.backups.begun(), []);
      await store.backups.begin(one);
      await store.backups.begin(two);
      await store.close();
      const again = await reopen();
      assert.deepEqual(await again.backups.begun(), [one, two]);
      await again.backups.note({ ...two, at: 1, bytes: 1, events: 0, newest: null, planned: true });
      assert.deepEqual(await again.backups.begun(), [one]);
      await again.backups.end(one);
      assert.deepEqual(await again.backups.begun(), []);
      await again.backups.end(one);
      await again.close();
    },
  );
}
