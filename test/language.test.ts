import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/**
 * Words that code is made a person with, or that hide who does what (CONTRIBUTING, "Language"). A comment says why,
 * in plain present-tense English.
 */
const REFUSED = /\b(told|nobody|somebody|whoever|so many|kindness|forgives?|forgiven|gives? way|gave way)\b/i;

/** The comments of a TypeScript file, line by line. A `//` inside of a string counts only after a space. */
function commentsIn(text: string): { line: number; comment: string }[] {
  let isInBlock = false;
  return text.split("\n").flatMap((source, at) => {
    const line = at + 1;
    const rest = source.trim();
    const wasInBlock = isInBlock;
    if (rest.startsWith("/*")) isInBlock = true;
    const isComment = isInBlock || wasInBlock || rest.startsWith("//");
    if (rest.endsWith("*/")) isInBlock = false;
    if (isComment) return [{ line, comment: rest }];
    const comment = /\s\/\/ (.*)$/.exec(source)?.[1];
    return comment === undefined ? [] : [{ line, comment }];
  });
}

test("comments speak of what the code does, not of persons", () => {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const wrong = files.flatMap((file) =>
    commentsIn(readFileSync(join("src", file), "utf8"))
      .filter(({ comment }) => REFUSED.test(comment))
      .map(({ line, comment }) => `src/${file}:${line}: ${comment}`),
  );
  assert.deepEqual(wrong, []);
});

test("a comment is found in a block, in a line of its own and behind code", () => {
  const text = [
    "/** One. */",
    "const a = 1; // Two.",
    "/**",
    " * Three.",
    " */",
    'const b = "http://four";',
    "// Five.",
  ];
  assert.deepEqual(
    commentsIn(text.join("\n")).map(({ line }) => line),
    [1, 2, 3, 4, 5, 7],
  );
});
