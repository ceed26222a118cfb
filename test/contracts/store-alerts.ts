import assert from "node:assert/strict";
import type { Alert, Receiver, StandingAlarm } from "../../src/model/alert.ts";
import type { Store } from "../../src/store/store.ts";
import { checker, type OpenStore, plain } from "./store.ts";

const MINUTE = 60_000;
const LEASE = MINUTE;
const DAY = 24 * 60 * MINUTE;

const dead: StandingAlarm = {
  ...{ name: "DeliveriesDead", severity: "ticket", subject: "cms", what: "3 are dead", means: "They failed." },
  ...{ commands: ["wochit-relay deliveries list"], holds: 0, mayBegin: true },
};
const lost: StandingAlarm = { ...dead, name: "MediaLost", severity: "page", subject: null, what: "1 is lost" };
const ALL = { id: "slack-1", name: "chat", place: "chat.example.com", atLeast: "ticket" } as const;
const PAGES = { id: "text-2", name: null, place: "ntfy.example.com", atLeast: "page" } as const;

/** What every store engine must do so that people are told of alarms. */
export function storeAlertsContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  const note = (store: Store, now: number, standing: StandingAlarm[], by = "a", receivers: Receiver[] = [ALL, PAGES]) =>
    store.noteAlarms({ standing, receivers, by, leaseFor: LEASE }, now);
  const claim = (store: Store, now: number, receivers = ["slack-1", "text-2"]) =>
    store.claimAlerts({ receivers, leaseFor: LEASE }, now);
  const saying = (jobs: Awaited<ReturnType<Store["claimAlerts"]>>) =>
    jobs.map(({ receiver, alerts }) => [receiver, ...alerts.map(({ says, name }) => `${says} ${name}`)]);

  check(
    "what begins and ends is kept for each receiver that wants it, in words, until it was sent, over every opening",
    async ({ store, clock, reopen }) => {
      const now = clock.now();
      assert.equal((await note(store, now, [lost, dead])).said, 2);
      assert.equal((await note(store, now, [lost, dead])).said, 0);
      await store.close();
      const again = await reopen();
      const jobs = await claim(again, now);
      assert.deepEqual(saying(jobs), [
        ["slack-1", "begins MediaLost", "begins DeliveriesDead"],
        ["text-2", "begins MediaLost"],
      ]);
      const { holds: _, mayBegin: __, ...words } = lost;
      const [first] = jobs[0]!.alerts;
      assert.deepEqual(first, { ...words, id: first!.id, says: "begins", at: now });
      assert.equal(jobs[1]!.alerts[0]!.id, first!.id, "one alert has one id");
      for (const job of jobs) await again.settleAlerts({ ...job, pause: MINUTE }, { is: "sent" }, now);
      await again.close();
      const third = await reopen();
      assert.deepEqual(await claim(third, now + MINUTE), []);
      assert.equal((await note(third, now + 2 * MINUTE, [])).said, 2);
      const ended = await claim(third, now + 2 * MINUTE);
      assert.deepEqual(saying(ended), [
        ["slack-1", "ends DeliveriesDead", "ends MediaLost"],
        ["text-2", "ends MediaLost"],
      ]);
      const [{ began, at }] = ended[1]!.alerts as [Alert];
      assert.deepEqual([began, at], [now, now + 2 * MINUTE]);
      await third.close();
    },
    plain(),
  );

  check(
    "a claim is leased; what was sent gives the receiver its rest, and what comes meanwhile waits for its end",
    async ({ store, clock }) => {
      const now = clock.now();
      await note(store, now, [lost]);
      const [stopped] = await claim(store, now, ["slack-1"]);
      await store.settleAlerts({ ...stopped!, pause: MINUTE }, { is: "cut off" }, now);
      const [job] = await claim(store, now, ["slack-1"]);
      assert.equal(job!.failures, 0);
      assert.deepEqual(await claim(store, now + LEASE - 1, ["slack-1"]), []);
      await note(store, now, [lost, dead]);
      await store.settleAlerts({ ...job!, pause: MINUTE }, { is: "sent" }, now + 1);
      assert.deepEqual(await claim(store, now + MINUTE, ["slack-1"]), []);
      assert.deepEqual(saying(await claim(store, now + MINUTE + 1, ["slack-1"])), [
        ["slack-1", "begins DeliveriesDead"],
      ]);
      // Its worker is gone.
      const [other] = await claim(store, now + MINUTE + 1 + LEASE, ["slack-1"]);
      await store.settleAlerts({ ...job!, pause: MINUTE }, { is: "sent" }, now);
      assert.deepEqual(
        (await store.receivers()).map(({ id, waiting }) => [id, waiting]),
        [
          ["slack-1", 1],
          ["text-2", 1],
        ],
      );
      await store.freeLeases(now + MINUTE + 2 + LEASE);
      assert.deepEqual(saying(await claim(store, now + MINUTE + 2 + LEASE, ["slack-1"])), saying([other!]));
    },
    plain(),
  );

  check(
    "a receiver that is down keeps what it lacks, and is known to be down until it takes it; one that lasts is kept once",
    async ({ store, clock }) => {
      const now = clock.now();
      await note(store, now, [dead], "a", [ALL]);
      for (const day of [0, 1, 2]) {
        const at = now + day * DAY;
        await note(store, at, [dead], "a", [ALL]);
        const [job] = await claim(store, at, ["slack-1"]);
        assert.equal(job!.failures, day);
        const outcome = { is: "failed", error: "HTTP 500", at: at + MINUTE } as const;
        await store.settleAlerts({ ...job!, pause: MINUTE }, outcome, at);
        assert.deepEqual(await claim(store, at + MINUTE - 1, ["slack-1"]), []);
      }
      assert.deepEqual(await store.receivers(), [
        { ...ALL, waiting: 2, sentAt: null, failingSince: now, error: "HTTP 500" },
      ]);
      const [job] = await claim(store, now + 3 * DAY, ["slack-1"]);
      assert.deepEqual(saying([job!]), [["slack-1", "begins DeliveriesDead", "lasts DeliveriesDead"]]);
      await store.settleAlerts({ ...job!, pause: MINUTE }, { is: "sent" }, now + 3 * DAY);
      assert.deepEqual(await store.receivers(), [
        { ...ALL, waiting: 0, sentAt: now + 3 * DAY, failingSince: null, error: null },
      ]);
    },
    plain(),
  );

  check(
    "one relay at a time looks at alarms; another does when that one has been silent for its lease",
    async ({ store, clock }) => {
      const now = clock.now();
      const said = async (...seen: [at: number, standing: StandingAlarm[], by: string]) =>
        (await note(store, ...seen)).said;
      assert.equal(await said(now, [lost], "a"), 1);
      assert.equal(await said(now + LEASE - 1, [], "b"), 0);
      assert.equal(await said(now + LEASE, [], "b"), 1);
      assert.equal(await said(now + LEASE, [lost], "a"), 0);
      // A clock that was wrong has made a lease that would not end.
      assert.equal(await said(now - 9 * DAY, [lost], "a"), 1);
    },
    plain(),
  );

  check(
    "a receiver that has left the config is forgotten with all that waits for it",
    async ({ store, clock }) => {
      const now = clock.now();
      await note(store, now, [lost]);
      await claim(store, now);
      const { dropped } = await note(store, now, [lost], "a", [ALL]);
      assert.deepEqual(dropped, [{ id: "text-2", name: null, place: "ntfy.example.com", waiting: 1 }]);
      assert.deepEqual(await claim(store, now + LEASE, ["text-2"]), []);
      assert.deepEqual(
        (await store.receivers()).map(({ id }) => id),
        ["slack-1"],
      );
      await note(store, now, [], "a", []);
      assert.deepEqual(await store.receivers(), []);
    },
    plain(),
  );

  check(
    "receivers are known by the config, before anything is sent; a new one is sent what stands already",
    async ({ store, clock }) => {
      const now = clock.now();
      await note(store, now, [], "a", [ALL]);
      const idle = { waiting: 0, sentAt: null, failingSince: null, error: null };
      assert.deepEqual(await store.receivers(), [{ ...ALL, ...idle }]);
      await note(store, now, [lost, dead], "a", [ALL]);
      const renamed = { ...ALL, name: "newsroom" };
      assert.equal((await note(store, now, [lost, dead], "a", [renamed])).said, 0);
      assert.deepEqual(await store.receivers(), [{ ...renamed, ...idle, waiting: 2 }], "nothing is said again");
      const pages = { ...ALL, name: null, atLeast: "page" } as const;
      const other = { ...PAGES, atLeast: "ticket" } as const;
      await note(store, now + DAY / 2, [lost, dead], "a", [pages, other]);
      assert.deepEqual(
        (await store.receivers()).map(({ id, atLeast, waiting }) => [id, atLeast, waiting]),
        [
          ["slack-1", "page", 2],
          ["text-2", "ticket", 2],
        ],
      );
      const [first, second] = await claim(store, now + DAY / 2);
      assert.deepEqual(saying([second!]), [["text-2", "begins MediaLost", "begins DeliveriesDead"]]);
      assert.deepEqual(
        second!.alerts.map(({ at }) => at),
        [now, now],
      );
      assert.notEqual(second!.alerts[0]!.id, first!.alerts[0]!.id);
      await note(store, now + DAY / 2, [lost, dead], "a", [pages, other]);
      assert.deepEqual(
        (await store.receivers()).map(({ waiting }) => waiting),
        [2, 2],
      );
    },
    plain(),
  );

  check(
    "of a silenced alarm nothing is said until the silence ends, by itself or by hand; then what still stands is",
    async ({ store, clock }) => {
      const now = clock.now();
      await store.silenceAlarm("MediaLost", { until: now + 10 * MINUTE, reason: "a move" }, now);
      await store.silenceAlarm("DeliveriesDead", { until: now + DAY, reason: null }, now);
      assert.deepEqual((await store.alarms(now)).silences, [
        { name: "DeliveriesDead", since: now, until: now + DAY, reason: null },
        { name: "MediaLost", since: now, until: now + 10 * MINUTE, reason: "a move" },
      ]);
      assert.equal((await note(store, now, [lost, dead])).said, 0);
      const { alarms } = await store.alarms(now);
      assert.deepEqual(
        alarms.map(({ name, subject, state, since, saidAt }) => [name, subject, state, since, saidAt]),
        [
          ["DeliveriesDead", "cms", "on", now, null],
          ["MediaLost", null, "on", now, null],
        ],
      );
      assert.equal((await note(store, now + 10 * MINUTE - 1, [lost, dead])).said, 0);
      assert.equal((await note(store, now + 10 * MINUTE, [lost, dead])).said, 1);
      assert.deepEqual(saying(await claim(store, now + 10 * MINUTE)), [
        ["slack-1", "begins MediaLost"],
        ["text-2", "begins MediaLost"],
      ]);
      assert.equal((await store.alarms(now + 11 * MINUTE)).silences.length, 1);
      await store.endSilence("DeliveriesDead", now + 11 * MINUTE);
      await assert.rejects(store.endSilence("DeliveriesDead", now + 11 * MINUTE), { code: "conflict" });
      await assert.rejects(store.endSilence("MediaLost", now + 11 * MINUTE), { code: "conflict" });
      assert.equal((await note(store, now + 11 * MINUTE, [lost, dead])).said, 1);
      // Its end is said when the silence is over, and to those who know of it.
      await store.silenceAlarm("MediaLost", { until: now + DAY, reason: null }, now + 12 * MINUTE);
      assert.equal((await note(store, now + 12 * MINUTE, [dead])).said, 0);
      await store.endSilence("MediaLost", now + 13 * MINUTE);
      assert.equal((await note(store, now + 13 * MINUTE, [dead])).said, 1);
    },
    plain(),
  );

  check(
    "a silence that was made by a clock far ahead does not hold when the clock is right again, and never comes back",
    async ({ store, clock }) => {
      const now = clock.now();
      const ahead = now + 365 * DAY;
      await store.silenceAlarm("MediaLost", { until: ahead + DAY, reason: null }, ahead);
      assert.equal((await store.alarms(ahead)).silences.length, 1);
      assert.deepEqual((await store.alarms(now)).silences, []);
      assert.equal((await note(store, now, [lost])).said, 1);
      assert.deepEqual((await store.alarms(ahead)).silences, []);
      // That of another machine may be a little ahead.
      await store.silenceAlarm("DeliveriesDead", { until: now + DAY, reason: null }, now + 1_000);
      assert.equal((await note(store, now, [lost, dead])).said, 0);
    },
    plain(),
  );
}
