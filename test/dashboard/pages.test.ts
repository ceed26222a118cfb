import assert from "node:assert/strict";
import { test } from "node:test";
import { openDashboard } from "../support/dashboard.ts";

const HOSTILE = `<script>alert("owned")</script> & <img src=x onerror=alert(1)> 'x' \u202Egnp.exe\u202C \u0000\u200b`;

test("pages may load their own sheet and script and nothing else, and are kept nowhere", async (t) => {
  const { login, page } = await openDashboard(t);
  for (const [status, path] of [
    [401, "/events"],
    [200, "/login"],
  ] as const) {
    assert.equal((await page(path)).status, status);
  }
  await login();
  for (const path of ["/events", "/settings", "/nowhere"]) {
    const { headers, text } = await page(path);
    const policy = String(headers["content-security-policy"]);
    assert.match(
      policy,
      /^default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'/,
    );
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.match(policy, /base-uri 'none'; frame-ancestors 'none'/);
    assert.deepEqual(
      ["cache-control", "x-content-type-options", "x-frame-options", "strict-transport-security"].map(
        (n) => headers[n],
      ),
      ["no-store", "nosniff", "DENY", undefined],
      path,
    );
    assert.doesNotMatch(text, /<[^>]+ (style|on\w+)=/i);
    assert.doesNotMatch(text, /<script(?! src=)/);
  }
});

test("the sheet, the script and the icon are kept for ever, under names of what they hold", async (t) => {
  const { page } = await openDashboard(t);
  const { text } = await page("/login");
  const names = [...text.matchAll(/"(\/assets\/[0-9a-f]{16}\.(?:css|js|svg))"/g)].map(([, name]) => name!);
  assert.equal(names.length, 3);
  for (const name of names) {
    const { status, headers } = await page(name);
    assert.equal(status, 200);
    assert.equal(headers["cache-control"], "public, max-age=31536000, immutable");
    assert.match(String(headers["content-type"]), /^(text\/css|text\/javascript|image\/svg)/);
  }
  for (const name of ["/assets/x.css", "/assets/..%2f..%2fpackage.json", "/assets/files.ts"]) {
    assert.equal((await page(name)).status, 404, name);
  }
});

test("what came from outside is text, and what would hide or turn it around is shown", async (t) => {
  const { login, page, event } = await openDashboard(t);
  await event({ wochitVideoId: "v1<b>", title: HOSTILE, videoContext: HOSTILE, type: `x<b>"'` });
  await login();
  for (const path of [
    "/events",
    `/events?q=${encodeURIComponent(HOSTILE)}`,
    `/events?type=${encodeURIComponent("<b>")}`,
  ]) {
    const { status, text: whole } = await page(path);
    assert.equal(status, 200, path);
    // A field holds what was typed.
    const text = whole.replace(/(<input name="q"[^>]*) value="[^"]*"/, "$1");
    assert.doesNotMatch(text, /<b>|<img|alert\("owned"\)|[\u202E\u202C\u200b\u0000]/, path);
  }
  const { text } = await page("/events");
  assert.match(text, /&lt;script&gt;alert\(&quot;owned&quot;\)&lt;\/script&gt;/);
  assert.match(text, /<span class="odd">U\+202E<\/span>gnp\.exe<span class="odd">U\+202C<\/span>/);
  assert.match(text, /<span class="odd">U\+200B<\/span>/);
});

test("a list goes on below its last row, keeps its filters, and says what is wrong with them", async (t) => {
  const { login, page, event } = await openDashboard(t);
  for (let n = 0; n < 53; n++)
    await event({ wochitVideoId: `v${n % 3}`, type: n % 2 ? "draft.update" : "draft.new", n });
  await login();
  const first = await page("/events?type=draft.*");
  assert.equal(first.text.match(/<tr id="row-evt_/g)?.length, 35);
  const [, older] = /href="(\/events\?type=draft\.\*&amp;before=[^"]+)">Older/.exec(first.text)!;
  const second = await page(older!.replace("&amp;", "&"));
  assert.equal(second.text.match(/<tr id="row-evt_/g)?.length, 18);
  assert.match(second.text, /href="\/events\?type=draft\.\*">Newest/);
  for (const query of ["type=draft.nwe", "endpoint=nowhere", "since=then", "q=ab", "before=x"]) {
    const { status, text } = await page(`/events?${query}`);
    assert.equal(status, 200);
    assert.match(text, /class="notice bad" role="alert"/, query);
  }
  assert.match((await page("/events?type=draft.nwe")).text, /did you mean.*draft\.new/);
  const { text } = await page("/events?context=nothing");
  assert.match(text, /No event is like that.*<p class="actions"><a class="button" href="\/events">All events/);
});

test("an empty list says what to do", async (t) => {
  const { login, page } = await openDashboard(t);
  await login();
  const { text } = await page("/events");
  assert.match(text, /No webhook has come yet/);
  assert.match(text, /wochit-relay simulate all --to http:\/\/127\.0\.0\.1:\d+\/webhooks\/wochit/);
});

test("times are in the zone of who looks, which is named", async (t) => {
  const { login, page, event, jar } = await openDashboard(t);
  await event({ wochitVideoId: "v1" });
  await login();
  const iso = /datetime="([^"]+)"/.exec((await page("/events")).text)![1]!;
  for (const [zone, shown] of [
    ["Asia/Kathmandu", "Asia/Kathmandu"],
    ["Nowhere/Else", "UTC"],
    ["<b>", "UTC"],
  ]) {
    jar.set("tz", zone!);
    const { text } = await page("/events");
    assert.match(text, new RegExp(`Times in <span data-zone>${shown}</span>`));
    const clock = new Intl.DateTimeFormat("en", { timeZone: shown!, timeStyle: "medium", hourCycle: "h23" });
    assert.ok(text.includes(`>${clock.format(new Date(iso))}</time>`), zone);
  }
});

test("what is not there is missed in the words of its kind", async (t) => {
  const { login, page } = await openDashboard(t);
  await login();
  const said = async (path: string) => {
    const { status, text } = await page(path);
    assert.equal(status, 404, path);
    return text;
  };
  assert.match(await said("/videos/none"), /A video is known once an event of it has come/);
  assert.match(await said("/endpoints/none"), /known while the config names it/);
  for (const path of ["/events/none", "/deliveries/none", "/media/none", "/quarantine/none", "/tasks/none"]) {
    assert.match(await said(path), /Ids are opaque, like/, path);
  }
});

test("a browser gets a page for what is not there, and a program an answer of the API", async (t) => {
  const { login, page, send } = await openDashboard(t);
  assert.equal((await page("/nowhere")).status, 401);
  await login();
  const { status, text } = await page("/nowhere/<b>");
  assert.equal(status, 404);
  assert.match(text, /There is no such page/);
  const { json } = await send("GET", "/api/v1/nowhere");
  assert.equal(json.error.code, "not_found");
});
