import assert from "node:assert/strict";
import { test } from "node:test";
import { nextOf } from "../../src/actions/deliveries.ts";
import { pauseEndpoint, showEndpoint } from "../../src/actions/endpoints.ts";
import { explainEndpoint, whyHeld } from "../../src/actions/outcome/endpoint.ts";
import { openSeeded, ready } from "../support/seeded.ts";

const AT = "2026-01-31T08:00:00.000Z";

test("why nothing is sent to an endpoint is said with what ends it", () => {
  const endpoint = { id: "cms", pausedAt: null, reason: null, failingSince: null, nextProbeAt: null };
  const open = { waiting: 1, pending: 2, running: 0 };
  const why = (facts: Partial<Parameters<typeof whyHeld>[0]>) =>
    whyHeld({ ...endpoint, ...open, state: "active", ...facts });
  assert.equal(why({}), "3 on their way");
  assert.equal(why({ waiting: 0, pending: 0 }), "nothing waits for it");
  assert.equal(
    why({ state: "paused", pausedAt: AT, reason: "lunch" }),
    'nothing is sent: it is paused since 2026-01-31 08:00:00Z (lunch), until "endpoints resume cms"',
  );
  assert.equal(
    why({ state: "paused", reason: "by the config" }),
    'nothing is sent: it is paused (by the config), until "paused" is taken out of the config',
  );
  assert.equal(
    why({ state: "failing", failingSince: AT, reason: "connect ECONNREFUSED", nextProbeAt: AT }),
    "only probes are sent: it fails since 2026-01-31 08:00:00Z (connect ECONNREFUSED); the next is at 2026-01-31 08:00:00Z",
  );
  assert.match(why({ state: "removed" }), /^nothing is sent: it is not in the config, .* \(3\) is held$/);
});

test("an endpoint is shown with its options, the marks of its secrets, and what it lacks", async (t) => {
  const { store, config, take, deliver } = await openSeeded(t);
  await take(ready("v1"));
  await deliver("app", "dead", 422);
  await take(ready("v2"));
  const { endpoint, more } = await explainEndpoint({ store, config, id: "app" }, { limit: 1, now: Date.now() });
  assert.deepEqual([endpoint.why, endpoint.dead, more], ["1 on their way", 1, true]);
  assert.deepEqual([endpoint.settings?.timeout, endpoint.settings?.concurrency], ["15 s", 8]);
  assert.deepEqual(
    endpoint.undelivered.map(({ videoId, why }) => [videoId, why]),
    [["v2", "it is sent in a moment"]],
  );
  assert.match(endpoint.secrets[0]!.mark!, /^[0-9a-f]{8}$/);
  assert.doesNotMatch(JSON.stringify(endpoint), /whsec_/);
  const gone = await explainEndpoint(
    { store, config: { ...config, endpoints: [] }, id: "app" },
    { limit: 9, now: Date.now() },
  );
  assert.deepEqual([gone.endpoint.state, gone.endpoint.settings], ["removed", null]);
  await assert.rejects(
    explainEndpoint({ store, config, id: "ap" }, { limit: 9, now: Date.now() }),
    /did you mean "app"/,
  );
});

test("a second pause keeps the time of the first, and its reason unless it has one of its own", async (t) => {
  const { store, config } = await openSeeded(t);
  const target = { store, config, id: "app" };
  const by = "paused by the operator";
  const first = await pauseEndpoint(target, { reason: "maintenance", by }, Date.parse(AT));
  assert.deepEqual([first.reason, first.pausedAt], ["maintenance", AT]);
  assert.deepEqual(await pauseEndpoint(target, { reason: null, by }, Date.parse(AT) + 60_000), first);
  assert.deepEqual(await showEndpoint(target), first);
  const later = await pauseEndpoint(target, { reason: "until 5", by }, Date.parse(AT) + 120_000);
  assert.deepEqual(later, { ...first, reason: "until 5" });
});

test("a list says of a delivery when it is attempted next, or what holds it", () => {
  const next = (is: string | null, until: string | null = null) =>
    nextOf({ nextAttemptAt: AT, waitsFor: is === null ? null : { is, until, of: null } } as Parameters<
      typeof nextOf
    >[0]);
  const words = [
    next(null),
    next("retry", AT),
    next("slot"),
    next("pause"),
    next("removed"),
    next("lane"),
    next("breaker", AT),
    next("gate", AT),
  ];
  const time = "2026-01-31 08:00:00Z";
  const held = ["paused", "held: not in the config", "after another", `probes, ${time}`, `media, or ${time}`];
  assert.deepEqual(words, [time, time, time, ...held]);
});
