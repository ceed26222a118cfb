import assert from "node:assert/strict";
import test from "node:test";
import { hostOf, isUrl } from "../../src/wochit/address.ts";
import { withoutQuery } from "../../src/wochit/link.ts";
import { deadlineOf, expiryOf } from "../../src/wochit/link-expiry.ts";
import { identityOf } from "../../src/wochit/link-identity.ts";
import given from "../fixtures/links.json" with { type: "json" };
import { computedMs } from "../support/computing.ts";
import { fc, holdsForAll } from "../support/property.ts";

type Vector = { name: string; url: string; identity: string; expiry: number | null };
const vectors: Vector[] = given;

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

for (const { name, url, identity, expiry } of vectors) {
  test(`identity and expiry of a link: ${name}`, () => {
    assert.equal(identityOf(url), identity);
    assert.equal(expiryOf(url), expiry);
  });
}

const name = fc.constantFrom("v", "quality", "response-content-type", "id", "e", "hash", "signatures", "");
const text = fc.stringMatching(/^[a-z0-9%=+~._-]{0,6}$/);
const plain = fc.array(
  fc.tuple(name, text).map((pair) => pair.join("=")),
  { maxLength: 5 },
);

/** The parameters of one scheme, each with the place where it stands among the others. */
const signature = fc
  .constantFrom(
    ["X-Amz-Date", "x-amz-expires", "X-Amz-Signature"],
    ["X-Goog-Date", "X-Goog-Signature"],
    ["AWSAccessKeyId", "Expires", "Signature"],
    ["Key-Pair-Id", "signature", "Policy"],
    ["GoogleAccessId", "Signature", "expires"],
    ["KeyName", "Signature", "Expires", "URLPrefix"],
    ["sig", "sv", "se", "sp"],
  )
  .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), text, fc.nat({ max: 8 })))));

const link = (path: string, parameters: string[]) =>
  `https://b.test/${path}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}`;

test("a link is the one without its signature, wherever that stands; its other parameters set it apart", () => {
  holdsForAll(fc.record({ plain, signature, other: plain }), ({ plain, signature, other }) => {
    const signed = [...plain];
    for (const [name, value, at] of signature) signed.splice(at, 0, `${name}=${value}`);
    const identity = link("a", plain);
    assert.equal(identityOf(link("a", signed)), identity);
    assert.equal(identityOf(identity), identity);
    assert.equal(identityOf(link("a", other)) === identity, other.join("&") === plain.join("&"));
  });
});

test("any text has an identity, which is its own, and an end or none", () => {
  const url = fc.webUrl({ withQueryParameters: true, withFragments: true });
  holdsForAll(fc.oneof(url, fc.string({ unit: "binary" })), (text) => {
    const identity = identityOf(text);
    assert.equal(identityOf(identity), identity);
    const deadline = deadlineOf(text, 0, 5 * HOUR);
    assert.ok(expiryOf(text) === null ? deadline === 5 * HOUR : deadline >= HOUR && deadline <= 7 * DAY);
  });
});

test("a deadline is the link's own expiry within one hour and seven days, or the configured life", () => {
  const at = Date.UTC(2026, 0, 1);
  const link = (time: number) => `https://cdn.test/v.mp4?Expires=${time / 1000}`;
  assert.equal(deadlineOf(link(at + 2 * HOUR), at, DAY), at + 2 * HOUR);
  assert.equal(deadlineOf(link(at - DAY), at, DAY), at + HOUR);
  assert.equal(deadlineOf(link(at + 60_000), at, DAY), at + HOUR);
  assert.equal(deadlineOf(link(at + 8 * DAY), at, DAY), at + 7 * DAY);
  assert.equal(deadlineOf("https://cdn.test/v.mp4", at, 5 * HOUR), at + 5 * HOUR);
  assert.equal(deadlineOf("rubbish", at, DAY), at + DAY);
});

test("a link is shown without query, fragment and credentials", () => {
  assert.equal(
    withoutQuery("https://user:pass@cdn.test:8443/a%20b/v.mp4?sig=1#x"),
    "https://cdn.test:8443/a%20b/v.mp4",
  );
  assert.equal(withoutQuery("https://cdn.test/v.mp4"), "https://cdn.test/v.mp4");
  assert.equal(withoutQuery("https://user:p@ss@cdn.test/v.mp4"), "https://cdn.test/v.mp4");
  assert.equal(withoutQuery("rubbish?sig=1"), "rubbish");
  assert.equal(withoutQuery("https://user:p@ss@no host/v@1.mp4?sig=1"), "https://no host/v@1.mp4");
});

test("the host of a link is lower case with its port, and empty where there is no http(s) link", () => {
  assert.equal(hostOf("https://CDN.Test:8443/v.mp4"), "cdn.test:8443");
  assert.equal(hostOf("http://cdn.test:80/"), "cdn.test");
  for (const url of ["", "rubbish", "ftp://cdn.test/v.mp4", "file:///etc/passwd", "//cdn.test/x", "http://"])
    assert.equal(hostOf(url), "", url);
});

test("the usual form of an address is read as a parser reads it", () => {
  const word = fc.oneof(
    fc.constantFrom("media", "xn--a", "xn--mnchen-3ya", "axn--", "0x7f", "127", "a--b", "-", ""),
    text,
  );
  const rest = fc.oneof(
    fc.constantFrom("", "/", "/v.mp4?a=1#b", "?", "#", ":80/", ":8443", "\\x", "@b.test/", "."),
    fc.string(),
  );
  holdsForAll(
    fc.record({
      scheme: fc.constantFrom("http://", "https://", "https:/"),
      words: fc.array(word, { minLength: 1 }),
      rest,
    }),
    ({ scheme, words, rest }) => {
      const url = scheme + words.join(".") + rest;
      assert.equal(isUrl(url), URL.canParse(url), url);
      assert.equal(hostOf(url), URL.canParse(url) ? new URL(url).host : "", url);
    },
  );
});

test("a hostile link costs no time", () => {
  const started = process.cpuUsage();
  for (const tail of [
    "&".repeat(500_000),
    "a=1&".repeat(100_000),
    "X-Amz-Date=1&".repeat(50_000),
    "?".repeat(500_000),
  ]) {
    identityOf(`https://cdn.test/v.mp4?${tail}`);
    expiryOf(`https://cdn.test/v.mp4?${tail}`);
  }
  // Some 200 ms alone; a square of its length would take minutes.
  assert.ok(computedMs(started) < 15_000);
});
