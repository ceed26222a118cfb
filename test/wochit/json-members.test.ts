import assert from "node:assert/strict";
import test from "node:test";
import { compactValue, readMembers } from "../../src/wochit/json-members.ts";
import { fc, holdsForAll } from "../support/property.ts";

function rows(text: string): [string, string, string][] {
  JSON.parse(text); // the promise that callers give
  return [...readMembers(text)].map(([decoded, { name, value }]) => [decoded, name, value]);
}

test("members keep the characters, the order and the inner white space they came with", () => {
  const text =
    ' \t\r\n{ "b" : 1.50e+0 ,"a":\n[ 1 , {"x" : "}]"} ]\t, "c" : "\\u0041\\/" ,"d":true,"e":null,"f":-0 } \n';
  assert.deepEqual(rows(text), [
    ["b", '"b"', "1.50e+0"],
    ["a", '"a"', '[ 1 , {"x" : "}]"} ]'],
    ["c", '"c"', '"\\u0041\\/"'],
    ["d", '"d"', "true"],
    ["e", '"e"', "null"],
    ["f", '"f"', "-0"],
  ]);
});

test("names are compared as they are meant, not as they are written", () => {
  assert.deepEqual(rows('{"\\u0074ype":"video.ready"}'), [["type", '"\\u0074ype"', '"video.ready"']]);
  assert.deepEqual(rows('{"\\"\\\\":1,"":2}'), [
    ['"\\', '"\\"\\\\"', "1"],
    ["", '""', "2"],
  ]);
});

test("of duplicate names only the last one is there, in its own place", () => {
  assert.deepEqual(rows('{"a":1,"b":2,"\\u0061":3,"c":4}'), [
    ["b", '"b"', "2"],
    ["a", '"\\u0061"', "3"],
    ["c", '"c"', "4"],
  ]);
});

test("names that mean something to JavaScript mean nothing here", () => {
  assert.deepEqual(rows('{"__proto__":{"x":1},"constructor":2,"10":3,"9":4}'), [
    ["__proto__", '"__proto__"', '{"x":1}'],
    ["constructor", '"constructor"', "2"],
    ["10", '"10"', "3"],
    ["9", '"9"', "4"],
  ]);
});

test("strings end at the right quote, however many backslashes stand before it", () => {
  for (let count = 0; count < 12; count++) {
    const string = JSON.stringify("\\".repeat(count) + '"'.repeat(count % 3));
    assert.deepEqual(rows(`{"a":${string},"b":[${string}],"c":1}`), [
      ["a", '"a"', string],
      ["b", '"b"', `[${string}]`],
      ["c", '"c"', "1"],
    ]);
  }
});

test("what is no object has no members", () => {
  for (const text of ["[]", '"{\\"a\\":1}"', "1", "null", "{}", " { } ", '[{"a":1}]']) {
    assert.equal(readMembers(text).size, 0, text);
  }
});

test("a compact value is the same for every spelling of the white space and of the escapes", () => {
  assert.equal(compactValue('{ "a" : [ 1 ,\n2.0 ] , "b\\u0062" : "\\u00e9\\/" }'), '{"a":[1,2.0],"bb":"é/"}');
  assert.equal(compactValue('"a b\\tc\\u0009\\ud800"'), '"a b\\tc\\t\\ud800"');
  assert.equal(compactValue('["\\"",  "\\\\"]'), '["\\"","\\\\"]');
  assert.equal(compactValue("[ ]"), "[]");
  assert.equal(compactValue('{"a":" \\n "}'), '{"a":" \\n "}');
});

type Written = { raw: string; compact: string };

const space = fc.constantFrom("", "", " ", "\n\t ", "\r\n");

const character = fc.oneof(fc.constantFrom(...'\\"/{],:\n', "é", "😀"), fc.string({ unit: "binary", maxLength: 1 }));

/** A string, each of its characters escaped or as JSON.stringify writes it. */
const string = fc.array(fc.tuple(character, fc.boolean()), { maxLength: 6 }).map((written): Written => {
  const escaped = (text: string) =>
    text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const raw = written.map(([text, isEscaped]) => (isEscaped ? escaped(text) : JSON.stringify(text).slice(1, -1)));
  return { raw: `"${raw.join("")}"`, compact: JSON.stringify(written.map(([text]) => text).join("")) };
});

