import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Medium } from "../../src/model/medium.ts";
import { deadlineOf } from "../../src/wochit/link-expiry.ts";
import { endpoint } from "../support/config.ts";
import type { LinkScheme } from "../support/provider.ts";
import { openStored } from "../support/stored.ts";
import { openWeek, type Posted, STEP, type Week } from "./week-stage.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONDAY = Date.UTC(2026, 0, 5);
const START = MONDAY + 16 * HOUR + 30 * MINUTE;

/** The provider is there for the last four hours of each day, and resets every connection before. */
const isUp = (now: number) => (now - MONDAY) % DAY >= 20 * HOUR;

/** From Wednesday's morning to Saturday's, nothing can be kept. */
const TARGET_DOWN = { from: MONDAY + 2 * DAY + 9 * HOUR, until: MONDAY + 5 * DAY + 9 * HOUR };

/** What a link lives, in hours, and whose it looks like; the plain ones do not tell. */
const KINDS: [LinkScheme, number][] = [
  ["aws", 24],
  ["cloudfront", 2],
  ["azure", 36],
  ["google", 72],
  ["plain", 24],
  ["aws", 9],
  ["cloudfront", 168],
];

const linkOf = ([scheme, hours]: (typeof KINDS)[number]) => ({ scheme, lifetime: hours * 3_600 });

/** So long the provider answers while the link lives. */
function chance({ at, lifetime }: Posted): number {
  let minutes = 0;
  for (let now = at; now < at + lifetime; now += MINUTE) if (isUp(now)) minutes++;
  return minutes * MINUTE;
}

type Notice = { type: string; reason: string; at: number; status: string };

/** What came to an endpoint about each event, in order: the event itself, and notices. */
function arrivals({ app }: Week, path: string): Map<string, (Notice | { type: "event"; status: string })[]> {
  const all = new Map<string, (Notice | { type: "event"; status: string })[]>();
  for (const { json, path: to } of app.requests) {
    if (to !== path) continue;
    const { eventId, aboutEventId, reason, at, media } = json.relay;
    const id = aboutEventId ?? eventId;
    const status = media?.video?.status;
    const one = aboutEventId
      ? { type: json.type, reason, at: Date.parse(at), status }
      : { type: "event" as const, status };
    all.set(id, [...(all.get(id) ?? []), one]);
  }
  return all;
}

async function mediaOf({ configPath }: Week): Promise<Map<string, Medium>> {
  const stored = await openStored(configPath);
  const media = new Map<string, Medium>();
  for await (const medium of stored.media()) media.set(medium.videoId, medium);
  await stored.close();
  return media;
}

