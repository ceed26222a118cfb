import assert from "node:assert/strict";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { DeliveryJob } from "../../src/model/delivery.ts";
import type { NoticeType } from "../../src/model/notice.ts";
import type { Store } from "../../src/store/store.ts";
import { endpoint } from "../support/config.ts";
import { checker, draft, type OpenStore, remove } from "./store.ts";

const at = (id: string, events: string[]) => endpoint(id, { events, send: "immediately", retry: ["1h"] });

/** "cms" fails, "ops" asks for all notices, and so does "cms"; "all" asks for none by name. */
const NOTICED: ConfigInput = { endpoints: [at("cms", ["*", "relay.*"]), at("ops", ["relay.*"]), at("all", ["*"])] };

/** What every store engine must tell of endpoints and dead deliveries, in the words of CONTRACT ("Notices"). */
export function storeNoticesContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "that a breaker opens and closes is told to the others that ask for it, without a video and without a lane",
    async (bench) => {
      const { claim, deliver, fail, post, store, clock } = bench;
      for (let n = 1; n <= 11; n++) await post(remove(`v${n}`));
      const jobs = await claim();
      const ends = [];
      for (const job of jobs) ends.push(await fail(job, 503));
      assert.deepEqual(ends.at(-2)?.feeds, []);
      assert.deepEqual(ends.at(-1)?.feeds, ["ops"]);
      const openedAt = clock.now();
      await clock.advance(5_000);
      assert.deepEqual((await deliver((await claim())[0]!)).feeds, ["ops"]);

      const notices = await claim(30_000, "ops");
      assert.deepEqual(
        notices.map(({ event }) => event.type),
        ["relay.endpoint.failing", "relay.endpoint.recovered"],
        "both at once: none waits for another",
      );
      assert.deepEqual(await bodyOf(store, notices[0]!), {
        type: "relay.endpoint.failing",
        wochitVideoId: null,
        videoContext: null,
        relay: {
          aboutEventId: null,
          at: new Date(openedAt).toISOString(),
          reason: "HTTP 503",
          endpoint: { id: "cms" },
        },
      });
      assert.equal((await bodyOf(store, notices[1]!)).relay.endpoint.id, "cms");
      for (const { event } of notices)
        assert.deepEqual([event.videoId, event.context, event.sequence], [null, null, null]);
      for (const id of ["cms", "all"]) {
        const { length } = (await store.deliveries({ limit: 99, endpoint: id })).filter(({ type }) => isNotice(type));
        assert.equal(length, 0, id);
      }
    },
    NOTICED,
  );

  check(
    "a notice about an endpoint is listed by its type alone, and of no video",
    async ({ claim, deliver, store, clock }) => {
      await store.pauseEndpoint("cms", "lunch", clock.now());
      assert.deepEqual(await store.events({ limit: 9 }), []);
      assert.deepEqual(await store.videos({ limit: 9 }), []);
      const [event] = await store.events({ limit: 9, types: ["relay.endpoint.paused"] });
      assert.deepEqual([event?.videoId, event?.sequence, event?.dialect], [null, null, "notice"]);
      const [delivery] = await store.deliveries({ limit: 9 });
      assert.deepEqual([delivery?.videoId, delivery?.endpoint, delivery?.eventId], [null, "ops", event?.id]);
      assert.equal((await store.delivery(delivery!.id)).videoId, null);
      const [job] = await claim(30_000, "ops");
      assert.equal((await deliver(job!)).state, "delivered");
      assert.equal((await store.event(event!.id)).status, "settled");
    },
    NOTICED,
  );

  check(
    "a pause, by an operator or by 410s, and its end are told once each",
    async (bench) => {
      const { claim, fail, post, store, clock } = bench;
      await store.resumeEndpoint("cms");
      const pausedAt = clock.now();
      for (const reason of ["lunch", "dinner"]) await store.pauseEndpoint("cms", reason, clock.now());
      const after = (await store.endpoints()).find(({ endpoint }) => endpoint === "cms")!;
      assert.deepEqual([after.reason, after.pausedAt], ["dinner", pausedAt]);
      for (let n = 0; n < 2; n++) await store.resumeEndpoint("cms");
      for (const video of ["v1", "v2"]) await post(remove(video));
      const [one, two] = await claim();
      assert.deepEqual((await fail(one!, 410)).feeds, []);
      const { paused, feeds } = await fail(two!, 410);
      assert.deepEqual([paused, feeds], [true, ["ops"]]);
      const told = [];
      for (const job of await claim(30_000, "ops")) {
        const { type, relay } = await bodyOf(store, job);
        told.push([type, relay.reason, relay.endpoint.id]);
      }
      assert.deepEqual(told, [
        ["relay.endpoint.paused", "lunch", "cms"],
        ["relay.endpoint.resumed", "resumed by an operator", "cms"],
        ["relay.endpoint.paused", "answered 410 Gone for two videos in a row", "cms"],
      ]);
    },
    NOTICED,
  );

  check(
    "that a delivery is dead is told in the lane of its video, also to its own endpoint; of a notice's it is not",
    async (bench) => {
      const { claim, deliver, die, post, store, clock } = bench;
      const { id } = await post(draft("v1", { videoContext: "page" }));
      const [job] = await claim();
      const { feeds } = await die(job!);
      assert.deepEqual(feeds.toSorted(), ["cms", "ops"]);
      await post(draft("v1"));
      const [notice, ...none] = await claim(30_000, "ops");
      assert.deepEqual(none, []);
      assert.deepEqual(await bodyOf(store, notice!), {
        type: "relay.delivery.dead",
        wochitVideoId: "v1",
        videoContext: "page",
        relay: {
          aboutEventId: id,
          at: new Date(clock.now()).toISOString(),
          reason: "HTTP 500",
          delivery: { id: job!.id, endpoint: "cms", attempts: 1, error: "HTTP 500" },
        },
      });
      const [own, ...later] = await claim();
      assert.deepEqual([own?.event.type, later], ["relay.delivery.dead", []], "ahead of what came after it");
      assert.deepEqual((await die(notice!)).feeds, []);
      assert.equal((await store.delivery(notice!.id)).state, "dead");
      await deliver(own!);
      const dead = await store.events({ limit: 9, types: ["relay.delivery.dead"] });
      assert.equal(dead.length, 1, "one event for both");
    },
    NOTICED,
  );

  check(
    "a notice for which no endpoint asks is not stored",
    async ({ claim, die, post, store, clock }) => {
      await post(remove("v1"));
      assert.deepEqual((await die((await claim())[0]!)).feeds, []);
      await store.pauseEndpoint("cms", "lunch", clock.now());
      const types = ["relay.delivery.dead", "relay.endpoint.paused"] satisfies NoticeType[];
      for (const type of types) assert.deepEqual(await store.events({ limit: 9, types: [type] }), []);
    },
    { endpoints: [at("cms", ["*", "relay.endpoint.*"]), at("all", ["*"])] },
  );
}

const isNotice = (type: string | null) => type?.startsWith("relay.") === true;

async function bodyOf(store: Store, { eventId }: DeliveryJob) {
  return JSON.parse(new TextDecoder().decode(await store.eventBody(eventId)));
}
