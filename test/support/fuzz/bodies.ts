import type { Random } from "../../../src/domain.ts";
import { EVENT_TYPES, makeEvent } from "../../../src/simulator/events.ts";
import { pick } from "../../../src/simulator/random.ts";
import { anyId } from "./ids.ts";
import { hostileLink, staysHere } from "./links.ts";
import { mutate } from "./mutate.ts";

/** What the generators know of the run. */
export type Ground = {
  /** A port on which a trap listens: nobody may call it. */
  trapPort: number;
  /** A folder beside the data folder, into which nothing may be written. */
  outside: string;
  /** The provider's documented events, byte for byte. */
  seeds: Uint8Array[];
};

export type Body = { about: string; bytes: Uint8Array };

const MIB = 2 ** 20;

type Maker = (random: Random, ground: Ground) => Uint8Array;

/** Sorts of bodies, and how often each comes, in parts of a thousand. */
const MAKERS: [about: string, share: number, make: Maker][] = [
  ["a valid event", 160, (random, ground) => validEvent(random, ground)],
  ["a documented event with another id", 60, seedWithId],
  [
    "a mutated event",
    250,
    (random, ground) => mutate(random, random.float() < 0.5 ? pick(random, ground.seeds) : validEvent(random, ground)),
  ],
  ["any type in any member", 160, anyMembers],
  ["duplicate names", 60, duplicateNames],
  ["names that objects have already", 60, builtInNames],
  ["odd numbers", 40, oddNumbers],
  ["odd strings", 60, oddStrings],
  ["not an object", 30, (random) => text(pick(random, NO_OBJECTS))],
  ["invalid UTF-8", 40, invalidUtf8],
  ["random bytes", 30, (random) => random.bytes(Math.floor(random.float() ** 3 * 4_000))],
  ["deep nesting", 20, deepNesting],
  ["a byte order mark", 15, (random, ground) => join([0xef, 0xbb, 0xbf], validEvent(random, ground))],
  ["two documents", 10, (random, ground) => join(validEvent(random, ground), validEvent(random, ground))],
  [
    "another character set",
    8,
    (random, ground) => new Uint8Array(Buffer.from(text2(validEvent(random, ground)), "utf16le")),
  ],
  ["a very long string", 4, longString],
  ["a mebibyte of brackets", 2, (random) => new Uint8Array(MIB).fill(pick(random, [0x5b, 0x7b, 0x22, 0x5c, 0x20]))],
  [
    "a mebibyte of a list",
    1,
    (random) => text(`[${"[],".repeat(Math.floor((MIB - 10) / 3))}${pick(random, ["[]", ""])}]`),
  ],
  ["very many members", 2, manyMembers],
];
const TOTAL = MAKERS.reduce((sum, [, share]) => sum + share, 0);

/** A body of any sort. Its links, where it has any that can be followed, lead to this machine. */
export function makeBody(random: Random, ground: Ground): Body {
  for (;;) {
    const [about, make] = pickSort(random.float() * TOTAL);
    const bytes = make(random, ground);
    if (staysHere(bytes)) return { about, bytes };
  }
}

function pickSort(dice: number): [string, Maker] {
  let rest = dice;
  for (const [about, share, make] of MAKERS) {
    rest -= share;
    if (rest < 0) return [about, make];
  }
  throw new RangeError("the dice show more than there is");
}

function validEvent(random: Random, { trapPort, outside }: Ground): Uint8Array {
  return makeEvent(pick(random, EVENT_TYPES), {
    random,
    videoId: random.float() < 0.5 ? anyId(random, outside).toWellFormed() || "empty" : undefined,
    context: random.float() < 0.1 ? null : undefined,
    videoUrl: hostileLink(random, trapPort),
    thumbnailUrl: hostileLink(random, trapPort),
  }).body;
}

function seedWithId(random: Random, { seeds, outside }: Ground): Uint8Array {
  const id = JSON.stringify(anyId(random, outside));
  return text(text2(pick(random, seeds)).replace(/("wochitVideoId"\s*:\s*)"[^"]*"/, (_, name) => name + id));
}

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

function anyMembers(random: Random, ground: Ground): Uint8Array {
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

function duplicateNames(random: Random, ground: Ground): Uint8Array {
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

function builtInNames(random: Random, ground: Ground): Uint8Array {
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

function oddNumbers(random: Random, { outside }: Ground): Uint8Array {
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

function oddStrings(random: Random, { outside }: Ground): Uint8Array {
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

const NO_OBJECTS = [
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

const BAD_UTF8 = [
  [0xff],
  [0xfe],
  [0xc0, 0xaf],
  [0xc3],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x80],
  [0xf0, 0x82, 0x82, 0xac],
];

function invalidUtf8(random: Random, ground: Ground): Uint8Array {
  const whole = validEvent(random, ground);
  const at = Math.floor(random.float() * (whole.length + 1));
  return join(whole.subarray(0, at), pick(random, BAD_UTF8), whole.subarray(at));
}

function deepNesting(random: Random, { outside }: Ground): Uint8Array {
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

function longString(random: Random, { outside }: Ground): Uint8Array {
  const long = pick(random, ["a", "\\u0000", "é", "\\\\", '\\"', "👍"]);
  const member = pick(random, ["title", "videoContext", "type", "wochitVideoId", "unknown", "errorMessage"]);
  const times = Math.floor((random.float() * 500_000) / Buffer.byteLength(long));
  return text(`{"wochitVideoId":${JSON.stringify(anyId(random, outside))},"${member}":"${long.repeat(times)}"}`);
}

function manyMembers(random: Random, { outside }: Ground): Uint8Array {
  const count = Math.floor(random.float() * 30_000);
  const members = Array.from({ length: count }, (_, n) => `"${pick(random, ["m", "0", "__proto__"])}${n}":${n}`);
  members.push(`"wochitVideoId":${JSON.stringify(anyId(random, outside))}`);
  return text(`{${members.join(",")}}`);
}

function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}

function text2(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function join(...parts: (Uint8Array | number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));
}
