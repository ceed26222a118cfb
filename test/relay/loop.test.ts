import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import { type TestContext, test } from "node:test";
import { send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

/** A gateway under another address, which hands each request on to `to` as it is. */
async function openGateway(t: TestContext) {
  const gateway = { url: "", to: "", passed: 0 };
  const server = createServer((request, response) => {
    const { hostname, port, pathname } = new URL(gateway.to);
    const { method, headers } = request;
    const onward = httpRequest({ hostname, port, path: pathname, method, headers }, (answer) => {
      gateway.passed++;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  gateway.url = `${(await listen(t, server)).url}/in`;
  return gateway;
}

for (const body of ["enriched", "verbatim"] as const) {
  test(`an event that comes back by way of others is stopped, ${body}`, async (t) => {
    const gateway = await openGateway(t);
    const relay = await startRelay({ endpoints: [endpointTo(gateway.url, { body, send: "immediately" })] });
    t.after(() => relay.close());
    gateway.to = `${relay.url}/webhooks/wochit`;
    const event = JSON.stringify({ type: "draft.update", wochitVideoId: "v1" });
    const { json } = await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, event);
    await waitFor(() => relay.ports.log.facts.find(({ fact }) => fact === "delivered"));
    const stopped = relay.ports.log.facts.find(({ fact }) => fact.startsWith("loop stopped"));
    assert.deepEqual([stopped?.level, stopped?.fields.event, stopped?.fields.video], ["warn", json.id, "v1"]);
    const events = await callJson(["events", "list", "--config", relay.configPath]);
    assert.deepEqual([events.length, gateway.passed], [1, 1]);
  });
}

test("a chain of two relays is no loop", async (t) => {
  const app = await openReceiver();
  const second = await startRelay({ endpoints: [endpointTo(app.url)] });
  const first = await startRelay({ endpoints: [endpointTo(`${second.url}/webhooks/wochit`)] });
  t.after(() => Promise.all([first.close(), second.close(), app.close()]));
  for (const type of ["draft.update", "draft.update", "draft.delete"]) {
    const event = JSON.stringify({ type, wochitVideoId: "v1" });
    await send(first.port, { method: "POST", path: "/webhooks/wochit" }, event);
  }
  await waitFor(() => app.requests.length === 3);
  assert.equal((await callJson(["events", "list", "--config", second.configPath])).length, 3);
});

test("who only says that it is a relay is believed nothing else", async (t) => {
  const relay = await startRelay();
  t.after(() => relay.close());
  const post = (members: object, headers: Record<string, string> = {}) =>
    send(
      relay.port,
      { method: "POST", path: "/webhooks/wochit", headers: { "user-agent": "wochit-relay/9", ...headers } },
      JSON.stringify({ type: "draft.update", wochitVideoId: "v1", ...members }),
    );
  const { id } = (await post({})).json;
  const others = [
    await post({ relay: null }),
    await post({ relay: { eventId: "evt_00000000000" } }),
    await post({ relay: { eventId: 7 } }, { "webhook-id": "msg_1" }),
    await post({ relay: { eventId: id }, wochitVideoId: "v2" }),
    await post({ relay: { eventId: id } }, { "user-agent": "curl/8" }),
  ];
  assert.deepEqual(
    others.map(({ status, json }) => [status, json.status]),
    others.map(() => [200, "accepted"]),
  );
  assert.deepEqual((await post({ relay: { eventId: id } })).json, { id, status: "duplicate" });
  assert.equal((await post({}, { "webhook-id": id })).json.status, "duplicate");
});
