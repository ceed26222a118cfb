import assert from "node:assert/strict";
import { endpoint } from "../support/config.ts";
import { checker, draft, type OpenStore, ready } from "./store.ts";

const TRACE = {
  id: "0af7651916cd43dd8448eb211c80319c",
  parent: "b7ad6b7169203331",
  flags: "01",
  state: "a=1,b=2",
};

/** What every store engine must do with the trace that an event came in. */
export function storeTraceContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check("an event keeps the trace of its request, for every attempt, over a restart; others have none", async (at) => {
    const { post, store, clock, claim, fail } = at;
    const sent = { receivedAt: clock.now(), sourceAddress: "192.0.2.1" };
    const { id } = await store.accept({ ...sent, body: Buffer.from(draft("v1")), trace: TRACE });
    const without = await post(draft("v2"));
    assert.deepEqual((await store.event(id)).trace, TRACE);
    assert.equal("trace" in (await store.event(without.id)), false);
    const jobs = await claim();
    assert.deepEqual(
      jobs.map(({ event }) => event.trace),
      [TRACE, undefined],
    );
    for (const job of jobs) await fail(job);
    await store.close();
    const reopened = await at.reopen();
    const wish = { endpoint: "cms", now: clock.now() + 24 * 3_600_000, limit: 9, leaseFor: 30_000 };
    const { jobs: again } = await reopened.claimDeliveries(wish);
    await reopened.close();
    assert.deepEqual(again.find(({ eventId }) => eventId === id)?.event.trace, TRACE);
  });

  check(
    "a claim that comes with the event has its trace, and what is forgotten keeps none",
    async ({ store, clock }) => {
      const sent = { receivedAt: clock.now(), sourceAddress: "192.0.2.1" };
      const lease = { endpoints: ["cms"], leaseFor: 30_000 };
      const trace = { ...TRACE, state: null };
      const { id, leased } = await store.accept({ ...sent, body: Buffer.from(ready("v1")), trace, lease });
      assert.deepEqual(leased[0]?.event.trace, trace);
      await store.forgetVideo("v1", clock.now());
      assert.equal((await store.event(id)).trace, undefined);
    },
    { endpoints: [endpoint("cms", { send: "immediately" })] },
  );
}
