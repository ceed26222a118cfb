import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import { isSignatureOf, type MediaPlace, mediaLink, signKey } from "../../src/links/durable-link.ts";
import { fc, holdsForAll } from "../support/property.ts";

const secret = Buffer.from("a secret of the store");
const place: MediaPlace = { publicUrl: "https://relay.test/", publicBaseUrl: null, links: "signed", secret };
const sig = createHmac("sha256", secret).update("a/video.mp4").digest("base64url");

test("a link to the relay is signed, unless links are open", () => {
  assert.equal(mediaLink(place, "a/video.mp4"), `https://relay.test/media/a/video.mp4?sig=${sig}`);
  assert.equal(mediaLink({ ...place, links: "open" }, "a/video.mp4"), "https://relay.test/media/a/video.mp4");
});

test("a link below a public base is not signed", () => {
  assert.equal(
    mediaLink({ ...place, publicBaseUrl: "https://cdn.test/base" }, "a/video.mp4"),
    "https://cdn.test/base/a/video.mp4",
  );
});

test("a copy in a former target is always had from the relay", () => {
  const withBase = { ...place, publicBaseUrl: "https://cdn.test/base" };
  const address = `https://relay.test/media/a/video.mp4?sig=${sig}`;
  assert.equal(mediaLink(withBase, "a/video.mp4", { isFormer: true }), address);
});

const key = fc.array(
  fc.string({ unit: "binary", minLength: 1 }).map((part) => part.replaceAll("/", "~")),
  { minLength: 1 },
);

test("a link leads to its key, whatever that holds, and its signature is good for no other", () => {
  holdsForAll(
    fc.record({ parts: key, other: key, secret: fc.uint8Array({ minLength: 1 }) }),
    ({ parts, other, secret }) => {
      const link = mediaLink({ ...place, secret }, parts.join("/"));
      const [, path, sig] = /^https:\/\/relay\.test\/media\/([^?#]+)\?sig=([\w-]{43})$/.exec(link)!;
      assert.deepEqual(path!.split("/").map(decodeURIComponent), parts);
      assert.equal(isSignatureOf(secret, parts.join("/"), sig!), true);
      assert.equal(isSignatureOf(secret, other.join("/"), sig!), other.join("/") === parts.join("/"));
    },
  );
});

test("a signature is good for its key and secret only", () => {
  assert.equal(signKey(secret, "a/video.mp4"), sig);
  assert.equal(sig.length, 43);
  assert.equal(isSignatureOf(secret, "a/video.mp4", sig), true);
  for (const wrong of [
    "",
    sig.slice(1),
    `${sig}=`,
    sig.toLowerCase(),
    signKey(secret, "b/video.mp4"),
    signKey(Buffer.from("x"), "a/video.mp4"),
  ]) {
    assert.equal(isSignatureOf(secret, "a/video.mp4", wrong), false, wrong);
  }
});
