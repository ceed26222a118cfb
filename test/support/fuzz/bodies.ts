import type { Random } from "../../../src/ports.ts";
import { EVENT_TYPES, makeEvent, pick } from "../../../src/simulator/events.ts";
import { type Ground, MIB, text } from "./ground.ts";
import { anyId } from "./ids.ts";
import { hostileLink, staysHere } from "./links.ts";
import { mutate } from "./mutate.ts";
import {
  anyMembers,
  builtInNames,
  deepNesting,
  duplicateNames,
  longString,
  manyMembers,
  NO_OBJECTS,
  oddNumbers,
  oddStrings,
} from "./odd-json.ts";

export type Body = { about: string; bytes: Uint8Array };

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
    (random, ground) => new Uint8Array(Buffer.from(readText(validEvent(random, ground)), "utf16le")),
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
  return text(readText(pick(random, seeds)).replace(/("wochitVideoId"\s*:\s*)"[^"]*"/, (_, name) => name + id));
}

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

function readText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function join(...parts: (Uint8Array | number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));
}
