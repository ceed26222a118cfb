import assert from "node:assert/strict";
import { test } from "node:test";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { answered } from "../support/outcomes.ts";
import { testClock, testPorts } from "../support/ports.ts";
import { bench, checker, type OpenStore, plain, ready } from "./store.ts";

type Bench = ReturnType<typeof bench>;

const BACKUP = { at: 1000, place: "dir", bytes: 10, events: 2, newest: 900, planned: false } as const;

/** What every store engine must do with ids and claims, in the words of CONTRACT ("Ids"). `hasBackups`: of its own. */
export function storeIdsContract(engine: string, openStore: OpenStore, { hasBackups = true } = {}): void {
  const check = checker(engine, openStore);

  function checkTwo(sentence: string, body: (one: Bench, other: Bench) => Promise<void>): void {
    test(`${engine}: ${sentence}`, async (t) => {
      const clock = testClock();
      const made = [];
      for (const dir of [tempFolder(t), tempFolder(t)]) {
        const config = configIn(dir, plain());
        const open = () => openStore(config, testPorts(clock));
        const store = await open();
        t.after(() => store.close());
        made.push(bench(store, clock, config, open));
      }
      await body(made[0]!, made[1]!);
    });
  }

  checkTwo("two databases under one clock give no id in common, of no kind", async (one, other) => {
    const [ids, others] = [await allKinds(one, hasBackups), await allKinds(other, hasBackups)];
    for (const [kind, id] of Object.entries(ids)) assert.notEqual(others[kind], id, kind);
  });

  checkTwo("an id of another database is not found, although there is one of the same time", async (one, other) => {
    const { event, delivery, medium, refused, backup } = await allKinds(other, hasBackups);
    await allKinds(one, hasBackups);
    const { store, clock } = one;
    const asked: Record<string, () => Promise<unknown>> = {
      event: () => store.event(event!),
      body: () => store.eventBody(event!),
      media: () => store.eventMedia(event!),
      replay: () => store.replay(event!, { endpoint: "cms", ordered: true, newId: false }, clock.now()),
      delivery: () => store.delivery(delivery!),
      retry: () => store.retryDelivery(delivery!, clock.now()),
      cancel: () => store.cancelDelivery(delivery!, clock.now()),
      deliveries: () => store.deliveries({ eventId: event!, limit: 9 }),
      medium: () => store.medium(medium!),
      download: () => store.retryMedium(medium!, clock.now()),
      refused: () => store.quarantinedBody(refused!),
      drop: () => store.dropQuarantined(refused!),
      ...(hasBackups && { backup: () => store.backups.forget(backup!) }),
      page: () => store.events({ before: event!, limit: 9 }),
    };
    for (const [what, ask] of Object.entries(asked)) await assert.rejects(ask(), { code: "not_found" }, what);
    assert.equal((await store.backups.list()).length, hasBackups ? 1 : 0);
    // A file in the spool that is another database's revives nothing, and keeps nothing from being revived.
    await store.reviveSpooled([medium!, "notes"], clock.now());
    assert.equal(await store.isSpooled(medium!), false);
  });

  checkTwo("a claim of another database settles nothing, also of the job of the same time", async (one, other) => {
    const target = { type: "local", dir: "/media" } as const;
    const places = [await one.store.targetId(target), await other.store.targetId(target)];
    await Promise.all([one.post(ready("v1")), other.post(ready("v1"))]);
    const { store, clock } = one;
    const now = clock.now();

    const [delivery] = await one.claim();
    const [foreign] = await other.claim();
    assert.notEqual(foreign!.claim, delivery!.claim);
    for (const job of [foreign!, { ...delivery!, claim: foreign!.claim }]) {
      assert.equal(await store.renew(job, 1), false);
      const { settled } = await store.settleDelivery(job, answered(200, { at: now }), now);
      assert.equal(settled, false);
    }
    assert.equal((await one.deliver(delivery!)).settled, true);

    const [download] = await one.download(1);
    const [alien] = await other.download(1);
    for (const job of [alien!, { ...download!, claim: alien!.claim }]) {
      assert.equal(await store.renew(job, 1), false);
      assert.equal((await one.spool(job)).settled, false);
    }
    assert.equal((await one.spool(download!)).settled, true);
    assert.equal((await other.spool(alien!)).settled, true);

    const [upload] = await one.upload();
    const [strange] = await other.upload();
    for (const job of [strange!, { ...upload!, claim: strange!.claim }]) {
      assert.equal(await store.renew(job, 1), false);
      assert.equal(await store.refreshUpload(job, 1), null);
      assert.equal(await store.placeUpload(job, { target: places[0]!, key: "k" }), false);
      const { settled } = await store.settleUpload(job, { is: "mirrored", target: places[0]!, key: "k" }, now);
      assert.equal(settled, false);
    }
    const mirrored = { is: "mirrored", target: places[0]!, key: "k" } as const;
    assert.equal((await store.settleUpload(upload!, mirrored, now)).settled, true);
  });

  check(
    "an id is not given twice, although what it named is gone and the clock went back",
    async (at) => {
      const { store, clock } = at;
      const target = await store.targetId({ type: "local", dir: "/media" });
      const { id } = await at.post(ready("v1"));
      const medium = (await store.eventMedia(id)).find(({ kind }) => kind === "video")!.id;
      const given = new Set<string>();
      /** All of these are gone in the end, the greatest id among them. */
      const pass = async (now: Bench) => {
        const [refused, again] = [await refuse(now, "a"), await refuse(now, "b")];
        for (const each of [refused, again]) await now.store.dropQuarantined(each);
        const backup = hasBackups ? await noteBackup(now.store) : null;
        if (backup !== null) await now.store.backups.forget(backup);
        const download = (await now.download()).find(({ mediumId }) => mediumId === medium)!;
        await now.spool(download);
        const [upload] = await now.upload();
        await now.store.settleUpload(upload!, { is: "mirrored", target, key: "v1/video.mp4" }, clock.now());
        return [refused, again, ...(backup === null ? [] : [backup]), `${upload!.id} ${upload!.claim}`];
      };
      for (const one of await pass(at)) given.add(one);
      await store.close();
      for (let nth = 1; nth <= 3; nth++) {
        clock.set(clock.now() - 60_000);
        const later = await at.reopen();
        await later.mendMedium(medium, clock.now());
        const made = await pass(bench(later, clock, at.config, at.reopen));
        await later.close();
        for (const one of made) {
          assert.ok(!given.has(one), one);
          given.add(one);
        }
      }
    },
    plain(),
  );
}

