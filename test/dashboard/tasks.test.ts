import assert from "node:assert/strict";
import { test } from "node:test";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

test("a task shows how far it is, is stopped by a button, and what was done stays done", async (t) => {
  const app = await openReceiver(413);
  t.after(() => app.close());
  const to = endpointTo(app.url, { retry: [], send: "immediately", order: "none" });
  const { page, event, login, form, get, post } = await openDashboard(t, {
    mirror: { enabled: false },
    endpoints: [to],
  });
  await login();
  assert.match((await page("/tasks")).text, /No task is like that/);
  for (let n = 0; n < 10; n++) await event({ wochitVideoId: `v${n}` });
  const dead = async () => (await get("/deliveries?state=dead")).json.data.length;
  await waitFor(async () => (await dead()) === 10);
  const { task } = (await post("/deliveries/retry", { endpoint: "app", ratePerSecond: 0.01 })).json;
  const one = async () => (await get(`/tasks/${task.id}`)).json;
  await waitFor(async () => (await one()).state === "running");

  const { text } = await page(`/tasks/${task.id}`);
  assert.match(text, /<h1 id="title" data-part dir="auto">Retry deliveries/);
  assert.match(text, /It is worked on/);
  assert.match(text, /<progress max="10" value="\d" aria-label="Progress of tsk_/);
  assert.match(text, /\d of 10 retried/);
  assert.match(text, /endpoint=app/);
  assert.match(text, /at most 0\.01 a second/);
  assert.match(text, /href="\/deliveries\?state=dead&amp;endpoint=app">See the list/);
  const list = (await page("/tasks?state=running")).text;
  assert.match(list, new RegExp(`<form method="post" action="/tasks/${task.id}/cancel">`));

  await login(READER);
  assert.doesNotMatch((await page(`/tasks/${task.id}`)).text, /\/cancel/);
  assert.doesNotMatch((await page("/tasks")).text, /\/cancel/);
  await login();

  const { status, headers } = await form(`/tasks/${task.id}/cancel`);
  assert.deepEqual([status, headers.location], [303, `/tasks/${task.id}?done=stopped`]);
  const after = (await page(`/tasks/${task.id}?done=stopped`)).text;
  assert.match(after, /It was stopped; what was done stays done/);
  assert.doesNotMatch(after, /<progress|\/cancel/);
  const [deed] = (await get("/audit")).json.data;
  assert.deepEqual([deed.through, deed.verb, deed.subject], ["dashboard", "tasks cancel", task.id]);
  assert.equal((await form(`/tasks/${task.id}/cancel`)).status, 409);
  assert.equal((await page("/tasks/tsk_none")).status, 404);
  assert.match((await page("/tasks?state=lost")).text, /class="notice bad" role="alert"/);
});
