import assert from "node:assert/strict";
import { test } from "node:test";
import { type CursorFilters, checkEpoch, readCursor, writeCursor } from "../../src/actions/cursor.ts";
import { fc, holdsForAll } from "../support/property.ts";

const place = { epoch: "0c1f", position: "evt_1k800hr143c5p2qa0" };
const invalid = { code: "invalid_query" };

const filter = fc.oneof(fc.string(), fc.boolean(), fc.integer(), fc.constant(undefined));
const filters = fc.dictionary(fc.string(), filter) as fc.Arbitrary<CursorFilters>;

test("a cursor gives back its place under the same filters, in whichever order they stand", () => {
  const cases = fc.record({ epoch: fc.string(), position: fc.string({ unit: "binary", maxLength: 256 }), filters });
  holdsForAll(cases, ({ filters, ...place }) => {
    const cursor = writeCursor(place, filters);
    assert.match(cursor, /^[A-Za-z0-9_-]+$/);
    const turned = Object.fromEntries(Object.entries(filters).reverse());
    assert.deepEqual(readCursor(cursor, { ...turned, "not given": undefined }), place);
  });
});

test("a cursor under other filters is refused", () => {
  const given = (of: CursorFilters) => Object.entries(of).filter(([, value]) => value !== undefined);
  const text = (of: CursorFilters) => JSON.stringify(given(of).sort());
  holdsForAll(fc.tuple(filters, filters), ([one, other]) => {
    fc.pre(text(one) !== text(other));
    assert.throws(() => readCursor(writeCursor(place, one), other), invalid);
  });
  // Nor does a value stand for another one of another kind, or under another name.
  const pairs: [CursorFilters, CursorFilters][] = [
    [{ type: "a" }, {}],
    [{ type: "a" }, { context: "a" }],
    [{ suspect: true }, { suspect: "true" }],
    [{ since: 1 }, { since: "1" }],
    [
      { type: "a", context: "b" },
      { type: "b", context: "a" },
    ],
  ];
  for (const [one, other] of pairs) assert.throws(() => readCursor(writeCursor(place, one), other), invalid);
});

test("what is no cursor is refused, whatever it is", () => {
  const anything = fc.oneof(fc.string(), fc.json(), fc.base64String());
  const packed = anything.map((text) => Buffer.from(text).toString("base64url"));
  holdsForAll(fc.oneof(anything, packed), (text) => assert.throws(() => readCursor(text, {}), invalid));

  const pack = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [version, epoch, position, sum] = JSON.parse(Buffer.from(writeCursor(place, {}), "base64url").toString());
  assert.deepEqual(readCursor(pack([version, epoch, position, sum]), {}), place);
  const wrong: unknown[][] = [
    [version + 1, epoch, position, sum],
    [String(version), epoch, position, sum],
    [version, 1, position, sum],
    [version, epoch, [position], sum],
    [version, epoch, position, null],
    [version, epoch, position, sum, 1],
    [version, epoch, position],
    [version, epoch, "x".repeat(5_000), sum],
  ];
  for (const value of wrong) assert.throws(() => readCursor(pack(value), {}), invalid, JSON.stringify(value));
});

test("a cursor that was cut or changed is refused, or stands for another place, but breaks nothing", () => {
  const cursor = writeCursor(place, { type: "video.ready" });
  holdsForAll(fc.tuple(fc.nat(cursor.length - 1), fc.string({ maxLength: 3 })), ([at, put]) => {
    const changed = cursor.slice(0, at) + put + cursor.slice(at + 1);
    try {
      const { epoch, position } = readCursor(changed, { type: "video.ready" });
      assert.equal(typeof epoch + typeof position, "stringstring");
    } catch (error) {
      assert.equal((error as { code?: string }).code, "invalid_query");
    }
  });
});

test("a cursor of another epoch has expired", () => {
  checkEpoch(place, "0c1f");
  assert.throws(() => checkEpoch(place, "0c20"), { code: "cursor_expired", message: /begin again/ });
});
