import assert from "node:assert/strict";
import { test } from "node:test";
import { openConfigFiles } from "./files.ts";

const { load, problemsOf } = openConfigFiles();

test("what is not JSON is one line with line and column, and quotes nothing of the file", () => {
  for (const [text, place] of [
    ['{\n  "dataDir": "x",\n}', "3:1"],
    ['{"secret": hunter2}', "1:12"],
    ['{"dataDir": "x"', "1:16"],
    ["", "1:1"],
    ["// config\n{}", "1:1"],
  ]) {
    const [line, ...more] = problemsOf(text);
    assert.match(line!, new RegExp(`^is not JSON at ${place}: `));
    assert.doesNotMatch(line!, /hunter2/);
    assert.deepEqual(more, []);
  }
  assert.deepEqual(problemsOf("[]"), ["the config must be a JSON object"]);
  assert.deepEqual(problemsOf('{"dataDir": "x", "dataDir": "y"}'), ["dataDir: is there twice"]);
  assert.doesNotThrow(() => load('\uFEFF{"dataDir": "x"}'), "some editors put a mark before the text");
});
