import assert from "node:assert/strict";
import { resolve, sep } from "node:path";
import test from "node:test";
import { keyOf } from "../../../src/mirror/upload/object-keys.ts";
import { sha256Of } from "../../support/bytes.ts";
import { fc, holdsForAll } from "../../support/property.ts";

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

/** Ids of all kinds: any text, and what is made of parts that mean something to a path or a file system. */
const id = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(
      fc.constantFrom(
        ..."a A b 9 / \\ . .. - _ ~ : * % %2f con é e\u0301 ﬁ fi ß ss ı i I K \u212a ａ 🎬 \u202e \0".split(" "),
        " ",
        "\n",
      ),
    )
    .map((parts) => parts.join("")),
);

test("any id has a key inside the directory, in one case and one Unicode form", () => {
  const root = resolve("/srv/media");
  holdsForAll(
    id,
    (id) => {
      const key = keyFor(id);
      assert.match(key, /^~?[a-z0-9_-]+\/video\.mp4$/);
      assert.ok(resolve(root, key).startsWith(root + sep));
      assert.ok(key.length < 200);
    },
    5_000,
  );
});

test("different ids have different keys, also those that a file system would fold together", () => {
  const alike = id.map((id) => [
    ...[id, id.toLowerCase(), id.toUpperCase(), `${id} `, ` ${id}`, `${id}.`],
    ...["NFC", "NFD", "NFKC", "NFKD"].map((form) => id.normalize(form)),
  ]);
  holdsForAll(fc.array(alike, { maxLength: 3 }), (groups) => {
    const ids = new Set(groups.flat());
    const keys = [...ids].map((id) => keyFor(id).normalize("NFKC").toLowerCase());
    assert.equal(new Set(keys).size, ids.size);
  });
});
