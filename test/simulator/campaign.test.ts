import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "undici";
import { type Campaign, type Report, runCampaign } from "../../src/simulator/campaign.ts";
import { EVENT_TYPES } from "../../src/simulator/events.ts";
import { openProvider, type Provider } from "../../src/simulator/provider.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver, type Receiver } from "../support/receiver.ts";

async function campaign(
  wish: Omit<Campaign, "to">,
  look: (seen: { receiver: Receiver; provider: Provider; reports: Report[]; ms: number }) => void | Promise<void>,
  answer = (_: number) => {},
): Promise<void> {
  const ports = realPorts();
  const provider = await openProvider(ports);
  const receiver = await openReceiver((_, nth) => {
    answer(nth);
    return 200;
  });
  try {
    const reports: Report[] = [];
    const from = performance.now();
    await runCampaign({ to: receiver.url, ...wish }, { ...ports, provider }, (report) => void reports.push(report));
    await look({ receiver, provider, reports, ms: performance.now() - from });
  } finally {
    await receiver.close();
    await provider.close();
  }
}

const DELETIONS = ["video.delete", "draft.delete"];
const LIFE = EVENT_TYPES.filter((type) => !DELETIONS.includes(type));

test("a whole life is sent in its order, about one video and one context, with links that answer, deletions last", () =>
  campaign({ types: EVENT_TYPES, count: 2 }, async ({ receiver, provider, reports }) => {
    assert.equal(reports.length, 16);
    const types = receiver.requests.map(({ json }) => json.type ?? "legacy");
    assert.deepEqual(types, [...LIFE, ...LIFE, ...DELETIONS, ...DELETIONS]);
    const ids = receiver.requests.map(({ json }) => json.wochitVideoId);
    assert.equal(new Set(ids).size, 2);
    for (const id of new Set(ids)) {
      const own = receiver.requests.filter(({ json }) => json.wochitVideoId === id);
      assert.deepEqual(
        own.map(({ json }) => json.type ?? "legacy"),
        [...LIFE, ...DELETIONS],
      );
      const contexts = own.map(({ json }) => json.videoContext);
      assert.equal(contexts.pop(), undefined, "draft.delete has none");
      assert.equal(new Set(contexts).size, 1);
      assert.equal(typeof contexts[0], "string");
    }
    for (const { json } of receiver.requests) {
      for (const link of [json.videoUrl, json.thumbnailUrl].filter(Boolean)) {
        const answer = await request(link);
        await answer.body.dump();
        assert.equal(answer.statusCode, 200);
      }
    }
    assert.ok(provider.media().every((medium) => medium.isTaken));
  }));

test("what is to come before the deletions is waited for, and is not asked for where nothing else was sent", async () => {
  const order: string[] = [];
  const beforeDeletion = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    order.push("waited");
  };
  const wish = { count: 1, context: "page-1", beforeDeletion };
  await campaign({ ...wish, types: ["video.delete", "draft.new"] }, ({ receiver }) => {
    const types = receiver.requests.map(({ json }) => json.type);
    assert.deepEqual([types, order], [["draft.new", "video.delete"], ["waited"]]);
    assert.deepEqual(
      receiver.requests.map(({ json }) => json.videoContext),
      ["page-1", "page-1"],
    );
  });
  await campaign({ ...wish, types: ["draft.delete"] }, () => assert.deepEqual(order, ["waited"]));
});

test("a rate is kept, and events of several videos are under way at once", () =>
  campaign({ types: ["video.ready"], count: 20, rate: 50, videoBytes: 5_000 }, ({ receiver, provider, ms }) => {
    assert.equal(receiver.requests.length, 20);
    assert.ok(ms > 350 && ms < 30_000, `${ms} ms for 20 events at 50 a second`);
    assert.equal(provider.media().filter((medium) => medium.bytes.length === 5_000).length, 20);
  }));

test("an autosave brings another thumbnail behind the same link", () =>
  campaign({ types: ["draft.update"], count: 3, videoId: "a" }, ({ receiver, provider }) => {
    assert.equal(provider.media().length, 1);
    assert.equal(new Set(receiver.requests.map(({ json }) => json.videoContext)).size, 1);
    assert.equal(new Set(receiver.requests.map(({ json }) => json.thumbnailUrl.split("?")[0])).size, 1);
    assert.equal(new Set(receiver.requests.map(({ json }) => json.thumbnailUrl)).size, 3);
  }));

test("what cannot be sent is reported, and an abort ends it between two events", async () => {
  const ports = realPorts();
  const provider = await openProvider(ports);
  const reports: Report[] = [];
  const nobody = await openReceiver();
  await nobody.close();
  await runCampaign(
    { to: nobody.url, types: ["draft.new"], count: 1 },
    { ...ports, provider },
    (one) => void reports.push(one),
  );
  assert.ok("error" in reports[0]!);
  await provider.close();

  const stop = new AbortController();
  const tenth = (nth: number) => void (nth === 9 && stop.abort());
  await campaign(
    { types: ["draft.new"], count: 100_000, signal: stop.signal },
    ({ receiver }) => assert.equal(receiver.requests.length, 10),
    tenth,
  );
});
