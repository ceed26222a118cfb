import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { listen } from "../support/listen.ts";
import { mp4 } from "../support/media-bytes.ts";
import { waitFor } from "../support/wait.ts";

const HOSTILE = `<script>alert("owned")</script> 'x' \u202Egnp.exe\u202C\u0000`;

/** A relay, and a server of media that gives a film where `isWell`, and else an error. */
async function open(t: TestContext) {
  const files = { isWell: true, url: "" };
  const server = createServer((_, response) => {
    if (files.isWell) response.writeHead(200, { "content-type": "video/mp4" }).end(mp4());
    else response.writeHead(503).end();
  });
  files.url = (await listen(t, server)).url;
  const dashboard = await openDashboard(t);
  await dashboard.login();
  const media = async (query = "") => (await dashboard.get(`/media${query}`)).json.data;
  return { ...dashboard, files, media };
}

/** A link that tells when it ends. */
const link = (url: string, name: string, seconds = 86_400) => {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  return `${url}/${name}.mp4?X-Amz-Date=${now}&X-Amz-Expires=${seconds}&X-Amz-Signature=geheim`;
};

test("what is not secured comes first, with when its link dies and what its host said", async (t) => {
  const { page, event, files, media } = await open(t);
  assert.match((await page("/media")).text, /No medium was announced yet/);
  files.isWell = false;
  for (const [name, seconds] of [
    ["late", 40_000],
    ["soon", 5_400],
  ] as const) {
    await event({ wochitVideoId: name, title: `${name} ${HOSTILE}`, videoUrl: link(files.url, name, seconds) });
  }
  await waitFor(async () => (await media()).every(({ lastError }: { lastError: unknown }) => lastError !== null));
  const { text } = await page("/media?by=deadline");
  assert.match(text, /aria-current="page">Nearest deadline <span class="n soft">\d/);
  assert.match(text, /soon &lt;script&gt;.*late &lt;script&gt;/s);
  assert.match(text, /<span class="due bad">1 h \d+ min<\/span>/);
  assert.match(text, /127\.0\.0\.1:\d+ answered 503/);
  assert.match(text, /<bdi>127\.0\.0\.1:\d+<\/bdi> has trouble/);
  assert.match(text, /did not give any of the 2 that wait for it here; its last word on one: /);
  const soon = await page("/media?by=deadline&videoId=soon");
  assert.match(soon.text, /did not give the one that waits for it here; its last word: /);
  assert.doesNotMatch(text, /geheim|<script>alert|[\u202E\u202C\u0000]/);
  const [{ id }] = await media("?videoId=soon");
  assert.match(text, new RegExp(`<form method="post" action="/media/${id}/retry">`));

  const one = (await page(`/media/${id}`)).text;
  assert.match(one, /It is not secured yet/);
  assert.match(one, /Its link dies/);
  assert.doesNotMatch(one, /geheim|<script>alert|[\u202E\u202C\u0000]/);
});

