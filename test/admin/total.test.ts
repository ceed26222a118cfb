import assert from "node:assert/strict";
import { test } from "node:test";
import { startAdmin } from "../support/admin.ts";

test("a list says how long it is where that is asked, and its cursor goes on without", async (t) => {
  const { get, event } = await startAdmin(t, { mirror: { enabled: false } });
  for (const id of ["v1", "v2", "v3"]) await event({ wochitVideoId: id });
  const { json } = await get("/events?limit=1&total=true&videoId=v2");
  assert.deepEqual([json.data.length, json.next, json.total], [1, null, { count: 1, isMore: false }]);
  const first = (await get("/events?limit=2&total=true")).json;
  assert.deepEqual([first.data.length, first.total], [2, { count: 3, isMore: false }]);
  const second = (await get(`/events?limit=2&before=${first.next}`)).json;
  assert.deepEqual([second.data.length, "total" in second], [1, false]);
  assert.deepEqual((await get("/videos?total=true&limit=1")).json.total, { count: 3, isMore: false });
  assert.equal((await get("/events?after=&total=true")).status, 400);
  assert.equal((await get("/tasks?total=true")).status, 400);
});
