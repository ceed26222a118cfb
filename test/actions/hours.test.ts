import assert from "node:assert/strict";
import { test } from "node:test";
import { describeHours, readEndpointHours, readTraffic } from "../../src/actions/outcome/hours.ts";
import { TALLY_BOUNDS, type Tally, type TallyWish } from "../../src/store/counts.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, callJson } from "../support/spawn.ts";

const HOUR = 3_600_000;
const hour = Date.UTC(2026, 0, 31, 8);
const now = hour + 12_345;

type Given = Partial<Tally> & Pick<Tally, "kind" | "label">;

/** A store that has only these. */
function storeOf(...tallies: Given[]) {
  const all: Tally[] = tallies.map((one) => ({ hour, ok: 0, failed: 0, ms: 0, times: [], ...one }));
  const wishes: TallyWish[] = [];
  return {
    wishes,
    async tallies(wish: TallyWish) {
      wishes.push(wish);
      return all.filter(({ kind, label }) => kind === wish.kind && (wish.label ?? label) === label);
    },
  };
}

test("an endpoint's hours are without gaps, this one last, with how deliveries ended and attempts went", async () => {
  const store = storeOf(
    { kind: "deliveries", label: "cms", ok: 9, failed: 1 },
    { kind: "attempts", label: "cms", ok: 9, failed: 3, times: [5, 0, 3, 0, 0, 0, 0, 1, 1] },
    { kind: "deliveries", label: "cms", ok: 2, hour: hour - 2 * HOUR },
    { kind: "deliveries", label: "stats", ok: 70 },
    { kind: "attempts", label: "stats", ok: 1, times: [0, 0, 0, 0, 0, 0, 0, 0, 1] },
  );
  const none = { delivered: 0, dead: 0, attempts: 0, failed: 0, p50: null, p95: null };
  const at = (ago: number) => new Date(hour - ago * HOUR).toISOString();
  const hours = await readEndpointHours(store, ["cms", "stats", "idle"], { now, count: 3 });
  assert.deepEqual(hours.get("cms"), [
    { hour: at(2), ...none, delivered: 2 },
    { hour: at(1), ...none },
    { hour: at(0), delivered: 9, dead: 1, attempts: 12, failed: 3, p50: 10, p95: 30_000 },
  ]);
  assert.equal(hours.get("stats")!.at(-1)!.p50, TALLY_BOUNDS.at(-1), "what took longer than the last bound");
  assert.deepEqual(hours.get("idle")!.at(-1), { hour: at(0), ...none });
  assert.deepEqual(
    store.wishes.map(({ since, label }) => [since, label]),
    [
      [hour - 2 * HOUR, undefined],
      [hour - 2 * HOUR, undefined],
    ],
  );
  const alone = storeOf();
  assert.equal((await readEndpointHours(alone, ["cms"], { now })).get("cms")!.length, 24);
  assert.deepEqual(
    alone.wishes.map(({ label }) => label),
    ["cms", "cms"],
    "of one only its own are read",
  );
});

test("the hours of all have what came, what was sent and what was copied", async () => {
  const store = storeOf(
    { kind: "received", label: "video.ready", ok: 5, failed: 1 },
    { kind: "received", label: "draft.new", ok: 2 },
    { kind: "deliveries", label: "cms", ok: 3, failed: 1 },
    { kind: "deliveries", label: "stats", ok: 4 },
    { kind: "media", label: "video", ok: 1, failed: 2 },
  );
  const traffic = await readTraffic(store, { now });
  assert.equal(traffic.length, 24);
  const none = { received: 0, duplicates: 0, delivered: 0, dead: 0, mirrored: 0, lost: 0 };
  assert.deepEqual(traffic[22], { hour: new Date(hour - HOUR).toISOString(), ...none });
  const [last] = traffic.slice(-1);
  assert.deepEqual(last, {
    hour: new Date(hour).toISOString(),
    ...{ received: 7, duplicates: 1, delivered: 7, dead: 1, mirrored: 1, lost: 2 },
  });
});

test("hours are said in one line", () => {
  const of = { hour: "", delivered: 4, dead: 1, attempts: 7, failed: 3, p50: 100, p95: 300 };
  const idle = { hour: "", delivered: 0, dead: 0, attempts: 0, failed: 0, p50: null, p95: null };
  assert.equal(describeHours([idle, idle]), "nothing was sent");
  assert.equal(
    describeHours([{ ...of, p50: 10 }, of, idle]),
    "8 delivered, 2 died (one that is sent again may have been delivered since); 6 of 14 attempts failed; of the newest half took at most 100 ms, 95 % at most 300 ms",
  );
});

test("endpoints show says what came of the last hours", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const show = ["endpoints", "show", "app", "--config", seeded.configPath];
  assert.match((await callCli(show)).stdout, /^last 24 h +nothing was sent$/m);
  await seeded.deliver("app", "dead");
  assert.match(
    (await callCli([...show, "--hours", "2"])).stdout,
    /^last 2 h +0 delivered, 1 died \(one that [^)]+\); 1 of 1 attempts failed/m,
  );
  const [json] = await callJson([...show, "--hours", "168"]);
  const hours = json.hours as { dead: number }[];
  assert.deepEqual([hours.length, hours.reduce((sum, { dead }) => sum + dead, 0)], [168, 1]);
  assert.match((await callCli([...show, "--hours", "169"])).stderr, /--hours is at most 168/);
});