test("a copy says where it lies, and leads to it", async (t) => {
  const { page, event, files, media } = await open(t);
  await event({ wochitVideoId: "v/1?<b>", title: "Flood", videoUrl: link(files.url, "a") });
  await waitFor(async () => (await media("?state=mirrored")).length === 1);
  const [{ id, url, sha256 }] = await media();
  const list = (await page("/media?state=mirrored")).text;
  assert.match(list, /aria-current="page">Mirrored <span class="n soft">1</);
  assert.match(list, new RegExp(`<a href="/media/${id}"><span class="clip" dir="auto">Flood</span></a>`));
  assert.doesNotMatch(list, /Try now/);
  const { text } = await page(`/media/${id}`);
  assert.match(text, /There is a copy/);
  assert.ok(text.includes(`href="${url.replaceAll("&", "&amp;")}">Open the copy`));
  assert.ok(text.includes(sha256));
  assert.match(text, /lies in<\/dt><dd><span class="id">local \//);
  assert.match(text, /First tried.*Its bytes were safe here.*Mirrored to the target/s);
  assert.match(text, /href="\/videos\/v%2F1%3F%3Cb%3E"/);
  assert.doesNotMatch(text, /geheim|<b>v|\/media\/[^"]+\/retry/);
});

test("one that has no copy is tried again by a button, which leads back to the list", async (t) => {
  const { page, event, form, media, get, files } = await open(t);
  files.isWell = false;
  await event({ wochitVideoId: "v1", videoUrl: link(files.url, "a") });
  await waitFor(async () => (await media())[0].lastError !== null);
  const [{ id }] = await media();
  assert.match((await page("/media")).text, /aria-current="page">Nearest deadline <span class="n soft">1</);
  assert.match((await page("/media?by=deadline")).text, /name="to" value="\/media\?by=deadline"/);
  const { status, headers } = await form(`/media/${id}/retry`, { to: "/media?by=deadline" });
  files.isWell = true;
  assert.deepEqual([status, headers.location], [303, "/media?by=deadline&done=tried"]);
  assert.match((await page("/media?by=deadline&done=tried")).text, /It is downloaded again/);
  await waitFor(async () => (await media("?state=mirrored")).length === 1);
  const [deed] = (await get("/audit")).json.data;
  assert.deepEqual([deed.through, deed.verb, deed.subject], ["dashboard", "media retry", id]);
  const elsewhere = await form(`/media/${id}/retry`, { to: "//evil.example" });
  assert.equal(elsewhere.status, 409, "it is mirrored by now");
});

test("many are tried again after a question, whose count is binding", async (t) => {
  const { page, event, form, media, files, get } = await open(t);
  files.isWell = false;
  for (const name of ["a", "b", "c"]) await event({ wochitVideoId: name, videoUrl: link(files.url, name) });
  await waitFor(async () => (await media("?state=pending")).length === 3);
  const { text } = await page("/confirm?do=media-retry&state=pending");
  assert.match(text, /Retry 3 media\?/);
  assert.match(text, /name="expect" value="3"/);
  const fields = Object.fromEntries(
    [...text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );
  const fewer = await form("/confirm", { ...fields, expect: "2" });
  assert.equal(fewer.status, 409);
  assert.match(fewer.text, /3 match by now, 2 were confirmed/);
  const { status, headers } = await form("/confirm", fields);
  files.isWell = true;
  assert.deepEqual([status, headers.location], [303, "/media?state=pending&done=tried-many&n=3"]);
  await waitFor(async () => (await media("?state=mirrored")).length === 3);
  const deeds = (await get("/audit")).json.data.filter(({ verb }: { verb: string }) => verb === "media retry");
  assert.equal(deeds.length, 3);
  assert.match((await page("/confirm?do=media-retry&state=expired")).text, /No medium is like that now/);
  assert.equal((await page("/confirm?do=media-retry")).status, 400);
});

test("one that cannot be fetched says so", async (t) => {
  const { page, event, form, media } = await open(t);
  await event({ wochitVideoId: "v1", videoUrl: "no address" });
  await waitFor(async () => (await media("?state=failed")).length === 1);
  const [{ id }] = await media();
  assert.match((await page("/media?state=failed")).text, /Failed <span class="n soft">1</);
  assert.match((await page(`/media/${id}`)).text, /There is no copy/);
  const { status, text } = await form(`/media/${id}/retry`);
  assert.equal(status, 409);
  assert.match(text, /It was not done/);
});

test("a mirrored one is not tried again: the page says what is done instead", async (t) => {
  const { event, form, media, files } = await open(t);
  await event({ wochitVideoId: "v1", videoUrl: link(files.url, "a") });
  await waitFor(async () => (await media("?state=mirrored")).length === 1);
  const { status, text } = await form(`/media/${(await media())[0].id}/retry`);
  assert.equal(status, 409);
  assert.match(text, /media verify --mend/);
});

test("without rows, with wrong filters, and for who may read", async (t) => {
  const { page, event, login, media } = await open(t);
  await event({ wochitVideoId: "v1", videoUrl: "no address" });
  await waitFor(async () => (await media("?state=failed")).length === 1);
  assert.match((await page("/media?by=deadline")).text, /Nothing waits to be secured/);
  assert.match((await page("/media?videoId=nothing")).text, /No medium is like that/);
  assert.match((await page("/media?suspect=true")).text, /aria-current="page">Suspect/);
  for (const query of ["state=lost", "kind=film", "since=then", "before=x", "suspect=perhaps"]) {
    const { status, text } = await page(`/media?${query}`);
    assert.equal(status, 200);
    assert.match(text, /class="notice bad" role="alert"/, query);
  }
  assert.equal((await page("/media/med_none")).status, 404);
  await login(READER);
  const { status, text } = await page("/media?state=failed");
  assert.equal(status, 200);
  assert.doesNotMatch(text, /Try now|\/confirm/);
});
