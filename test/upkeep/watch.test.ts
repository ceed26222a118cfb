import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { Delivery } from "../../src/model/delivery.ts";
import { openStore } from "../../src/store/open.ts";
import { send } from "../support/front-door.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { setClock } from "../support/set-clock.ts";
import { waitFor } from "../support/wait.ts";

const SECOND = 1_000;
const DAY = 24 * 3_600_000;
const YEAR = 365 * DAY;

const draft = (videoId: string, title = "") =>
  JSON.stringify({ type: "draft.update", wochitVideoId: videoId, videoTitle: title });

/** A relay whose machine's clock the test sets, and an app that refuses until it is asked to answer 200. */
async function setUp(t: TestContext, input: (url: string) => ConfigInput) {
  const ports = realPorts();
  const clock = setClock(ports.clock);
  ports.clock = clock;
  const app = await openReceiver(500);
  const relay = await startRelay(input(app.url), ports);
  t.after(() => Promise.all([relay.close(), app.close()]));
  const look = async () => {
    const store = await openStore(relay.config, ports, { role: "operator" });
    t.after(() => store.close());
    return store;
  };
  const facts = () => ports.log.facts.map(({ fact }) => fact);
  const post = (body: string) => send(relay.port, { method: "POST", path: "/webhooks/wochit" }, body);
  return { relay, app, clock, look, facts, post };
}

test("when the clock is set back, retries and the lane behind them go on at once", async (t) => {
  const { app, clock, look, facts, post } = await setUp(t, (url) => ({
    endpoints: [endpointTo(url, { retry: Array.from({ length: 9 }, () => "1s") })],
  }));
  const count = (fact: string) => facts().filter((one) => one === fact).length;
  const operator = await look();
  const hasFailed = async () => (await operator.deliveries({ limit: 9 })).some(isWaiting);
  const isWaiting = ({ state, attempts }: Delivery) => state === "pending" && attempts > 0;
  for (const ahead of [DAY, 0, -DAY, 0]) {
    app.answer(500);
    await post(draft("v1", `first ${ahead}`));
    await post(draft("v1", `second ${ahead}`));
    await waitFor(hasFailed);
    clock.setAhead(ahead);
    app.answer(200);
    // 30 s is when a worker looks again that nothing wakes.
    await waitFor(() => app.requests.at(-1)?.json.videoTitle === `second ${ahead}`, 25 * SECOND);
  }
  await waitFor(() => count("the clock was set forward") === 2);
  assert.equal(count("the clock was set back"), 2);
  const sequences = app.requests.map(({ json }) => Number(json.relay.sequence));
  assert.deepEqual(
    sequences,
    sequences.toSorted((a, b) => a - b),
  );
});

test("a clock that says 2500 for a moment leaves nothing behind: not in ids, times, due times, gates or links", async (t) => {
  const { relay, app, clock, look, post } = await setUp(t, (url) => ({
    endpoints: [endpointTo(url, { retry: ["1h", "1h"] })],
    mirror: { allowPrivateAddresses: true, minFreeDisk: 0 },
  }));
  const right = Date.now();
  const first = await post(draft("v1"));
  await waitFor(() => app.requests.length === 1);
  clock.setAhead(Date.UTC(2500, 0, 1) - right);
  const during = await post(
    JSON.stringify({ type: "video.ready", wochitVideoId: "v2", videoUrl: "http://127.0.0.1:9/v.mp4" }),
  );
  await post(draft("v3"));
  await waitFor(() => app.requests.length === 2);
  // A command that runs then knows no better.
  const operator = await look();
  const [waiting] = await operator.deliveries({ limit: 1, state: "pending" });
  await operator.retryDelivery(waiting!.id, clock.now());
  clock.setAhead(0);
  const after = await post(draft("v4"));
  assert.deepEqual(
    [first, during, after].map(({ status }) => status),
    [200, 200, 200],
  );
  await waitFor(async () => {
    const shown = (await operator.deliveries({ limit: 9 })).map(({ id }) => operator.delivery(id));
    return (await Promise.all(shown)).flatMap(({ attemptLog }) => attemptLog).length === 4;
  });
  const ids = [first, during, after].map(({ json }) => json.id);
  assert.deepEqual(ids, ids.toSorted());

  const soon = Date.now() + 2 * DAY;
  for (const { receivedAt } of await operator.events({ limit: 9 })) assert.ok(receivedAt < soon);
  const all = await operator.deliveries({ limit: 9 });
  assert.equal(all.length, 4);
  for (const { nextAttemptAt } of all) assert.ok(nextAttemptAt !== null && nextAttemptAt < soon);
  const [medium] = await operator.media({ limit: 9 });
  assert.ok(medium!.deadline > right && medium!.deadline < soon);
  await relay.restart();
  assert.equal((await post(draft("v5"))).status, 200);
});

test("a clock that was set back while no relay ran holds up no retry", async (t) => {
  const { relay, app, clock, look, facts, post } = await setUp(t, (url) => ({
    endpoints: [endpointTo(url, { retry: ["1h", "1h"] })],
  }));
  clock.setAhead(10 * YEAR);
  await relay.restart();
  await post(draft("v1"));
  await waitFor(() => app.requests.length === 1);
  const store = await look();
  const due = async () => (await store.deliveries({ limit: 1 }))[0]!.nextAttemptAt!;
  await waitFor(async () => (await due()) > Date.now() + 9 * YEAR);
  await relay.stop();
  clock.setAhead(0);
  await relay.restart();
  await waitFor(async () => (await due()) < Date.now() + 2 * 3_600_000);
  assert.ok(facts().includes("the clock was set back since the relay last ran"));
});
