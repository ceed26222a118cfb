import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { ALARMS, judgeAlarms, onsetOf } from "../../../src/actions/alarms/judge.ts";
import { type Course, moveOn } from "../../../src/rules/alarms/course.ts";
import { ALARM_CASES, type AlarmCase, factsOf, lastMinute, seriesOf } from "../../support/alarm-cases.ts";
import { tempFolder } from "../../support/folder.ts";
import { promtool, whyNo } from "../../support/prometheus.ts";

// What the table says and what Prometheus says of the same cases.

/** In which minutes it has begun. */
function playTable(one: AlarmCase): boolean[] {
  let course: Course | null = null;
  return Array.from({ length: lastMinute(one) + 1 }, (_, minute) => {
    const facts = factsOf(one, minute);
    const stands = judgeAlarms(facts).some(({ name }) => name === one.alarm);
    const sight = { ...onsetOf(one.alarm, facts.now), stands, isSilenced: false, now: facts.now };
    course = moveOn(course, sight).course;
    return course?.hasBegun ?? false;
  });
}

test("the table plays each case: silent until it has stood for as long as it must", () => {
  for (const one of ALARM_CASES) {
    const begun = playTable(one);
    for (const minute of one.silent) assert.equal(begun[minute], false, `${one.alarm}, ${one.says}: minute ${minute}`);
    for (const minute of one.begun) assert.equal(begun[minute], true, `${one.alarm}, ${one.says}: minute ${minute}`);
  }
  assert.deepEqual(
    ALARMS.filter((name) => !ALARM_CASES.some(({ alarm, begun }) => alarm === name && begun.length > 0)),
    [],
  );
});

test("Prometheus plays the same cases by scripts/alerts.yaml", { skip: whyNo("promtool") }, async (t) => {
  const tests = ALARM_CASES.map((one) => ({
    ...{ name: `${one.alarm}: ${one.says}`, interval: "1m", input_series: seriesOf(one) },
    promql_expr_test: [...one.silent, ...one.begun].map((minute) => ({
      expr: `count(ALERTS{alertname="${one.alarm}",alertstate="firing"})`,
      eval_time: `${minute}m`,
      exp_samples: one.begun.includes(minute) ? [{ labels: "{}", value: 1 }] : [],
    })),
  }));
  const path = join(tempFolder(t), "cases.yaml");
  const rules = { rule_files: [resolve("scripts/alerts.yaml")], evaluation_interval: "1m", tests };
  writeFileSync(path, JSON.stringify(rules));
  assert.match(await promtool("test", "rules", path), /SUCCESS/);
});
