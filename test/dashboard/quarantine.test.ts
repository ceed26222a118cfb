import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { send as post } from "../support/front-door.ts";

const HOSTILE = `<script>alert("owned")</script> 'x' \u202Egnp.exe\u202C`;

/** A relay that takes nothing from here; `refuse` sends it a body, and resolves with its id in quarantine. */
async function open(t: TestContext) {
  const dashboard = await openDashboard(t, { receive: { allowFrom: ["10.1.2.3"] } });
  await dashboard.login();
  const list = async (query = "") => (await dashboard.get(`/quarantine${query}`)).json.data;
  return {
    ...dashboard,
    list,
    allow: () => dashboard.relay.reload({ receive: { allowFrom: ["127.0.0.1"] } }),
    async refuse(body: string | Buffer): Promise<string> {
      await post(dashboard.relay.port, { method: "POST", path: "/webhooks/wochit" }, body as string);
      return (await list())[0].id;
    },
  };
}

const EVENT = (n: number) => JSON.stringify({ type: "video.ready", wochitVideoId: `v${n}<i>`, title: HOSTILE });

test("what was refused is shown by reason and address, and as what it reads", async (t) => {
  const { page, refuse, allow } = await open(t);
  assert.match((await page("/quarantine")).text, /Nothing was refused/);
  for (let n = 0; n < 3; n++) await refuse(EVENT(n));
  await allow();
  await refuse(`{"type": ${HOSTILE}`);
  const { text } = await page("/quarantine");
  assert.match(text, /kept: 4 bodies/);
  assert.match(text, /3 events came from <bdi>127\.0\.0\.1<\/bdi>, a private address/);
  assert.match(text, /its address is not one of those that may send; 3 read as events/);
  assert.match(text, /its body is not JSON; none reads as an event/);
  assert.match(text, /href="\/confirm\?do=reprocess&amp;reason=source&amp;source=127\.0\.0\.1">Reprocess…/);
  assert.doesNotMatch(text, /do=reprocess&amp;reason=invalid_json|<i>|<script>alert/);
  assert.equal(text.match(/<tr id="row-qrn_/g)?.length, 4);
  const some = (await page("/quarantine?reason=source")).text;
  assert.match(some, /href="\/confirm\?do=reprocess&amp;reason=source">Reprocess 3…/);
  assert.equal(some.match(/<tr id="row-qrn_/g)?.length, 3);
  assert.match((await page("/quarantine?source=10.9.9.9")).text, /Nothing was refused like that/);
});

test("more than a page is counted by reason and address all the same", async (t) => {
  const { page, refuse } = await open(t);
  for (let n = 0; n < 53; n++) await refuse(EVENT(n));
  const { text } = await page("/quarantine");
  assert.equal(text.match(/<tr id="row-qrn_/g)?.length, 35);
  assert.match(text, /53 events came from/);
  assert.match(text, /35 of 53/);
});

test("a body is text and bytes, and can be had whole", async (t) => {
  const { page, refuse, send } = await open(t);
  const id = await refuse(EVENT(1));
  const { text } = await page(`/quarantine/${id}`);
  assert.match(text, /Refused: its address is not one of those that may send/);
  assert.match(text, /It reads as an event/);
  assert.match(text, /&lt;script&gt;/);
  assert.match(text, /<span class="odd">U\+202E<\/span>/);
  assert.match(text, /0000 {2}7b 22 74 79 70 65/);
  assert.doesNotMatch(text, /<i>|<script>alert|[\u202E\u202C]/);
  const [, path] = /href="(\/api\/v1\/quarantine\/[^"]+\/body)" download/.exec(text)!;
  const whole = await send("GET", path!);
  assert.equal(whole.status, 200);
  assert.equal(whole.text, EVENT(1));
  assert.match(String(whole.headers["content-disposition"]), /attachment/);
  assert.equal((await page("/quarantine/qrn_none")).status, 404);
});

test("one is taken in by a button and becomes an event; what is none stays, and why is said", async (t) => {
  const { page, refuse, form, list, get } = await open(t);
  const id = await refuse(EVENT(1));
  const { status, headers } = await form(`/quarantine/${id}/reprocess`);
  assert.equal(status, 303);
  assert.match(String(headers.location), /^\/events\/evt_\w+\?done=taken$/);
  assert.deepEqual(await list(), []);
  assert.match((await page(String(headers.location))).text, /It was taken in: it is an event now/);
  const [deed] = (await get("/audit")).json.data;
  assert.deepEqual([deed.through, deed.subject], ["dashboard", id]);

  const none = await refuse("() { :; }; #");
  const refused = await form(`/quarantine/${none}/reprocess`);
  assert.equal(refused.status, 409);
  assert.match(refused.text, /class="notice bad" role="alert".*It was not taken in/s);
  assert.equal((await list())[0].id, none);
});

test("bytes that are no text are shown, and an empty body is called that", async (t) => {
  const { page, refuse } = await open(t);
  const odd = await refuse(Buffer.from([0xff, 0xfe, 0x00, 0x41]));
  const { text } = await page(`/quarantine/${odd}`);
  assert.match(text, /It is not UTF-8/);
  assert.match(text, /0000 {2}ff fe 00 41 +···A/);
  assert.doesNotMatch(text, /\u0000/);
});

test("of very many characters that are marked a page has a few thousand, and says where the rest is", async (t) => {
  const { page, refuse } = await open(t);
  const id = await refuse(Buffer.alloc(100_000));
  const { text } = await page(`/quarantine/${id}`);
  assert.equal(text.split('<span class="odd">U+0000</span>').length - 1, 4_000);
  assert.match(text, /the rest, with more such characters, is in the download/);
  const { text: lines } = await page(`/quarantine/${await refuse("a\tb\r\nc\n\rd")}`);
  assert.match(lines, />a\tb\nc\n<span class="odd">U\+000D<\/span>d<\/pre>/);
});

test("who may read sees no button", async (t) => {
  const { page, refuse, login } = await open(t);
  const id = await refuse(EVENT(1));
  await login(READER);
  for (const path of ["/quarantine", "/quarantine?reason=source", `/quarantine/${id}`]) {
    const { status, text } = await page(path);
    assert.equal(status, 200);
    assert.doesNotMatch(text, /\/confirm|action="\/quarantine\/q/, path);
  }
  for (const query of ["reason=evil", "since=then", "before=x"]) {
    assert.match((await page(`/quarantine?${query}`)).text, /class="notice bad" role="alert"/, query);
  }
});

test("an entry says what was wrong with its request, and leads to the event that it has become", async (t) => {
  const { relay, login, page, get, ...dashboard } = await openDashboard(t);
  await login();
  const body = JSON.stringify({ type: "video.ready", wochitVideoId: "v1" });
  await post(relay.port, { method: "POST", path: "/elsewhere?<b>" }, body);
  const [{ id, detail }] = (await get("/quarantine?reason=path")).json.data;
  assert.match(detail, /POST \/elsewhere/);
  for (const path of ["/quarantine", `/quarantine/${id}`]) {
    const { text } = await page(path);
    assert.match(text, /POST \/elsewhere/, path);
    assert.doesNotMatch(text, /<b>\]|\?<b>/, path);
  }
  const event = (await dashboard.post(`/quarantine/${id}/reprocess`)).json.id;
  const { status, headers } = await page(`/quarantine/${id}`);
  assert.deepEqual([status, headers.location], [303, `/events/${event}`]);
  assert.match((await page("/audit")).text, new RegExp(`href="/quarantine/${id}"`));
  assert.equal((await page("/quarantine/qrn_none")).status, 404);
});
