import assert from "node:assert/strict";
import { resolve, sep } from "node:path";
import test from "node:test";
import { keyOf } from "../../../src/mirror/upload/object-keys.ts";
import { sha256Of } from "../../support/sha256.ts";

const TEMPLATE = "{videoId}/{kind}{ext}";
const keyFor = (id: string) => keyOf(TEMPLATE, id, "video", ".mp4");

test("a plain id is its own folder", () => {
  assert.equal(keyFor("5a0b1c2d3e4f5a6b7c8d9e0f"), "5a0b1c2d3e4f5a6b7c8d9e0f/video.mp4");
  assert.equal(keyFor("-_9"), "-_9/video.mp4");
  assert.equal(keyOf(TEMPLATE, "a".repeat(64), "thumbnail", ".jpg"), `${"a".repeat(64)}/thumbnail.jpg`);
});

test("a variant sets a second video apart", () => {
  assert.equal(keyOf(TEMPLATE, "a", "video", ".mp4", "0123abcd"), "a/video.0123abcd.mp4");
});

test("every place of a template is filled, and values are not templates themselves", () => {
  assert.equal(keyOf("m/{kind}s/{videoId}-{kind}{ext}", "a", "thumbnail", ".png"), "m/thumbnails/a-thumbnail.png");
  assert.equal(keyOf("{videoId}/{kind}{ext}", "{kind}", "video", ""), `~kind-${hash("{kind}")}/video`);
  assert.equal(keyOf("{videoId}/{kind}{ext}", "$&", "video", ""), `~-${hash("$&")}/video`);
});

function hash(id: string): string {
  return sha256Of(id).slice(0, 32);
}

test("hostile ids are named by their hash", () => {
  assert.equal(keyFor("Abc"), `~abc-${hash("Abc")}/video.mp4`);
  const ids = [
    "..",
    ".",
    "",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "a/b",
    "a\\b",
    "a.b",
    "a\0b",
    "con",
    "nul",
    "com1",
    "lpt9",
    "~a",
    "a ",
    "a".repeat(65),
    "é",
    "🎬",
    "a\u202eb",
  ];
  for (const id of ids) assert.match(keyFor(id), /^~[a-z0-9_-]{0,24}-[0-9a-f]{32}\/video\.mp4$/, JSON.stringify(id));
});

test("ids that fold together do not share a key", () => {
  const same = [
    "abc",
    "ABC",
    "Abc",
    "ａｂｃ",
    "abc ",
    " abc",
    "abc.",
    "é",
    "e\u0301",
    "ﬁ",
    "fi",
    "FI",
    "ß",
    "ss",
    "ı",
    "i",
    "I",
    "K",
    "\u212a",
  ];
  const folded = same.map((id) => keyFor(id).normalize("NFKC").toLowerCase());
  assert.equal(new Set(folded).size, same.length);
});

test("any id: one key each, inside the directory, in one case and one Unicode form", () => {
  const alphabet = [
    "a",
    "A",
    "b",
    "/",
    "\\",
    ".",
    "..",
    "-",
    "_",
    "~",
    "%2f",
    "\0",
    "\n",
    "é",
    "e\u0301",
    "\u202e",
    "🎬",
    ":",
    "*",
    " ",
    "con",
    "9",
  ];
  let seed = 1;
  const next = (limit: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * limit);
  };
  const root = resolve("/srv/media");
  const idOf = new Map<string, string>();
  for (let round = 0; round < 20_000; round++) {
    const id = Array.from({ length: next(12) }, () => alphabet[next(alphabet.length)]).join("");
    const key = keyFor(id);
    assert.match(key, /^~?[a-z0-9_-]+\/video\.mp4$/);
    assert.ok(resolve(root, key).startsWith(root + sep));
    assert.ok(key.length < 200);
    assert.equal(idOf.get(key) ?? id, id, `${JSON.stringify(id)} shares ${key}`);
    idOf.set(key, id);
  }
  assert.ok(idOf.size > 5_000);
});
