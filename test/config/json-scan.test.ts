import assert from "node:assert/strict";
import { test } from "node:test";
import { scanJson } from "../../src/config/json-scan.ts";
import { fc, holdsForAll } from "../support/property.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const SAMPLE = `{"a": [1, -0.5e+3, 12E-1, true, false, null, "", "\\u00e9\\"\\\\\\/\\b\\f\\n\\r\\t", [], {}],\r\n\t"b" : {"c":0}, "": [[{"d":"é😀"}]] }`;

test("a text is faultless exactly where JSON.parse takes it", () => {
  assert.ok(isJson(SAMPLE));
  const bits = [
    ..."{}[],:\"\\/ \n\t\u0001\u00a0\u2028'#01-+.eEtrufalsn",
    "true",
    "null",
    "01",
    "1.",
    "\\u12",
    "\\x",
    "",
  ];
  const place = fc.nat({ max: SAMPLE.length });
  const edit = fc.record({ at: place, cut: fc.nat({ max: 2 }), bit: fc.constantFrom(...bits) });
  const text = fc
    .tuple(fc.array(edit, { minLength: 1, maxLength: 3 }), fc.option(place, { freq: 3 }))
    .map(([edits, end]) =>
      edits
        .reduce((text, { at, cut, bit }) => text.slice(0, at) + bit + text.slice(at + cut), SAMPLE)
        .slice(0, end ?? undefined),
    );
  let faultless = 0;
  holdsForAll(
    fc.oneof(text, fc.string(), fc.json({ stringUnit: "binary" })),
    (text) => {
      const { fault } = scanJson(text);
      assert.equal(fault === null, isJson(text));
      if (fault === null) faultless++;
      else assert.ok(fault.at >= 0 && fault.at <= text.length && fault.what !== "");
    },
    20_000,
  );
  assert.ok(faultless > 1_000 && faultless < 19_000, String(faultless));
});

test("a fault is where the text stops being JSON, and says what was expected there", () => {
  for (const [text, at, what] of [
    ['{"a": 1 "b": 2}', 8, /comma/],
    ['{"a" 1}', 5, /colon/],
    ['{"a": 1,}', 8, /"key"/],
    ["{,}", 1, /"key" or }/],
    ["[1, ]", 4, /value/],
    ["[,]", 1, /value or ]/],
    ["{a: 1}", 1, /word/],
    ["[01]", 1, /number/],
    ["[1] [2]", 4, /end of the file/],
    ['["a', 1, /string without its end/],
    ['["\\x"]', 1, /escape/],
    ["[1, // one\n]", 4, /comments/],
    ["[1}", 2, /comma/],
    ['{"a":', 5, /value/],
    ["  ", 2, /value/],
  ] as const) {
    const { fault } = scanJson(text);
    assert.equal(fault?.at, at, text);
    assert.match(fault!.what, what, text);
  }
});

test("every key that its own object has had already is named, however it is written", () => {
  const text =
    '{"a": 1, "b": [{"a": 1, "c": {"a": 1}}, {"x": 1, "\\u0078": 2, "x": 3}], "__proto__": 1, "__proto__": 2, "a": 1}';
  assert.deepEqual(scanJson(text).repeated, [["b", 1, "x"], ["b", 1, "x"], ["__proto__"], ["a"]]);
});

test("neither depth nor length is a fault", () => {
  assert.equal(scanJson(`${"[".repeat(1e6)}${"]".repeat(1e6)}`).fault, null);
  assert.equal(scanJson(JSON.stringify("x".repeat(5e6))).fault, null);
});
