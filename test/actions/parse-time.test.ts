import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRange, parseTime, type Zone } from "../../src/actions/parse-time.ts";

const NOON = Date.parse("2026-01-31T12:00:00Z");

/** The zone of a place, by the rules that the runtime knows. */
function zoneOf(name: string): Zone {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  return (moment) => {
    const text = format.formatToParts(moment).find(({ type }) => type === "timeZoneName")!.value;
    const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(text) ?? [];
    return sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  };
}

const [kathmandu, stJohns, berlin, dublin] = [
  "Asia/Kathmandu",
  "America/St_Johns",
  "Europe/Berlin",
  "Europe/Dublin",
].map(zoneOf) as [Zone, Zone, Zone, Zone];

/** Each text means the moment. */
function assertMoments(cases: (readonly [text: string, expected: string])[], now: number, zone?: Zone) {
  for (const [text, expected] of cases) {
    assert.equal(new Date(parseTime(text, now, zone)).toISOString(), expected, text);
  }
}

test("a moment is a date with or without a time of day, in UTC unless it says otherwise, or how long ago", () => {
  assertMoments(
    [
      ["2h", "2026-01-31T10:00:00.000Z"],
      ["7d", "2026-01-24T12:00:00.000Z"],
      ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"],
      ["2026-01-31T12:00", "2026-01-31T12:00:00.000Z"],
      ["2026-01-31T14:00:00.000+02:00", "2026-01-31T12:00:00.000Z"],
      ["2026-01-31T14:00:00.1234567+0200", "2026-01-31T12:00:00.123Z"],
      ["2026-01-31", "2026-01-31T00:00:00.000Z"],
      ["2028-02-29 22:00", "2028-02-29T22:00:00.000Z"],
      [" 2026-01-30 22:00 ", "2026-01-30T22:00:00.000Z"],
      ["today", "2026-01-31T00:00:00.000Z"],
      ["yesterday", "2026-01-30T00:00:00.000Z"],
    ],
    NOON,
  );
});

test("a moment may be written as tables write it, also without the year", () => {
  assertMoments(
    [
      ["2025-11-29 03:23:06Z", "2025-11-29T03:23:06.000Z"],
      ["2025-11-29 09:08:06+05:45", "2025-11-29T03:23:06.000Z"],
      ["01-29 04:23:06+01", "2026-01-29T03:23:06.000Z"],
      ["11-29 03:23:06Z", "2025-11-29T03:23:06.000Z"],
      ["01-31 12:00:01Z", "2025-01-31T12:00:01.000Z"],
      ["02-29 00:00", "2024-02-28T23:00:00.000Z"],
      ["12-24", "2025-12-23T23:00:00.000Z"],
    ],
    NOON,
    berlin,
  );
});

test("a time of day is the last such moment", () => {
  assertMoments(
    [
      ["03:30", "2026-01-31T03:30:00.000Z"],
      ["12:00", "2026-01-31T12:00:00.000Z"],
      ["12:00:01", "2026-01-30T12:00:01.000Z"],
      ["23:59", "2026-01-30T23:59:00.000Z"],
      ["13:00+01:00", "2026-01-31T12:00:00.000Z"],
      ["13:01+01:00", "2026-01-30T12:01:00.000Z"],
    ],
    NOON,
  );
});

test("without a zone of its own a moment is in the zone given, whose day may be another", () => {
  const late = Date.parse("2026-07-01T20:00:00Z");
  assertMoments(
    [
      ["today", "2026-07-01T18:15:00.000Z"],
      ["yesterday", "2026-06-30T18:15:00.000Z"],
      ["2026-07-01 08:00", "2026-07-01T02:15:00.000Z"],
      ["01:45", "2026-07-01T20:00:00.000Z"],
      ["01:46", "2026-06-30T20:01:00.000Z"],
      ["2026-07-01T08:00Z", "2026-07-01T08:00:00.000Z"],
    ],
    late,
    kathmandu,
  );
  assertMoments(
    [
      ["2026-01-31 08:30", "2026-01-31T12:00:00.000Z"],
      ["2026-07-01 08:30", "2026-07-01T11:00:00.000Z"],
      ["today", "2026-07-01T02:30:00.000Z"],
    ],
    late,
    stJohns,
  );
});

test("a time that the clock shows twice is the first; one that it leaves out is as much later as the clock went forward", () => {
  for (const [zone, cases] of [
    [
      berlin,
      [
        ["2026-03-29 01:59:59", "2026-03-29T00:59:59.000Z"],
        ["2026-03-29 02:30", "2026-03-29T01:30:00.000Z"],
        ["2026-03-29 03:00", "2026-03-29T01:00:00.000Z"],
        ["2026-10-25 02:30", "2026-10-25T00:30:00.000Z"],
        ["2026-10-25 02:30+01:00", "2026-10-25T01:30:00.000Z"],
        ["2026-10-25 03:00", "2026-10-25T02:00:00.000Z"],
      ],
    ],
    [
      stJohns,
      [
        ["2026-03-08 02:30", "2026-03-08T06:00:00.000Z"],
        ["2026-11-01 01:30", "2026-11-01T04:00:00.000Z"],
      ],
    ],
    // Its winter is the time that is put back.
    [
      dublin,
      [
        ["2026-03-29 01:30", "2026-03-29T01:30:00.000Z"],
        ["2026-10-25 01:30", "2026-10-25T00:30:00.000Z"],
        ["2026-12-24 01:30", "2026-12-24T01:30:00.000Z"],
      ],
    ],
    // The day was left out.
    [zoneOf("Pacific/Apia"), [["2011-12-30 12:00", "2011-12-30T22:00:00.000Z"]]],
    // The day began at one o'clock.
    [zoneOf("Africa/Cairo"), [["2026-04-24", "2026-04-23T22:00:00.000Z"]]],
  ] as const) {
    assertMoments([...cases], NOON, zone);
  }
});

test("the last such moment of a time that the clock shows twice may be the second, or still the first", () => {
  const between = Date.parse("2026-10-25T01:15:00Z");
  assertMoments(
    [
      ["02:15", "2026-10-25T01:15:00.000Z"],
      ["02:30", "2026-10-25T00:30:00.000Z"],
      ["today", "2026-10-24T22:00:00.000Z"],
    ],
    between,
    berlin,
  );
});

test("what is no time says which forms there are", () => {
  for (const text of [
    "tomorrow",
    "2026",
    "31.01.2026",
    "2026-13-01",
    "2026-02-30",
    "2025-02-29 08:00",
    "2 h",
    "",
    "24:00",
    "8:00",
    "12:60",
    "2026-01-31 Z",
    "2026-01-31T12:00+24:00",
    "2026-01-31T12:00:00Zx",
  ]) {
    assert.throws(() => parseTime(text, NOON), { code: "usage", message: /is no time: .*today, yesterday/ }, text);
  }
});

test("a range has something between its ends", () => {
  checkRange({});
  checkRange({ since: 1 });
  checkRange({ until: 1 });
  checkRange({ since: 1, until: 2 });
  const message = "the range is empty: it begins at 2026-01-31 12:00:00Z and ends at 2026-01-31 12:00:00Z";
  assert.throws(() => checkRange({ since: NOON, until: NOON }), { code: "usage", message });
  assert.throws(() => checkRange({ since: 2, until: 1 }), { code: "usage" });
});
