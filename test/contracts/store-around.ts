import assert from "node:assert/strict";
import { endpoint } from "../support/config.ts";
import { checker, draft, type OpenStore } from "./store.ts";

const MINUTE = 60_000;

const ENDPOINTS = [
  endpoint("cms", { send: "immediately", retry: ["1m", "1h"], laneHold: "3d" }),
  endpoint("stats", { send: "immediately", retry: ["1m"], order: "none" }),
];

/** What lists say beside their rows. */
export function storeAroundContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "what stands behind a delivery that has failed is known, until it arrives or steps aside",
    async (at) => {
      const { post, store, claim, fail, deliver, clock } = at;
      const heldUp = async () => (await store.heldUp(["cms", "stats"]))[0]!;
      for (let n = 0; n < 4; n++) await post(draft("v1", { n }));
      await post(draft("v2"));
      const nothing = { endpoint: "cms", videos: 0, behind: 0, failed: 0, isMore: false, first: null };
      assert.deepEqual(await heldUp(), nothing, "nothing has failed");
      for (const job of await claim()) await fail(job, job.event.videoId === "v1" ? 422 : 500);
      const [refused] = (await store.deliveries({ videoId: "v1", endpoint: "cms", limit: 9 })).reverse();
      const { id: deliveryId, eventId } = refused!;
      const first = { deliveryId, eventId, error: "HTTP 422", isRefused: true };
      // Nothing stands behind the one of v2.
      const held = { ...nothing, videos: 1, behind: 3, failed: 2, first };
      assert.deepEqual(await heldUp(), held);
      clock.set(clock.now() + MINUTE);
      const again = await claim();
      assert.deepEqual(await heldUp(), held, "also while it is tried again");
      for (const job of again) await deliver(job);
      assert.deepEqual(await heldUp(), nothing);

      for (const job of await claim()) await fail(job, 503);
      const { first: failing, behind } = await heldUp();
      assert.deepEqual([failing?.error, failing?.isRefused, behind], ["HTTP 503", false, 2]);
      for (const job of await claim(30_000, "stats")) await fail(job, 422);
      const [, free] = await store.heldUp(["cms", "stats"]);
      assert.deepEqual([free!.videos, free!.failed], [0, 5], "without an order none stands behind another");
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "what apps lack of some videos is told with the rest of a list, in the order that was asked",
    async (at) => {
      const { post, store, claim, fail, deliver, die } = at;
      for (const id of ["v1", "v2", "v3"]) await post(draft(id));
      await post(draft("v3", { n: 2 }));
      for (const job of await claim()) {
        if (job.event.videoId === "v1") await die(job);
        else if (job.event.videoId === "v2") await deliver(job);
        else await fail(job, 422);
      }
      for (const job of await claim(30_000, "stats")) await deliver(job);
      const of = async (ids: string[]) => store.videosAround(ids);
      const cms = { endpoint: "cms", dead: 0, open: 0, failed: 0 };
      assert.deepEqual(await of(["v3", "none", "v1", "v2"]), [
        { videoId: "v3", lacking: [{ ...cms, open: 2, failed: 1 }] },
        { videoId: "v1", lacking: [{ ...cms, dead: 1 }] },
        { videoId: "v2", lacking: [] },
      ]);
      assert.deepEqual(await of([]), []);
      const [dead] = await store.deliveries({ state: "dead", limit: 1 });
      await store.replay(dead!.eventId, { endpoint: "cms", ordered: true, newId: false }, at.clock.now());
      assert.deepEqual((await of(["v1"]))[0]!.lacking, [{ ...cms, dead: 1, open: 1 }]);
      for (const job of await claim()) await deliver(job);
      assert.deepEqual((await of(["v1"]))[0]!.lacking, [], "a replay that arrived stands for it");
    },
    { endpoints: ENDPOINTS },
  );
}
