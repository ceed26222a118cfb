import assert from "node:assert/strict";
import { test } from "node:test";
import { goesWhole, type Said } from "../../src/rules/autosave.ts";

const save = (context: string | null = null): Said => ({ type: "draft.update", context, late: false });
const other = (context: string | null = null): Said => ({ type: "draft.exit", context, late: false });
const late = (said: Said): Said => ({ ...said, late: true });
const own = (said: Said, more = {}) => ({ ...said, failure: false, ...more });

const CASES: [string, Parameters<typeof goesWhole>[0], Said[], Said[], boolean][] = [
  ["the newest stays", own(save()), [save()], [other()], false],
  ["one before it goes", own(save()), [], [other(), save()], true],
  ["another type stays", own(other()), [save()], [save()], false],
  ["a failure stays", own(save(), { failure: true }), [save()], [save()], false],
  ["one from quarantine stays", own(late(save("a"))), [save("a")], [save("a")], false],
  ["the newest that came in time stays", own(save()), [], [late(save())], false],
  ["one before a late one of its context stays", own(save("a")), [save("a")], [late(save("a")), save("a")], false],
  ["one behind a late one of its context stays", own(save("a")), [late(save("a"))], [save("a")], false],
  ["the first of a context stays", own(save("a")), [], [save("a")], false],
  ["the first after another context stays", own(save("a")), [other("b")], [save("a")], false],
  ["the last of a context stays", own(save("a")), [save("a")], [save("b")], false],
  ["the last that says one stays", own(save("a")), [save("a")], [save()], false],
  [
    "one between others of its context goes",
    own(save("a")),
    [other(), other("a"), save("b")],
    [save(), other("a")],
    true,
  ],
];

for (const [sentence, said, before, after, goes] of CASES)
  test(`of expired autosaves ${sentence}`, () => assert.equal(goesWhole(said, { before, after }), goes));
