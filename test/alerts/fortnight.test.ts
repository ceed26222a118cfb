import assert from "node:assert/strict";
import { test } from "node:test";
import { ALARMS, type AlarmName, onsetOf } from "../../src/actions/alarms/judge.ts";
import type { Alert, StandingAlarm } from "../../src/model/alert.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock, testPorts, testRandom } from "../support/ports.ts";

const MINUTE = 60_000;
const HOUR = 60;
const DAY = 24 * HOUR;
const DAYS = 14;

/** Its minutes: each alarm on a day of its own, from ten o'clock for three hours; the last three days for one that flaps. */
function stands(name: AlarmName, minute: number): boolean {
  const own = ALARMS.indexOf(name) * DAY + 10 * HOUR;
  if (name === "BreakerOpen" && minute >= 12 * DAY && minute < 12 * DAY + 2 * HOUR) return minute % 20 < 10;
  return minute >= own && minute < own + 3 * HOUR;
}

test("a fortnight in which each alarm begins and ends and one flaps, closed and opened between any two steps: each is said once", async (t) => {
  const clock = testClock();
  const start = clock.now();
  const config = configIn(tempFolder(t), {});
  const random = testRandom(7);
  const open = () => openStore(config, testPorts(clock), { role: "relay" });
  let store = await open();
  t.after(() => store.close());
  /** Between any two steps the relay may be killed: its work is lost, its leases are freed at the next start. */
  async function maybeKill(): Promise<boolean> {
    if (random.float() > 0.02) return false;
    await store.close();
    store = await open();
    await store.freeLeases(clock.now());
    return true;
  }
  const heard: Alert[] = [];
  let kills = 0;
  for (let minute = 0; minute < DAYS * DAY; minute++) {
    clock.set(start + minute * MINUTE);
    const now = clock.now();
    const standing = ALARMS.filter((name) => stands(name, minute)).map(
      (name): StandingAlarm => ({
        ...{ name, severity: "page", subject: null, what: name, means: "", commands: [] },
        ...onsetOf(name, now),
      }),
    );
    const receivers = [{ id: "slack-1", place: "chat.example.com", atLeast: "ticket" } as const];
    await store.noteAlarms({ standing, receivers, by: `relay ${kills}`, leaseFor: 30_000 }, now);
    if (await maybeKill()) kills++;
    for (const job of await store.claimAlerts({ receivers: ["slack-1"], leaseFor: 30_000 }, now)) {
      if (await maybeKill()) {
        kills++;
        continue;
      }
      heard.push(...job.alerts);
      await store.settleAlerts({ ...job, pause: MINUTE }, { is: "sent" }, now);
      if (await maybeKill()) kills++;
    }
  }
  assert.ok(kills > 100, `${kills} kills`);
  const said = (name: AlarmName) => heard.filter((alert) => alert.name === name).map(({ says }) => says);
  for (const name of ALARMS) {
    const flapped = ["begins", "ends", "begins", "ends", "flaps", "ends"];
    assert.deepEqual(said(name), name === "BreakerOpen" ? ["begins", "ends", ...flapped] : ["begins", "ends"], name);
  }
  assert.equal(new Set(heard.map(({ id }) => id)).size, heard.length);
});