const scalar = fc
  .constantFrom(..."1 1.0 -0 -1.5e3 1E+2 1e400 123456789012345678901234567890.000 true false null".split(" "))
  .map((raw): Written => ({ raw, compact: raw }));

const spaced = (written: fc.Arbitrary<Written>) =>
  fc.tuple(space, written, space).map(([before, { raw, compact }, after]) => ({ raw: before + raw + after, compact }));

const listOf = (parts: fc.Arbitrary<Written>, [open, close]: [string, string]) =>
  fc.tuple(space, fc.array(spaced(parts), { maxLength: 4 })).map(
    ([first, written]): Written => ({
      raw: open + first + written.map(({ raw }) => raw).join(",") + close,
      compact: open + written.map(({ compact }) => compact).join(",") + close,
    }),
  );

const { value } = fc.letrec<{ value: Written; member: Written }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, string, listOf(tie("value"), ["[", "]"]), listOf(tie("member"), ["{", "}"])),
  member: fc
    .tuple(spaced(string), spaced(tie("value")))
    .map(([name, { raw, compact }]) => ({ raw: `${name.raw}:${raw}`, compact: `${name.compact}:${compact}` })),
}));

test("any object is read as it was written", () => {
  const name = fc.oneof(
    string,
    fc.constantFrom('"a"', '"\\u0061"').map((raw) => ({ raw, compact: '"a"' })),
  );
  const member = fc.record({ name, value, spaces: fc.array(space, { minLength: 4, maxLength: 4 }) });
  holdsForAll(
    fc.array(member, { maxLength: 7 }),
    (members) => {
      const written = members.map(
        ({ name, value, spaces: [a, b, c, d] }) => `${a}${name.raw}${b}:${c}${value.raw}${d}`,
      );
      const isLast = ({ name }: (typeof members)[number], at: number) =>
        members.findLastIndex((other) => other.name.compact === name.compact) === at;
      assert.deepEqual(
        rows(` {${written.join(",")}}`).map(([decoded, name, value]) => [
          JSON.stringify(decoded),
          name,
          value,
          compactValue(value),
        ]),
        members.filter(isLast).map(({ name, value }) => [name.compact, name.raw, value.raw, value.compact]),
      );
    },
    3_000,
  );
});

test("an escaped name is not taken for a name of an earlier object", () => {
  rows('{"x":1,"\\\\u006":2}');
  assert.deepEqual([...readMembers('{"x":1,"\\u0061bcde":2}').keys()], ["x", "abcde"]);
});

test("hostile text takes no more than its length in time, and no stack", () => {
  const MiB = 2 ** 20;
  const hostile = {
    brackets: `{"a":${"[".repeat(500_000)}${"]".repeat(500_000)}}`,
    braces: `{"a":${'{"":'.repeat(200_000)}1${"}".repeat(200_000)}}`,
    string: `{"a":"${"x".repeat(MiB)}"}`,
    quotes: `{"a":"${'\\"'.repeat(MiB / 2)}"}`,
    backslashes: `{"a":"${"\\\\".repeat(MiB / 2)}"}`,
    strings: `{"a":[${'"\\\\",'.repeat(MiB / 5)}1]}`,
    number: `{"a":${"9".repeat(MiB)}}`,
    space: `{"a":[1,${" ".repeat(MiB)}2]}`,
    spaces: `{"a":[${"1 , ".repeat(MiB / 4)}2]}`,
    members: `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":1`).join()}}`,
    duplicates: `{${'"a":1,'.repeat(MiB / 6)}"a":2}`,
  };
  // Each takes some 50 ms alone; a square of its length would take minutes. The limit leaves room for a busy machine.
  for (const [name, text] of Object.entries(hostile)) {
    const begun = performance.now();
    for (const { value } of readMembers(text).values()) compactValue(value);
    const took = performance.now() - begun;
    assert.ok(took < 15_000, `${name} took ${took} ms`);
  }
  assert.deepEqual(rows(hostile.duplicates), [["a", '"a"', "2"]]);
  assert.equal(readMembers(hostile.brackets).get("a")?.value.length, 1_000_000);
  assert.equal(readMembers(hostile.number).get("a")?.value, "9".repeat(MiB));
});
