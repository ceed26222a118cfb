import assert from "node:assert/strict";
import type { AuditEntry } from "../../src/model/audit.ts";
import { auditedStore } from "../../src/store/access/audited.ts";
import type { Store } from "../../src/store/store.ts";
import { answered } from "../support/outcomes.ts";
import { makeTask } from "../support/tasks.ts";
import { type Bench, checker, type OpenStore, plain, remove } from "./store.ts";

const AMY = { through: "cli", by: "uid 7" } as const;

/** What every store engine must do with the record of who changed what. */
export function storeAuditContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "what an audited store changes is entered with who did it, the newest first; what it reads is not",
    async (at) => {
      const { clock, id, deliveryId } = await dead(at);
      const store = auditedStore(at.store, AMY);
      await store.event(id);
      await store.deliveries({ limit: 9 });
      await store.retryDelivery(deliveryId, clock.now());
      await store.cancelDelivery(deliveryId, clock.now());
      await store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      await store.pauseEndpoint("cms", "a test", clock.now());
      await store.resumeEndpoint("cms");
      const rows = [
        { videoId: "v8", context: "a" },
        { videoId: "v9", context: "b" },
      ];
      await store.importContexts(rows, { override: false }, clock.now());
      await store.forgetVideo("v9", clock.now());
      const entries = await store.audit({ limit: 99 });
      assert.deepEqual(entries.map(shown), [
        ["videos forget", "v9", 0, "done"],
        ["contexts import", null, 2, "done"],
        ["endpoints resume", "cms", null, "done"],
        ["endpoints pause", "cms", null, "done"],
        ["events replay", `${id} to cms`, null, "done"],
        ["deliveries cancel", deliveryId, null, "done"],
        ["deliveries retry", deliveryId, null, "done"],
      ]);
      for (const { id, at, through, by } of entries) {
        assert.deepEqual([at, through, by], [clock.now(), "cli", "uid 7"]);
        assert.match(id, /^aud_/);
      }
    },
    plain(),
  );

  check(
    "a task is entered when its count is confirmed, and when it is canceled",
    async (at) => {
      const { clock } = await dead(at);
      const store = auditedStore(at.store, AMY);
      const id = await makeTask(store, { verb: "retry", filter: { endpoint: "cms" } }, clock.now());
      await store.cancelTask(id, "no more", clock.now());
      assert.deepEqual((await store.audit({ limit: 9 })).map(shown), [
        ["tasks cancel", id, null, "done"],
        ["deliveries retry", id, 1, "done"],
      ]);
    },
    plain(),
  );

  check(
    "what its state forbids is entered with the error, and what names nothing is not",
    async (at) => {
      const { deliveryId, clock } = await dead(at);
      const store = auditedStore(at.store, AMY);
      await store.cancelDelivery(deliveryId, clock.now()).catch(() => {});
      await assert.rejects(store.retryDelivery("dlv_nowhere", clock.now()), { code: "not_found" });
      await assert.rejects(store.cancelDelivery(deliveryId, clock.now()), { code: "conflict" });
      const entries = await store.audit({ limit: 9 });
      assert.ok(entries.length > 0);
      for (const { verb, subject, outcome } of entries) {
        assert.deepEqual([verb, subject], ["deliveries cancel", deliveryId]);
        assert.match(outcome, new RegExp(deliveryId));
      }
    },
    plain(),
  );

  check("an entry and what it is of are one: where one fails there is neither", async (at) => {
    const { store, clock } = at;
    const nobody = { through: "api", by: null } as never;
    const pausing = store.act(nobody, { verb: "pauseEndpoint", args: ["cms", "a test", clock.now()] });
    await assert.rejects(pausing);
    assert.deepEqual(await store.endpoints(), []);
    assert.deepEqual(await store.audit({ limit: 9 }), []);
  });

  check(
    "an erasure is entered by its last transaction, and what is not there to erase is an entry or none",
    async (at) => {
      const { clock } = at;
      await at.post(remove("v1"));
      const store = auditedStore(
        { ...at.store, noteDeed: () => Promise.reject(new Error("no other transaction")) },
        AMY,
      );
      await store.forgetVideo("v1", clock.now());
      assert.deepEqual((await store.audit({ limit: 9 })).map(shown), [["videos forget", "v1", 1, "done"]]);
      const refused = { receivedAt: clock.now(), sourceAddress: "192.0.2.1", reason: "source" } as const;
      for (let n = 0; n < 2; n++)
        await store.quarantine({ ...refused, body: Buffer.from(`{"wochitVideoId":"v2","n":${n}}`) });
      await store.forgetVideo("v2", clock.now());
      assert.deepEqual((await store.audit({ limit: 1 })).map(shown), [["videos forget", "v2", 0, "done"]]);
      await assert.rejects(auditedStore(at.store, AMY).forgetVideo("v3", clock.now()), { code: "not_found" });
      await assert.rejects(auditedStore(at.store, AMY).forgetVideo("v1", clock.now()), { code: "conflict" });
      const [last, ...others] = await store.audit({ limit: 9 });
      assert.match(last!.outcome, /^the video was erased already/);
      assert.equal(others.length, 2);
      await at.store.forgetVideo("v4", clock.now()).catch(() => {});
      await at.post(remove("v4"));
      await at.store.forgetVideo("v4", clock.now());
      assert.equal((await store.audit({ limit: 9 })).length, 3, "nobody did it");
    },
  );

  check("the audit is read in pages, by verb, by whom and by time", async (at) => {
    const { clock } = at;
    const [one, other] = [auditedStore(at.store, AMY), auditedStore(at.store, { through: "api", by: "admin@::1" })];
    await one.pauseEndpoint("a", "x", clock.now());
    await clock.advance(60_000);
    const later = clock.now();
    await other.pauseEndpoint("b", "x", clock.now());
    await one.resumeEndpoint("b");
    const subjects = async (page: Partial<Parameters<Store["audit"]>[0]>) =>
      (await one.audit({ limit: 9, ...page })).map(({ verb, subject }) => `${verb.split(" ")[1]} ${subject}`);
    assert.deepEqual(await subjects({}), ["resume b", "pause b", "pause a"]);
    assert.deepEqual(await subjects({ verb: "endpoints pause" }), ["pause b", "pause a"]);
    assert.deepEqual(await subjects({ by: "admin@::1" }), ["pause b"]);
    assert.deepEqual(await subjects({ by: "uid 7", verb: "endpoints pause" }), ["pause a"]);
    assert.deepEqual(await subjects({ since: later }), ["resume b", "pause b"]);
    assert.deepEqual(await subjects({ until: later }), ["pause a"]);
    const [newest] = await one.audit({ limit: 1 });
    assert.deepEqual(await subjects({ before: newest!.id, limit: 1 }), ["pause b"]);
  });

  check(
    "a pause by 410s is entered as the relay's own",
    async (at) => {
      const { store, clock } = at;
      for (const video of ["a", "b"]) await at.post(remove(video));
      for (const job of await at.claim()) {
        await store.settleDelivery(job, answered(410, { at: clock.now() }), clock.now());
      }
      assert.deepEqual(
        (await store.audit({ limit: 9 })).map(({ through, verb, subject }) => [through, verb, subject]),
        [["relay", "endpoints pause", "cms"]],
      );
    },
    plain(),
  );
}

const shown = ({ verb, subject, count, outcome }: AuditEntry) => [verb, subject, count, outcome];

/** An event whose delivery is dead. */
async function dead(at: Bench) {
  const { store, clock } = at;
  const { id } = await at.post(remove("v1"));
  for (const job of await at.claim()) {
    await store.settleDelivery(job, answered(422, { at: clock.now(), isLast: true }), clock.now());
  }
  const [delivery] = await store.deliveries({ limit: 1 });
  return { clock, id, deliveryId: delivery!.id };
}