/** One id of each kind that leaves a store, by its kind. */
async function allKinds(
  { store, clock, post, claim, download, spool, upload }: Bench,
  hasBackups: boolean,
): Promise<Record<string, string>> {
  const target = await store.targetId({ type: "local", dir: "/media" });
  const { id: event } = await post(ready("v1"));
  const refused = await refuse({ store, clock }, "not JSON");
  const backup: Record<string, string> = hasBackups ? { backup: await noteBackup(store) } : {};
  const { id: delivery } = await store.replay(event, { endpoint: "cms", ordered: false, newId: true }, clock.now());
  const replayed = (await claim()).find(({ id }) => id === delivery)!;
  const [fetched] = await download(1);
  await spool(fetched!);
  const [job] = await upload();
  const medium = fetched!.mediumId;
  return { target, event, refused, delivery, message: replayed.messageId, medium, job: job!.id, ...backup };
}

async function noteBackup({ backups }: Bench["store"]): Promise<string> {
  await backups.note({ ...BACKUP, name: "/b/1.db" });
  return (await backups.last())!.id;
}

async function refuse({ store, clock }: Pick<Bench, "store" | "clock">, text: string): Promise<string> {
  const sourceAddress = "192.0.2.1";
  const body = Buffer.from(text);
  return (await store.quarantine({ receivedAt: clock.now(), sourceAddress, reason: "invalid_json", body })).id;
}
