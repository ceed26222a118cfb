import assert from "node:assert/strict";
import type { ConfigInput } from "../../src/config/schema.ts";
import { settingsOf } from "../../src/store/settings.ts";
import type { Received } from "../../src/store/store.ts";
import { endpoint } from "../support/config.ts";
import { seededRandom } from "../support/random.ts";
import { type Bench, checker, draft, type OpenStore, plain, ready, remove } from "./store.ts";

const MINUTE = 60_000;

/** One endpoint with a filter beside one that takes everything. */
const filtered: ConfigInput = {
  endpoints: [
    endpoint("pages", { send: "immediately", filter: { context: ["page-*"] } }),
    endpoint("all", { send: "immediately" }),
  ],
};

/** What every store engine must do with `events` and `filter`, in the words of CONTRACT ("Choice"). */
export function storeChoiceContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "an event goes to the endpoints whose filter has its own context",
    async (at) => {
      const own = await at.post(draft("v1", { videoContext: "page-1" }));
      assert.deepEqual(await endpointsOf(at, own.id), ["all", "pages"]);
      const other = await at.post(draft("v1", { videoContext: "story-1" }));
      assert.deepEqual(await endpointsOf(at, other.id), ["all"]);
      const none = await at.post(draft("v2"));
      assert.deepEqual(await endpointsOf(at, none.id), ["all"]);
      assert.deepEqual(other.feeds.endpoints, ["all"]);
    },
    filtered,
  );

  check(
    "one without a context goes by its video's, as it is when the event is accepted; an own one of the event counts more",
    async (at) => {
      await at.post(draft("v1", { videoContext: "page-1" }));
      assert.deepEqual(await endpointsOf(at, (await at.post(remove("v1"))).id), ["all", "pages"]);
      const moved = await at.post(draft("v1", { videoContext: "story-1" }));
      assert.deepEqual(await endpointsOf(at, moved.id), ["all"]);
      assert.deepEqual(await endpointsOf(at, (await at.post(draft("v1"))).id), ["all"]);
      await at.store.importContexts([{ videoId: "v2", context: "page-2" }], { override: false }, at.clock.now());
      assert.deepEqual(await endpointsOf(at, (await at.post(remove("v2"))).id), ["all", "pages"]);
    },
    filtered,
  );

  check(
    "what becomes known of an event later revises no decision, and neither does another config",
    async (at) => {
      const { post, store, config, clock, seqs } = at;
      const early = await post(draft("v1"));
      await post(draft("v1", { videoContext: "page-1" }));
      assert.equal((await store.event(early.id)).context, "page-1");
      assert.deepEqual(await endpointsOf(at, early.id), ["all"]);
      assert.deepEqual(seqs(await claimFor(at, "pages")), ["v1#2"]);
      const kept = await post(draft("v2", { videoContext: "page-1" }));
      const [first, ...others] = settingsOf(config).endpoints;
      const narrower = { ...first!, events: ["!*"], filter: { context: ["story-*"], videoId: null } };
      store.configure({ ...settingsOf(config), endpoints: [narrower, ...others] });
      await clock.advance(MINUTE);
      assert.deepEqual(seqs(await claimFor(at, "pages")), ["v2#1"]);
      assert.deepEqual(await endpointsOf(at, kept.id), ["all", "pages"]);
      assert.deepEqual(await endpointsOf(at, (await post(draft("v3", { videoContext: "story-1" }))).id), ["all"]);
    },
    filtered,
  );

  check(
    "a late event goes by the context of its place in order, which its body carries",
    async (at) => {
      const { post, clock, store } = at;
      const start = clock.now();
      const late = async (videoId: string, minute: number) => {
        const id = await takeLate(at, draft(videoId), start + minute * MINUTE);
        return [(await store.event(id)).context, (await endpointsOf(at, id)).includes("pages")];
      };
      for (const videoContext of ["page-1", "story-1", "page-2"]) {
        await post(draft("v1", { videoContext }));
        await clock.advance(10 * MINUTE);
      }
      assert.deepEqual(await late("v1", 0), ["page-1", true], "of one instant the later commit is behind");
      assert.deepEqual(await late("v1", 9), ["page-1", true]);
      assert.deepEqual(await late("v1", 15), ["story-1", false], "the last one up to there");
      assert.deepEqual(await late("v1", 25), ["page-2", true], "nothing is behind it");
      assert.deepEqual(await late("v1", -1), ["page-2", true], "nothing was known then: the newest");

      await store.importContexts([{ videoId: "v2", context: "page-3" }], { override: false }, clock.now());
      await post(draft("v2", { videoContext: "story-2" }));
      assert.deepEqual(await late("v2", 5), ["page-3", true], "an import is before all events");
    },
    filtered,
  );

  check(
    "whatever was said of a video, in which order and how late: an event goes by the context that its body has then",
    async (at) => {
      const { post, clock, store } = at;
      const random = seededRandom("choice");
      const pick = <T>(...from: T[]) => from[Math.floor(random.float() * from.length)]!;
      const seen = new Set<string>();
      for (let step = 0; step < 150; step++) {
        clock.set(clock.now() + pick(0, MINUTE, MINUTE, -MINUTE));
        const videoId = pick("v1", "v2", "v3", `once-${step}`);
        const videoContext = pick(undefined, undefined, "page-1", "page-2", "story-1");
        const what = pick("event", "event", "late", "late", "import", "forget");
        if (what === "import") {
          const rows = [{ videoId, context: pick("page-3", "story-3") }];
          await store.importContexts(rows, { override: pick(true, false) }, clock.now());
        } else if (what === "forget" && step % 5 === 0) {
          await store.forgetVideo(videoId, clock.now()).catch(() => {});
        } else {
          const text = draft(videoId, { videoContext });
          const past = clock.now() - Math.floor(random.float() * 30) * MINUTE;
          const id = what === "late" ? await takeLate(at, text, past) : (await post(text)).id;
          const { context, contextFrom } = await store.event(id);
          const isWanted = context?.startsWith("page-") ?? false;
          const got = await endpointsOf(at, id);
          assert.deepEqual(got, isWanted ? ["all", "pages"] : ["all"], `step ${step}: ${what} of ${videoId}`);
          seen.add(`${what} ${contextFrom} ${isWanted}`);
        }
      }
      for (const how of ["event mapping true", "event mapping false", "late mapping true", "late mapping false"]) {
        assert.ok(seen.has(how), how);
      }
    },
    filtered,
  );

  check(
    "what is not wanted is not claimed with its event, and what is wanted has the job of its own delivery",
    async ({ post, clock }) => {
      const free = ["pages", "all"];
      const other = await post(draft("v1", { videoContext: "story-1" }), clock.now(), free);
      assert.deepEqual(
        other.leased.map(({ endpoint, eventId }) => [endpoint, eventId]),
        [["all", other.id]],
      );
      const own = await post(draft("v2", { videoContext: "page-1" }), clock.now(), free);
      assert.deepEqual(
        own.leased.map(({ endpoint, eventId }) => [endpoint, eventId]),
        free.map((id) => [id, own.id]),
      );
      assert.deepEqual([other.feeds.endpoints, own.feeds.endpoints], [[], []]);
    },
    filtered,
  );

  check(
    "the last of an endpoint's patterns that matches decides",
    async (at) => {
      assert.deepEqual(await endpointsOf(at, (await at.post(draft("v1"))).id), []);
      assert.deepEqual(await endpointsOf(at, (await at.post(remove("v1"))).id), ["cms"]);
    },
    plain({ events: ["*", "!draft.*", "draft.new"] }),
  );

  check(
    "a filter of videos takes their events alone",
    async (at) => {
      assert.deepEqual(await endpointsOf(at, (await at.post(draft("news-1"))).id), ["cms"]);
      assert.deepEqual(await endpointsOf(at, (await at.post(draft("v1"))).id), ["cms"]);
      assert.deepEqual(await endpointsOf(at, (await at.post(draft("v2"))).id), []);
    },
    plain({ filter: { videoId: ["news-*", "v1"] } }),
  );

  check(
    "a notice goes by the context that its video has when it is made",
    async (at) => {
      const { post, store, clock, download } = at;
      await post(ready("v1", { videoContext: "page-1", thumbnailUrl: undefined }));
      await post(ready("v2", { videoContext: "page-1", thumbnailUrl: undefined }));
      await post(draft("v2", { videoContext: "story-1" }));
      for (const job of await download()) {
        await store.settleDownload(job, { is: "failed", error: "HTTP 404" }, clock.now());
      }
      const notices = await store.events({ limit: 9, types: ["relay.media.failed"] });
      assert.deepEqual(
        notices.map(({ videoId }) => videoId),
        ["v1"],
      );
      assert.deepEqual(await endpointsOf(at, notices[0]!.id), ["ops"]);
    },
    { endpoints: [endpoint("ops", { events: ["relay.media.failed"], filter: { context: ["page-*"] } })] },
  );

  check(
    "a medium at risk is noticed where the filter takes its video",
    async ({ post, store, clock }) => {
      await post(ready("v1", { thumbnailUrl: undefined }));
      await post(ready("v2", { thumbnailUrl: undefined }));
      await clock.advance((await store.nextRisk())! - clock.now());
      assert.equal((await store.raiseRisks(clock.now())).length, 2);
      assert.deepEqual(
        (await store.events({ limit: 9, types: ["relay.media.at_risk"] })).map(({ videoId }) => videoId),
        ["v2"],
      );
    },
    { endpoints: [endpoint("ops", { events: ["relay.*"], filter: { videoId: ["v2"] } })] },
  );
}

/** The endpoints that have a delivery of this event, by name. */
async function endpointsOf({ store }: Bench, eventId: string): Promise<string[]> {
  return (await store.deliveries({ limit: 9, eventId })).map(({ endpoint }) => endpoint).sort();
}

async function claimFor({ store, clock }: Bench, endpoint: string) {
  return (await store.claimDeliveries({ endpoint, now: clock.now(), limit: 1, leaseFor: 30_000 })).jobs;
}

/** Takes in what was refused before, and gives the event's id. */
async function takeLate({ store }: Bench, text: string, receivedAt: number): Promise<string> {
  const received: Received = { receivedAt, sourceAddress: "192.0.2.1", body: Buffer.from(text), late: true };
  return (await store.accept(received)).id;
}
