import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ALARMS, type AlarmName, type Facts, judgeAlarms, onsetOf } from "../../../src/actions/alarms/judge.ts";

const now = Date.UTC(2026, 0, 31, 3);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const iso = (at: number) => new Date(at).toISOString();

const cms: Facts["endpoints"][number] = {
  ...{ id: "cms", url: null, state: "active", reason: null, failingSince: null, pausedAt: null },
  ...{ waiting: 0, pending: 0, running: 0, dead: 0, oldest: null },
};

/** Nothing needs anyone. */
const well: Facts = {
  now,
  isRunning: true,
  storeTrouble: null,
  targetTrouble: null,
  endpoints: [cms],
  nextMedium: null,
  expired: { count: 0, isCut: false },
  failed: { count: 0, isCut: false, lastError: null },
  refused: [],
  unknownSenders: [],
  lastEventAt: now - MINUTE,
  disk: { free: 100e9, needed: 1e9, downloads: 0 },
  backup: { every: null, lastAt: null, failure: null, bornAt: null },
  archive: null,
};

const medium = { id: "med_1", kind: "video" as const, videoId: "v1", lastError: "answered 503" };
const refused = (count: number) => [{ reason: "source" as const, count, isCut: false, lastFrom: "203.0.113.7" }];
const stranger = (count: number, address: string, isPrivate = false) => ({ address, count, isPrivate });
const daily = { every: 24 * HOUR, lastAt: null, failure: null, bornAt: null };

/** What begins each alarm, and what is just short of it. */
const CASES: [AlarmName, begins: Partial<Facts>, saying: RegExp, short: Partial<Facts>][] = [
  ["RelayDown", { isRunning: false }, /^No relay runs/, { isRunning: true }],
  ["RelayCannotCommit", { storeTrouble: "the disk is full" }, /^Events cannot be committed$/, { storeTrouble: null }],
  [
    "MediaLinkDiesSoon",
    { nextMedium: { ...medium, deadline: now + 6 * HOUR - 1 } },
    /^The link of video med_1 dies in 5 h 59 min, and it is not saved$/,
    { nextMedium: { ...medium, deadline: now + 6 * HOUR } },
  ],
  [
    "MediaLost",
    { expired: { count: 1, isCut: false } },
    /^1 medium expired within a day before it was saved$/,
    { expired: { count: 0, isCut: false } },
  ],
  [
    "BreakerOpen",
    {
      endpoints: [
        { ...cms, state: "failing", reason: "answered 503", failingSince: iso(now - 15 * MINUTE), pending: 212 },
      ],
    },
    /^cms is failing since 15 min$/,
    { endpoints: [{ ...cms, state: "failing", failingSince: iso(now - 14 * MINUTE) }] },
  ],
  [
    "SenderUnknown",
    { unknownSenders: [stranger(12, "203.0.113.7"), stranger(1, "203.0.113.9")] },
    /^Events were refused within a day for their address: 12 from 203\.0\.113\.7, 1 from 203\.0\.113\.9$/,
    { unknownSenders: [] },
  ],
  [
    "DownloadsStopped",
    { disk: { free: 1e9 - 1, needed: 1e8, downloads: 1e9 } },
    /^Downloads are stopped: the disk of dataDir has 953\.\d MiB free/,
    { disk: { free: 1e9, needed: 1e8, downloads: 1e9 } },
  ],
  ["DeliveriesDead", { endpoints: [{ ...cms, dead: 30 }] }, /^30 deliveries to cms are dead$/, { endpoints: [cms] }],
  [
    "DeliveriesLate",
    { endpoints: [{ ...cms, waiting: 3, oldest: iso(now - HOUR - 1) }] },
    /^cms is behind: its oldest event came 1 h ago$/,
    {
      endpoints: [
        { ...cms, waiting: 3, oldest: iso(now - HOUR) },
        { ...cms, state: "paused", oldest: iso(now - 9 * HOUR) },
      ],
    },
  ],
  ["NoEvents", { lastEventAt: now - 6 * HOUR - 1 }, /^The last event came 6 h ago$/, { lastEventAt: null }],
  [
    "SendersRefused",
    { refused: refused(11) },
    /^11 requests .* for their source, the last of 203\.0\.113\.7$/,
    { refused: refused(10) },
  ],
  [
    "DiskOrBackup",
    { disk: { free: 2e9 - 1, needed: 1e9, downloads: 1e9 } },
    /^The disk of dataDir fills: 1\.9 GiB/,
    { disk: { free: 2e9, needed: 1e9, downloads: 1e9 } },
  ],
];

