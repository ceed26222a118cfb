import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import { isSignatureOf, type LinkParts, mediaLink, signKey } from "../../src/links/durable-link.ts";
import { fc, holdsForAll } from "../support/property.ts";

const secret = Buffer.from("a secret of the store");
const parts: LinkParts = {
  ...{ publicUrl: "https://relay.test/", publicBaseUrl: null, links: "signed", secret },
  presentTarget: "tgt_1",
};
const copy = { target: "tgt_1", key: "a/video.mp4" };
const sig = createHmac("sha256", secret).update("a/video.mp4").digest("base64url");

test("a link to the relay is signed, unless links are open", () => {
  assert.equal(mediaLink(parts, copy), `https://relay.test/media/a/video.mp4?sig=${sig}`);
  assert.equal(mediaLink({ ...parts, links: "open" }, copy), "https://relay.test/media/a/video.mp4");
});

test("a link below a public base is not signed", () => {
  assert.equal(
    mediaLink({ ...parts, publicBaseUrl: "https://cdn.test/base" }, copy),
    "https://cdn.test/base/a/video.mp4",
  );
});

test("a copy in a former target is always had from the relay", () => {
  const withBase = { ...parts, publicBaseUrl: "https://cdn.test/base" };
  const address = `https://relay.test/media/a/video.mp4?sig=${sig}`;
  assert.equal(mediaLink(withBase, { ...copy, target: "tgt_0" }), address);
});

test("a link leads to its key, whatever that holds, and its signature is good for no other", () => {
  const names = fc.array(fc.string({ unit: "binary", minLength: 1 }), { minLength: 1 });
  const key = names.map((names) => names.map((name) => name.replaceAll("/", "~")).join("/"));
  holdsForAll(fc.tuple(key, key, fc.uint8Array({ minLength: 1 })), ([key, other, secret]) => {
    const link = mediaLink({ ...parts, secret }, { ...copy, key })!;
    const [, path, sig] = /^https:\/\/relay\.test\/media\/([^?#]+)\?sig=([\w-]{43})$/.exec(link)!;
    assert.equal(path!.split("/").map(decodeURIComponent).join("/"), key);
    assert.equal(isSignatureOf(secret, key, sig!), true);
    assert.equal(isSignatureOf(secret, other, sig!), other === key);
  });
});

test("no link is made where it needs an address that is not known", () => {
  const unknown = { ...parts, publicUrl: null, publicBaseUrl: "https://cdn.test" };
  assert.equal(mediaLink(unknown, copy), "https://cdn.test/a/video.mp4");
  assert.equal(mediaLink(unknown, { ...copy, target: "tgt_0" }), null);
  assert.equal(mediaLink({ ...unknown, publicBaseUrl: null }, copy), null);
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
