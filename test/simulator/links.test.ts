import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "undici";
import type { Clock } from "../../src/ports.ts";
import { expiryOf } from "../../src/wochit/link-expiry.ts";
import { identityOf } from "../../src/wochit/link-identity.ts";
import { linkMaker, withProvider } from "../support/provider.ts";
import { realPorts } from "../support/real-ports.ts";

const START = Date.UTC(2026, 0, 31, 23, 59, 57);

async function statusOf(url: string): Promise<number> {
  const answer = await request(url);
  await answer.body.dump();
  return answer.statusCode;
}

test("links of every sort live as long as they say, are read by the relay, and cannot be forged", async () => {
  let now = START;
  const clock: Clock = { ...realPorts().clock, now: () => now };
  await withProvider({ clock }, async (provider) => {
    const linkTo = linkMaker(provider, clock);
    for (const scheme of ["aws", "cloudfront", "azure", "google"] as const) {
      now = START;
      const video = provider.addVideo(scheme);
      const link = linkTo(video, { scheme, lifetime: 7_200 });
      assert.equal(expiryOf(link), START + 7_200_000, link);
      assert.equal(identityOf(link), provider.url + video.path);
      assert.equal(await statusOf(link), 200, link);
      const forged = new URL(link);
      for (const [name, value] of forged.searchParams) {
        if (/expires|^se$/i.test(name)) forged.searchParams.set(name, value.replace(/^./, "9"));
      }
      assert.notEqual(forged.href, link);
      assert.equal(await statusOf(forged.href), 403, forged.href);
      now = START + 7_200_001;
      assert.equal(await statusOf(link), 403);
      assert.equal(await statusOf(video.link()), 200);
    }
    assert.equal(await statusOf(`${provider.url}/media/aws/video.mp4`), 403, "nobody ever got a plain link to it");
  });
});

test("a link that does not tell its end has one all the same", async () => {
  let now = START;
  const clock: Clock = { ...realPorts().clock, now: () => now };
  await withProvider({ clock }, async (provider) => {
    const linkTo = linkMaker(provider, clock);
    const video = provider.addVideo("a");
    const link = linkTo(video, { scheme: "plain", lifetime: 60 });
    assert.equal(link, provider.url + video.path);
    assert.equal(expiryOf(link), null);
    now += 60_000;
    assert.equal(await statusOf(link), 200);
    now += 1;
    assert.equal(await statusOf(link), 403);
    linkTo(video, { scheme: "plain", lifetime: 60 });
    assert.equal(await statusOf(link), 200, "announced again, it lives on");
  });
});
