import assert from "node:assert/strict";
import { test } from "node:test";
import { writeCursor } from "../../src/actions/cursor.ts";
import type { Clock } from "../../src/ports.ts";
import { startAdmin } from "../support/admin.ts";
import type { Answer } from "../support/front-door.ts";
import { realPorts } from "../support/real-ports.ts";
import { waitFor } from "../support/wait.ts";

test("a reader of the feed that goes on with `next` gets each event once, with its body where it asks", async (t) => {
  const { get, event } = await startAdmin(t, { mirror: { enabled: false } });
  const ids = [await event({ wochitVideoId: "v1" }), await event({ wochitVideoId: "v2", type: "draft.new" })];
  const first = (await get("/events?after=&limit=1")).json;
  assert.deepEqual([first.data.length, first.data[0].id, "body" in first.data[0]], [1, ids[0], false]);
  const second = (await get(`/events?after=${first.next}&include=body`)).json;
  assert.deepEqual([second.data.length, second.data[0].id], [1, ids[1]]);
  assert.equal(second.data[0].body.relay.eventId, ids[1]);
  const end = (await get(`/events?after=${second.next}`)).json;
  assert.deepEqual(end.data, []);
  ids.push(await event({ wochitVideoId: "v1", more: 1 }));
  const third = (await get(`/events?after=${end.next}&ready=true`)).json;
  assert.deepEqual([third.data[0].id, third.data.length], [ids[2], 1]);
  const draft = (await get("/events?after=&type=draft.*")).json;
  assert.deepEqual([draft.data[0].id, draft.data.length], [ids[1], 1]);
  assert.equal((await get(`/events?after=${draft.next}`)).status, 400);
});

test("one who waits is answered with the event, at once, and with none after its time", async (t) => {
  const real = realPorts();
  // Looks that are made once a second never come: only the event itself can wake.
  const after: Clock["after"] = (ms, run) => (ms === 1_000 ? () => {} : real.clock.after(ms, run));
  const ports = { ...real, clock: { ...real.clock, after } };
  const { get, event } = await startAdmin(t, { mirror: { enabled: false } }, ports);
  const answers: Answer[] = [];
  for (const filter of ["", "&videoId=v1"]) {
    const { data, next } = (await get(`/events?after=now&wait=50ms${filter}`)).json;
    assert.deepEqual(data, []);
    void get(`/events?after=${next}&wait=60s${filter}`).then((answer) => answers.push(answer));
  }
  const id = await event({ wochitVideoId: "v1" });
  await waitFor(() => answers.length === 2);
  for (const { json } of answers) assert.deepEqual([json.data[0].id, json.data.length], [id, 1]);
});

test("the stop of the relay ends the waits of its readers", async (t) => {
  const { get, relay } = await startAdmin(t);
  let answer: { status: number } | null = null;
  const asked = get("/events?after=now&wait=60s").then((given) => {
    answer = given;
  });
  // It is under way when another one, that came after it, has been answered.
  await get("/events?after=now");
  assert.equal(answer, null);
  await relay.close();
  await asked;
  assert.equal((answer as unknown as { status: number }).status, 200);
});

test("a time without a zone is of UTC, and a range in which nothing lies is refused", async (t) => {
  const { get, post, event } = await startAdmin(t, { mirror: { enabled: false } });
  await event({ wochitVideoId: "v1" });
  const [{ receivedAt }] = (await get("/events")).json.data;
  const at = (ms: number) => encodeURIComponent(new Date(Date.parse(receivedAt) + ms).toISOString().slice(0, 19));
  assert.equal((await get(`/events?since=${at(-2_000)}&until=${at(2_000)}`)).json.data.length, 1);
  assert.equal((await get(`/events?since=${at(2_000)}`)).json.data.length, 0);
  for (const answer of [
    await get("/events?since=1h&until=2h"),
    await get("/deliveries/reasons?since=1h&until=2h"),
    await post("/deliveries/retry", { since: "1h", until: "2h" }),
    await post("/media/verify", { since: "1h", until: "1h" }),
  ]) {
    assert.equal(answer.status, 400);
    const [detail] = answer.json.error.details;
    assert.equal(detail.path, "until");
    assert.match(detail.message, /^the range is empty: /);
  }
});

test("parameters that do not go together are refused by their names; a cursor of another life has expired", async (t) => {
  const { get } = await startAdmin(t);
  const refused = async (query: string) => {
    const { status, json } = await get(`/events?${query}`);
    assert.equal(status, 400, query);
    assert.equal(json.error.code, "invalid_query");
    return json.error.details?.[0]?.path;
  };
  for (const name of ["wait=1s", "include=body", "ready=true"]) assert.equal(await refused(name), name.split("=")[0]);
  for (const name of ["before=x", "since=1h", "until=1h", "contextMissing=true"]) {
    assert.equal(await refused(`after=&${name}`), name.split("=")[0]);
  }
  for (const wait of ["61s", "2m", "x", "1h", "-1s", ""]) assert.equal(await refused(`after=&wait=${wait}`), "wait");
  assert.equal(await refused("after=&include=all"), "include");
  await refused("after=evt_1");
  const old = writeCursor({ epoch: "0".repeat(32), position: "1" }, {});
  const { status, json } = await get(`/events?after=${old}`);
  assert.deepEqual([status, json.error.code], [410, "cursor_expired"]);
});
