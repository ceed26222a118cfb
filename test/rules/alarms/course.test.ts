import assert from "node:assert/strict";
import { test } from "node:test";
import type { Said } from "../../../src/model/alert.ts";
import { type Course, FLAPS, moveOn, SAID_AGAIN, STEADY } from "../../../src/rules/alarms/course.ts";
import { fc, holdsForAll } from "../../support/property.ts";

const MINUTE = 60_000;

/** A sight each minute: "x" it stands, "." it does not, "s" it stands and is silenced, "-" it does not and is. */
function play(
  sights: string,
  { holds = 0, mayBegin = () => true }: { holds?: number; mayBegin?: (minute: number) => boolean } = {},
): (Said | null)[] {
  let course: Course | null = null;
  return [...sights].map((sight, minute) => {
    const now = minute * MINUTE;
    const moved = moveOn(course, {
      ...{ now, holds, mayBegin: mayBegin(minute) },
      ...{ stands: sight === "x" || sight === "s", isSilenced: sight === "s" || sight === "-" },
    });
    course = moved.course;
    return moved.says;
  });
}

/** Only what was said, with its minute. */
const said = (all: (Said | null)[]) => all.flatMap((says, minute) => (says === null ? [] : [`${minute} ${says}`]));

test("it begins once it has stood without a break for as long as it must, and ends when it stands no longer", () => {
  assert.deepEqual(said(play("...xxx..")), ["3 begins", "6 ends"]);
  assert.deepEqual(said(play("xx.xxx..", { holds: 2 * MINUTE })), ["5 begins", "6 ends"]);
  assert.deepEqual(said(play("xx.xx.xx", { holds: 2 * MINUTE })), []);
});

test("one that may begin only by day begins then, and does not end for the night", () => {
  assert.deepEqual(said(play("xxxxxxx.", { mayBegin: (minute) => minute === 3 })), ["3 begins", "7 ends"]);
});

test("it is said again once a day while it lasts", () => {
  const day = SAID_AGAIN / MINUTE;
  assert.deepEqual(said(play("x".repeat(2 * day + 2))), ["0 begins", `${day} lasts`, `${2 * day} lasts`]);
});

test("the third begin within two hours is flapping; after an hour without a change it is said how it is", () => {
  const hour = STEADY / MINUTE;
  assert.deepEqual(said(play(`x.x.x.x.x.${".".repeat(hour)}`)), [
    ...["0 begins", "1 ends", "2 begins", "3 ends", "4 flaps"],
    `${9 + hour} ends`,
  ]);
  assert.deepEqual(said(play(`x.x.x.x${"x".repeat(hour)}.`)).slice(4), [
    "4 flaps",
    `${6 + hour} lasts`,
    `${7 + hour} ends`,
  ]);
  const apart = FLAPS.within / MINUTE;
  assert.deepEqual(
    said(play(`x.x.${".".repeat(apart)}x.`)).map((line) => line.split(" ")[1]),
    ["begins", "ends", "begins", "ends", "begins", "ends"],
  );
});

test("a silenced one says nothing; afterwards it is said how it is, where that is news", () => {
  assert.deepEqual(said(play("sssxx.")), ["3 begins", "5 ends"]);
  assert.deepEqual(said(play("ss--..")), []);
  assert.deepEqual(said(play("xs--..")), ["0 begins", "4 ends"]);
});

test("a clock that goes back holds nothing up", () => {
  const late = moveOn(null, { stands: true, holds: 0, mayBegin: true, isSilenced: false, now: 9 * SAID_AGAIN });
  assert.equal(late.says, "begins");
  const early = moveOn(late.course, { stands: true, holds: 0, mayBegin: true, isSilenced: false, now: SAID_AGAIN });
  assert.equal(early.says, null);
  const next = moveOn(early.course, { stands: true, holds: 0, mayBegin: true, isSilenced: false, now: 2 * SAID_AGAIN });
  assert.equal(next.says, "lasts");
});

test("whatever happens, each begin is said before its end, and at rest what was said is how it is", () => {
  const runs = fc.array(
    fc.record({ sight: fc.constantFrom("x", ".", "s", "-"), minutes: fc.integer({ min: 1, max: 90 }) }),
    {
      minLength: 1,
      maxLength: 40,
    },
  );
  const cases = fc.record({ parts: runs, hold: fc.integer({ min: 0, max: 15 }), stands: fc.boolean() });
  holdsForAll(
    cases,
    ({ parts, hold, stands }) => {
      const sights = parts.map(({ sight, minutes }) => sight.repeat(minutes)).join("");
      const rest = (stands ? "x" : ".").repeat(STEADY / MINUTE + FLAPS.within / MINUTE + hold + 1);
      const all = play(sights + rest, { holds: hold * MINUTE });
      let isKnown = false;
      for (const [minute, says] of all.entries()) {
        if (says === null) continue;
        assert.ok(!"s-".includes((sights + rest)[minute]!), "it was silenced");
        if (says === "begins") assert.equal(isKnown, false);
        if (says === "ends" || says === "lasts") assert.equal(isKnown, true);
        isKnown = says !== "ends";
      }
      assert.equal(isKnown, stands);
    },
    200,
  );
});