test("each alarm stands from its limit on, and not short of it", () => {
  assert.deepEqual(judgeAlarms(well), []);
  for (const [name, begins, saying, short] of CASES) {
    const alarms = judgeAlarms({ ...well, ...begins });
    assert.deepEqual(
      alarms.map((alarm) => alarm.name),
      [name],
    );
    assert.match(alarms[0]!.what, saying);
    assert.notEqual(alarms[0]!.commands.length, 0);
    assert.match(alarms[0]!.page, /^\//);
    assert.deepEqual(judgeAlarms({ ...well, ...short }), [], `just short of ${name}`);
  }
  assert.deepEqual(
    CASES.map(([name]) => name),
    ALARMS,
  );
});

test("several of one name are told apart by what they are of: each is said once", () => {
  const alarms = judgeAlarms({
    ...well,
    endpoints: [cms, { ...cms, id: "search" }].map((one) => ({ ...one, dead: 3 })),
    refused: [...refused(11), { ...refused(11)[0]!, reason: "size" }],
    disk: { free: 2e9 - 1, needed: 1e9, downloads: 1e9 },
    targetTrouble: "no such bucket",
    backup: { every: HOUR, lastAt: null, failure: "no room", bornAt: null },
    archive: { since: now - 7 * HOUR, error: "no room" },
  });
  const which = alarms.map(({ name, subject }) => `${name} ${subject}`);
  assert.deepEqual(which, [
    ...["DeliveriesDead cms", "DeliveriesDead search", "SendersRefused source", "SendersRefused size"],
    ...["DiskOrBackup disk", "DiskOrBackup target", "DiskOrBackup backup", "DiskOrBackup archive"],
  ]);
});

test("what cannot be archived is an alarm after six hours", () => {
  const error = "no space left on device";
  assert.deepEqual(judgeAlarms({ ...well, archive: { since: now - 6 * HOUR, error } }), []);
  const [alarm, ...others] = judgeAlarms({ ...well, archive: { since: now - 6 * HOUR - 1, error } });
  assert.deepEqual(
    [alarm!.name, alarm!.severity, alarm!.what, others],
    ["DiskOrBackup", "ticket", "What has expired cannot be archived since 6 h", []],
  );
  assert.match(alarm!.means, /^no space left on device\. It is not pruned meanwhile/);
});

test("a disk with too little room for downloads says that they are stopped, before what can wait", () => {
  const endpoints = [{ ...cms, dead: 3 }];
  const stopped = judgeAlarms({ ...well, endpoints, disk: { free: 1e9 - 1, needed: 1e9, downloads: 1e9 } });
  assert.deepEqual(
    stopped.map(({ name, severity }) => [name, severity]),
    [
      ["DownloadsStopped", "page"],
      ["DeliveriesDead", "ticket"],
    ],
  );
  assert.match(stopped[0]!.what, /^Downloads are stopped: .* below mirror\.minFreeDisk \(953\.7 MiB\)$/);
  assert.equal(stopped[0]!.commands[0], "wochit-relay media list --by deadline");
  const [filling] = judgeAlarms({ ...well, disk: { free: 1e9, needed: 1e9, downloads: 1e9 } });
  assert.match(filling!.what, /^The disk of dataDir fills/);
});

test("a target that takes nothing and a backup that failed or is overdue are of the same alarm", () => {
  const what = (facts: Partial<Facts>) => judgeAlarms({ ...well, ...facts }).map(({ what }) => what);
  assert.deepEqual(what({ targetTrouble: "403" }), ["The target takes no copies"]);
  assert.deepEqual(what({ backup: { ...daily, failure: "no space" } }), ["The last backup failed"]);
  assert.deepEqual(what({ backup: { ...daily, lastAt: now - 48 * HOUR - 1 } }), ["No backup was checked of late"]);
  assert.deepEqual(what({ backup: { ...daily, lastAt: now - 48 * HOUR } }), []);
  assert.deepEqual(what({ backup: { ...daily, bornAt: now - 48 * HOUR - 1 } }), ["No backup was checked of late"]);
  assert.deepEqual(what({ backup: { ...daily, every: null, failure: "old" } }), []);
});

test("an alarm of an endpoint names it, and says what waits", () => {
  const [alarm] = judgeAlarms({
    ...well,
    endpoints: [{ ...cms, state: "failing", reason: "answered 503", failingSince: iso(now - HOUR), pending: 212 }],
  });
  assert.equal(alarm!.subject, "cms");
  assert.equal(
    alarm!.means,
    "answered 503. 212 deliveries wait for it, and none is lost; the relay probes it, and goes on by itself.",
  );
  assert.equal(alarm!.severity, "page");
});

test("media that were given up, as those at a private address, are an alarm as those that expired are", () => {
  const failed = { count: 8, isCut: false, lastError: "refused: 10.0.0.7 is a private address" };
  const [alone, ...others] = judgeAlarms({ ...well, failed });
  assert.deepEqual(others, []);
  assert.deepEqual(
    [alone!.name, alone!.severity, alone!.what, alone!.commands[1]],
    [
      "MediaLost",
      "page",
      "8 media failed within a day, and nothing tries them again",
      "wochit-relay media retry --state failed",
    ],
  );
  assert.match(alone!.means, /^The newest: refused: 10\.0\.0\.7 is a private address\. Mend the cause and retry/);
  const both = judgeAlarms({ ...well, failed, expired: { count: 1, isCut: false } });
  assert.deepEqual(
    both.map(({ what }) => what),
    ["8 media failed within a day, and nothing tries them again; 1 medium expired before it was saved"],
  );
});

test("an unknown address that sends events is to be allowed, or is a proxy that is to be named", () => {
  const of = (...unknownSenders: Facts["unknownSenders"]) => judgeAlarms({ ...well, unknownSenders })[0]!;
  const wochit = of(stranger(2, "203.0.113.7"));
  assert.match(wochit.means, /Wochit may have changed its address.*receive\.allowFrom/);
  assert.deepEqual(wochit.commands, [
    "wochit-relay reload",
    "wochit-relay quarantine reprocess --from 203.0.113.7 --since 1d",
  ]);
  assert.match(of(stranger(2, "10.0.0.7", true)).means, /proxy.*server\.trustedProxies/);
  const many = Array.from({ length: 5 }, (_, n) => stranger(1, `203.0.113.${n}`));
  assert.match(of(...many).what, /1 from 203\.0\.113\.2, and of 2 addresses more$/);
});

test("the alerts for Prometheus have the same names, severities and times to hold, in the same order", () => {
  const alerts = readFileSync("scripts/alerts.yaml", "utf8").split("- alert: ").slice(1);
  const rules = alerts.map((rule) => [
    /^\w+/.exec(rule)![0],
    /severity: (\w+)/.exec(rule)![1],
    Number(/ for: (\d+)m/.exec(rule)?.[1] ?? 0) * MINUTE,
  ]);
  const every = CASES.flatMap(([, begins]) => judgeAlarms({ ...well, ...begins }));
  // The judgement of a breaker knows by itself since when.
  const holds = (name: AlarmName) => (name === "BreakerOpen" ? 15 * MINUTE : onsetOf(name, now).holds);
  assert.deepEqual(
    rules,
    every.map(({ name, severity }) => [name, severity, holds(name)]),
  );
});
