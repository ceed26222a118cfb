import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";
import { type Ground, MIB, text } from "./ground.ts";
import { anyId } from "./ids.ts";
import { hostileLink } from "./links.ts";

const MEMBERS = [
  "type",
  "wochitVideoId",
  "videoContext",
  "videoUrl",
  "thumbnailUrl",
  "title",
  "videoDuration",
  "errorMessage",
  "relay",
];

/** One JSON text of every type and size. */
const VALUES = (random: Random, ground: Ground): string =>
  pick(random, [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1e999",
    "-1e-999",
    "12345678901234567890123",
    '""',
    '" "',
    '"video.ready"',
    '"video.delete"',
    '"relay.media.failed"',
    '"*"',
    '"draft."',
    "[]",
    "{}",
    '["a"]',
    '{"wochitVideoId":"inner"}',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u202e"',
    JSON.stringify(anyId(random, ground.outside)),
    JSON.stringify(hostileLink(random, ground.trapPort)),
  ]);

export function anyMembers(random: Random, ground: Ground): Uint8Array {
  const members = MEMBERS.filter(() => random.float() < 0.6).map((name) => {
    const value =
      name === "wochitVideoId" && random.float() < 0.7
        ? JSON.stringify(anyId(random, ground.outside))
        : VALUES(random, ground);
    return `${spellName(random, name)}${pick(random, ["", " ", "\n"])}:${pick(random, ["", " ", "\t"])}${value}`;
  });
  return text(`${pick(random, ["", " ", "\r\n"])}{${members.join(",")}}${pick(random, ["", "\n", "  "])}`);
}

/** A name, now and then with one of its characters escaped. */
function spellName(random: Random, name: string): string {
  if (random.float() < 0.8) return JSON.stringify(name);
  const at = Math.floor(random.float() * name.length);
  return `"${name.slice(0, at)}\\u${name.charCodeAt(at).toString(16).padStart(4, "0")}${name.slice(at + 1)}"`;
}

export function duplicateNames(random: Random, ground: Ground): Uint8Array {
  const members = Array.from({ length: 2 + Math.floor(random.float() * 8) }, () => {
    const name = random.float() < 0.5 ? "wochitVideoId" : pick(random, MEMBERS);
    return `${spellName(random, name)}:${random.float() < 0.5 ? JSON.stringify(anyId(random, ground.outside)) : VALUES(random, ground)}`;
  });
  return text(`{${members.join(",")}}`);
}

const BUILT_IN = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "toJSON",
  "then",
  "__defineGetter__",
  "length",
  "",
];

export function builtInNames(random: Random, ground: Ground): Uint8Array {
  const members = Array.from({ length: 1 + Math.floor(random.float() * 6) }, () => {
    const value = pick(random, [
      '{"wochitVideoId":"polluted","type":"video.ready"}',
      "null",
      "1",
      '"x"',
      "[]",
      VALUES(random, ground),
    ]);
    return `${spellName(random, pick(random, BUILT_IN) || "a")}:${value}`;
  });
  if (random.float() < 0.6)
    members.push(
      `"wochitVideoId":${JSON.stringify(random.float() < 0.3 ? pick(random, BUILT_IN) : anyId(random, ground.outside))}`,
    );
  return text(`{${members.join(",")}}`);
}

export function oddNumbers(random: Random, { outside }: Ground): Uint8Array {
  const number = pick(random, [
    "1e308",
    "1e309",
    "-1e309",
    "1e-400",
    "0.1e1000000",
    "9".repeat(5_000),
    `0.${"0".repeat(5_000)}1`,
    "-0.0",
    "1E+2",
    "9007199254740993",
    "NaN",
    "Infinity",
    "0x10",
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "--1",
    "1_000",
  ]);
  return text(
    `{"wochitVideoId":${JSON.stringify(anyId(random, outside))},"type":"video.ready","videoDuration":${number},"n":[${number}]}`,
  );
}

export function oddStrings(random: Random, { outside }: Ground): Uint8Array {
  const odd = pick(random, [
    '"\\ud800"',
    '"\\udfff\\ud83d"',
    '"\\u0000"',
    '"\\uD83D\\uDE00"',
    '"\\x41"',
    '"\\u12"',
    '"\\"',
    '"\u2028\u2029"',
    '"\\/\\b\\f"',
    '"a\nb"',
    '"\u0000"',
    '"\u001f"',
    "'single'",
    '"‏‎‪‫‬‭‮"',
    '"\ufffe\uffff"',
    `"${"\\u0041".repeat(2_000)}"`,
    `"${"\\\\".repeat(5_000)}"`,
    `"${"👨‍👩‍👧‍👦".repeat(500)}"`,
  ]);
  const member = pick(random, ["title", "videoContext", "type", "wochitVideoId", "errorMessage", "\\u0000"]);
  return text(`{"wochitVideoId":${JSON.stringify(anyId(random, outside))},"${member}":${odd}}`);
}

export const NO_OBJECTS = [
  "",
  " ",
  "\n",
  "null",
  "true",
  "1",
  '"text"',
  "[]",
  '[{"wochitVideoId":"a"}]',
  "{",
  "}",
  "{}",
  '{"":1}',
  "undefined",
  "NaN",
  "// comment",
  '{"wochitVideoId":"a",}',
  "{'wochitVideoId':'a'}",
  '{wochitVideoId:"a"}',
  '{"wochitVideoId" "a"}',
  '{"wochitVideoId":"a"}x',
  '{"wochitVideoId":"a"}\u0000',
  '\ufeff\ufeff{"wochitVideoId":"a"}',
  '/**/{"wochitVideoId":"a"}',
  "wochitVideoId=a&type=video.ready",
  "<xml/>",
  "--boundary\r\n\r\n--boundary--",
];

export function deepNesting(random: Random, { outside }: Ground): Uint8Array {
  const depth = Math.floor(10 ** (1 + random.float() * 4));
  const [open, close] = pick(random, [
    ["[", "]"],
    ['{"a":', "}"],
    ['[{"wochitVideoId":', "}]"],
  ] as const);
  const nested = `${open.repeat(depth)}1${close.repeat(random.float() < 0.8 ? depth : depth - 1)}`;
  const id = JSON.stringify(anyId(random, outside));
  return text(
    pick(random, [
      nested,
      `{"wochitVideoId":${id},"deep":${nested}}`,
      `{"deep":${nested},"wochitVideoId":${id}}`,
      `{"wochitVideoId":${nested}}`,
      `{"wochitVideoId":${id},"videoContext":${nested},"title":${nested}}`,
    ]),
  ).subarray(0, MIB);
}

export function longString(random: Random, { outside }: Ground): Uint8Array {
  const long = pick(random, ["a", "\\u0000", "é", "\\\\", '\\"', "👍"]);
  const member = pick(random, ["title", "videoContext", "type", "wochitVideoId", "unknown", "errorMessage"]);
  const times = Math.floor((random.float() * 500_000) / Buffer.byteLength(long));
  return text(`{"wochitVideoId":${JSON.stringify(anyId(random, outside))},"${member}":"${long.repeat(times)}"}`);
}

export function manyMembers(random: Random, { outside }: Ground): Uint8Array {
  const count = Math.floor(random.float() * 30_000);
  const members = Array.from({ length: count }, (_, n) => `"${pick(random, ["m", "0", "__proto__"])}${n}":${n}`);
  members.push(`"wochitVideoId":${JSON.stringify(anyId(random, outside))}`);
  return text(`{${members.join(",")}}`);
}
