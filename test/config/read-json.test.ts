import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspectConfig } from "../../src/config/load.ts";
import { openConfigFiles } from "./files.ts";

const { folder, load, problemsOf } = openConfigFiles();

test("what is not JSON is one line with line and column, and quotes nothing of the file", () => {
  for (const [text, place] of [
    ['{\n  "dataDir": "x",\n}', "3:1"],
    ['{"secret": hunter2}', "1:12"],
    ['{"dataDir": "x"', "1:16"],
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

test("an empty config and one in UTF-16 are named as such", () => {
  for (const text of ["", "\n \n", "\uFEFF"]) {
    assert.deepEqual(problemsOf(text), [
      "is empty: {} takes the defaults, and config.example.json shows what can be set",
    ]);
  }
  for (const text of ["\uFEFF{}", "{}"]) {
    const path = join(folder, "utf-16.json");
    for (const bytes of [Buffer.from(text, "utf16le"), Buffer.from(text, "utf16le").swap16()]) {
      writeFileSync(path, bytes);
      assert.deepEqual(inspectConfig(path, { env: {}, cwd: "/" }).problems, [
        "cannot be read: it is UTF-16: save it as UTF-8",
      ]);
    }
  }
});
