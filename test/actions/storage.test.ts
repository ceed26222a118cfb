import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describeDisk, describeGrowth, growthOf, readDisks } from "../../src/actions/relay/storage.ts";
import { type StorageReading, withReading } from "../../src/model/retention.ts";
import { diskSpace } from "../../src/platform/files/disk-space.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { realPorts } from "../support/real-ports.ts";

const GIB = 2 ** 30;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOON = Date.UTC(2026, 0, 31, 12);

const reading = (at: number, database = 0, copies = 0): StorageReading => ({ at, pruned: 0, database, copies });

test("of readings the last of each day is kept, for half a month; one of later than the newest goes", () => {
  let readings: StorageReading[] = [];
  for (let at = 0; at < 20 * DAY; at += HOUR) readings = withReading(readings, reading(NOON + at));
  assert.equal(readings.length, 15);
  assert.equal(readings.at(-1)!.at, NOON + 20 * DAY - HOUR);
  assert.ok(readings.slice(0, -1).every(({ at }) => at % DAY === 23 * HOUR));
  const [last] = withReading(readings, reading(NOON)).slice(-1);
  assert.equal(last!.at, NOON, "the clock was put back");
  assert.equal(withReading(readings, reading(NOON)).length, 1);
});

test("growth is what lies between the first reading and the last, a day; of less than a day it is not known", () => {
  assert.equal(growthOf([]), null);
  assert.equal(growthOf([reading(NOON, GIB)]), null);
  assert.equal(growthOf([reading(NOON), reading(NOON + 20 * HOUR, GIB)]), null);
  assert.deepEqual(growthOf([reading(NOON, GIB, 7), reading(NOON + DAY, 90), reading(NOON + 2 * DAY, 3 * GIB, 5)]), {
    ...{ since: NOON, until: NOON + 2 * DAY, database: GIB, copies: -1 },
  });
});

test("a disk is said with how fast it fills and how long that will do", () => {
  const disk = { dir: "/", holds: ["database" as const, "copies" as const], free: 70 * GIB, size: 200 * GIB };
  assert.equal(
    describeDisk({ ...disk, perDay: 1.2 * GIB, daysLeft: 58 }),
    "70.0 GiB free of 200.0 GiB; full in about 58 days",
  );
  assert.match(describeDisk({ ...disk, perDay: 1, daysLeft: 1e9 }), /; full in more than ten years$/);
  assert.match(describeDisk({ ...disk, perDay: -5, daysLeft: null }), /; what is on it does not grow$/);
  assert.match(describeDisk({ ...disk, perDay: null, daysLeft: null }), /free of 200\.0 GiB$/);
  const growth = {
    since: "2026-01-24T12:00:00.000Z",
    until: "2026-01-31T11:00:00.000Z",
    database: -GIB,
    copies: 3 * GIB,
  };
  assert.equal(describeGrowth(growth), "database -1.0 GiB, copies 3.0 GiB a day, by the readings of 7 days");
  assert.match(describeGrowth(null), /^not known before/);
});

test("each disk is there once with what it holds; what is elsewhere fills none", async (t) => {
  const dir = tempFolder(t);
  const { clock } = realPorts();
  const { free, size } = await diskSpace(dir);
  const growth = { since: 0, until: DAY, database: Math.ceil(free / 100), copies: Math.ceil(free / 10) };
  const config = configIn(dir, { mirror: { target: { type: "local", dir: join(dir, "not/there/yet") } } });
  const [both, ...none] = await readDisks(config, { growth, room: 0, clock });
  assert.deepEqual(none, []);
  assert.deepEqual([both!.dir, both!.holds, both!.size], [config.dataDir, ["database", "copies"], size]);
  assert.equal(both!.perDay, growth.database + growth.copies);
  assert.ok(both!.daysLeft! >= 8 && both!.daysLeft! <= 10, `${both!.daysLeft} of about 9`);

  const bucket = { type: "s3", bucket: "copies", region: "x", accessKeyId: "a", secretAccessKey: "b" } as const;
  const away = configIn(dir, { mirror: { target: bucket } });
  const [own] = await readDisks(away, { growth, room: free, clock });
  assert.deepEqual([own!.holds, own!.perDay], [["database"], growth.database]);
  assert.ok(own!.daysLeft! > 150, "what is free within the database will do, too");
  const [unknown] = await readDisks(config, { growth: null, room: 0, clock });
  assert.deepEqual([unknown!.perDay, unknown!.daysLeft], [null, null]);
  const [still] = await readDisks(config, { growth: { ...growth, database: 0, copies: 0 }, room: 0, clock });
  assert.deepEqual([still!.perDay, still!.daysLeft], [0, null]);
});

const noProc = existsSync("/proc/self") ? false : "only Linux surely has a second file system";

test("copies on a disk of their own fill that", { skip: noProc }, async (t) => {
  const dir = tempFolder(t);
  const config = configIn(dir, { mirror: { target: { type: "local", dir: "/proc" } } });
  const growth = { since: 0, until: DAY, database: 1, copies: 2 };
  const disks = await readDisks(config, { growth, room: 0, clock: realPorts().clock });
  assert.deepEqual(
    disks.map(({ dir, holds, perDay }) => [dir, holds, perDay]),
    [
      [config.dataDir, ["database"], 1],
      ["/proc", ["copies"], 2],
    ],
  );
});