test("in a week with a provider that is down most of the time and a target that is down for three days, no link dies that could be saved", {
  timeout: 600_000,
}, async (t) => {
  const week = await openWeek(t, START, (app) => ({
    mirror: { allowPrivateAddresses: true, minFreeDisk: 0, concurrency: 1 },
    endpoints: [
      endpoint("plain", { url: `${app}/plain`, events: ["*"] }),
      endpoint("asks", {
        url: `${app}/asks`,
        events: ["relay.media.at_risk", "relay.media.failed", "relay.media.mirrored"],
      }),
    ],
  }));
  const { provider, requests } = week;
  provider.server.prependListener("request", () => provider.setFault(isUp(week.now()) ? null : { name: "reset" }));
  const posted: Posted[] = [];

  // First tries are made by deadline, whatever the order in which the events came.
  const hours = [9, 168, 3, 24, 5, 72, 12, 2, 36, 7, 48, 18];
  await week.open({ workers: false });
  for (const each of hours) posted.push(await week.post(`first-${each}`, linkOf(["aws", each])));
  await week.close();
  assert.equal(requests.length, 0);
  await week.open();
  const byDeadline = hours.toSorted((a, b) => a - b).map((each) => `/media/first-${each}/video.mp4`);
  assert.deepEqual(
    requests.slice(0, byDeadline.length).map(({ path }) => path),
    byDeadline,
  );

  // Whatever waits for another try: what was never tried comes first.
  await week.passUntil(START + HOUR);
  await week.close();
  await week.open({ workers: false });
  for (const each of [30, 4, 20]) posted.push(await week.post(`second-${each}`, linkOf(["google", each])));
  await week.passUntil(START + HOUR + 10 * MINUTE);
  await week.close();
  const before = requests.length;
  await week.open();
  const after = requests.slice(before).map(({ path }) => path);
  assert.deepEqual(
    after.slice(0, 3),
    [4, 20, 30].map((each) => `/media/second-${each}/video.mp4`),
  );
  assert.ok(after.length >= 3 + byDeadline.length, "all that had waited was due");

  // Then time passes, with an event every nine hours.
  for (let nth = 0; week.now() < START + 6 * DAY; nth++) {
    posted.push(await week.post(`then-${nth}`, linkOf(KINDS[nth % KINDS.length]!)));
    const next = START + (nth + 1) * 9 * HOUR;
    for (const [at, isDown] of [
      [TARGET_DOWN.from, true],
      [TARGET_DOWN.until, false],
    ] as const) {
      if (at <= week.now() || at > next) continue;
      await week.passUntil(at);
      week.setTargetDown(isDown);
    }
    await week.passUntil(next);
  }
  await week.passUntil(START + 8 * DAY);

  const media = await mediaOf(week);
  const told = { plain: arrivals(week, "/plain"), asks: arrivals(week, "/asks") };
  const counts = { mirrored: 0, expired: 0, risks: 0, pending: 0 };
  for (const one of posted) {
    const { id, videoId, path, at, sha256 } = one;
    const mine = requests.filter((request) => request.path === path);
    const taken = mine.find(({ status }) => status === 200);
    const medium = media.get(videoId)!;
    const deadline = deadlineOf(medium.sourceUrl, at, DAY);
    const name = `${videoId}, sent at hour ${(at - START) / HOUR}, good for ${one.lifetime / HOUR} h`;
    const outlook = chance(one);
    assert.ok(outlook === 0 || outlook >= 30 * MINUTE, `${name}: too close to call`);
    if (videoId.startsWith("then")) assert.ok(mine[0]!.at < at + STEP, `${name} was tried at once`);

    if (outlook > 0) {
      counts.mirrored++;
      assert.equal(medium.state, "mirrored", `${name}: ${medium.lastError}`);
      const copy = createHash("sha256").update(readFileSync(join(week.mediaDir, medium.key!)));
      assert.equal(copy.digest("hex"), sha256, name);
      assert.equal(mine.filter(({ status }) => status === 200).length, 1, `${name} was fetched once`);
    } else {
      counts.expired++;
      assert.equal(medium.state, "expired", name);
      assert.ok(mine.at(-1)!.at >= deadline, `${name} is not given up before a try past its deadline has failed`);
    }

    // Who asks by name is told of the risk while nothing is secured, and of the end.
    const end = outlook > 0 ? "relay.media.mirrored" : "relay.media.failed";
    const status = outlook > 0 ? "mirrored" : "expired";
    const asked = told.asks.get(id) ?? [];
    const risks = asked.filter(({ type }) => type === "relay.media.at_risk") as Notice[];
    const securedAt = taken?.at ?? Number.POSITIVE_INFINITY;
    const shares = [0.5, 0.75, 0.9].map((share) => ({ share, due: at + share * (deadline - at) }));
    const expected = shares.filter(({ due }) => due < securedAt);
    assert.equal(risks.length, expected.length, `${name}: ${JSON.stringify(risks)}`);
    for (const [nth, { share, due }] of expected.entries()) {
      const { at: told, reason, status: risked } = risks[nth]!;
      assert.match(reason, new RegExp(`^${share * 100} %`));
      assert.ok(told >= due - 1 && told <= due + 2 * STEP, `${name}: ${share} told ${told - due} ms late`);
      assert.ok(["pending", status].includes(risked));
      counts.risks++;
    }
    assert.deepEqual(
      asked.slice(risks.length).map((notice) => [notice.type, notice.status]),
      [[end, status]],
      name,
    );

    // Who asks for nothing gets the event after an hour at most, and the outcome where it was still open.
    const [event, ...outcomes] = told.plain.get(id) ?? [];
    assert.equal(event?.type, "event", name);
    if (event!.status === "pending") {
      counts.pending++;
      assert.deepEqual(
        outcomes.map((notice) => [notice.type, notice.status]),
        [[end, status]],
        name,
      );
    } else assert.deepEqual([event!.status, outcomes.length], [status, 0], name);
  }
  t.diagnostic(`${posted.length} links, ${requests.length} requests, ${JSON.stringify(counts)}`);
  assert.ok(
    Object.values(counts).every((count) => count > 3),
    JSON.stringify(counts),
  );
});
