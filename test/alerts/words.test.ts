import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf } from "../../src/alerts/words.ts";
import type { Alert } from "../../src/model/alert.ts";

const BEGAN = Date.parse("2026-11-30T12:25:00Z");
const MINUTE = 60_000;
const cms: Alert = {
  ...{ id: "alr_1", says: "begins", at: BEGAN, name: "BreakerOpen", severity: "page", subject: "cms" },
  ...{ what: "cms is failing since 15 min", means: "HTTP 503.", commands: ["wochit-relay endpoints show cms"] },
};
const of = (...alerts: Alert[]) => messageOf(alerts, { relay: "here", at: BEGAN + 60 * MINUTE });

test("a message that comes late says of what is over when it began and ended, and not that it needs someone", () => {
  const over: Alert = { ...cms, id: "alr_2", says: "ends", at: BEGAN + MINUTE };
  const { title, text, json } = of(cms, over);
  assert.doesNotMatch(title, /need/);
  assert.equal(
    text,
    "began 2026-11-30 12:25:00Z, over 2026-11-30 12:26:00Z: cms is failing since 15 min (BreakerOpen)",
  );
  const { alerts } = json as { alerts: Alert[] };
  assert.deepEqual(
    alerts.map(({ says }) => says),
    ["begins", "ends"],
    "a program gets all of it",
  );
  assert.match(
    of({ ...over, began: BEGAN - MINUTE }).text,
    /^began 2026-11-30 12:24:00Z, over 2026-11-30 12:26:00Z: cms/,
  );
});

test("what goes on is said once in a message, with what helps", () => {
  const { text } = of(cms, { ...cms, id: "alr_2", says: "lasts", at: BEGAN + MINUTE });
  assert.match(
    text,
    /^PAGE: cms is failing since 15 min \(BreakerOpen\)\n {2}HTTP 503\.\n {2}wochit-relay endpoints show cms$/,
  );
});
