import assert from "node:assert/strict";
import { test } from "node:test";
import { startAdmin } from "../support/admin.ts";
import { openReceiver, type Received } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { callCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

/** Of one connection, or of one attempt. */
const OF_ITS_OWN = /^(host|connection|content-length|webhook-(signature|timestamp|attempt))$/;

const rest = (headers: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_ITS_OWN.test(name)));

test("a preview is what the endpoint then gets, but for the signature and the attempt's own", async (t) => {
  const [app, plain] = [await openReceiver(422), await openReceiver(422)];
  t.after(() => Promise.all([app.close(), plain.close()]));
  const once = { order: "none" as const, retry: ["1h"] };
  const url = app.url.replace("http://", "http://cms:a%20word@");
  const { get, post, event, relay } = await startAdmin(t, {
    mirror: { enabled: false },
    endpoints: [
      endpointTo(`${url}/hooks?key=secret#part`, { ...once, headers: { "X-Token": "of the config" } }),
      endpointTo(plain.url, { ...once, id: "plain", body: "verbatim", headers: { authorization: "Own" } }),
      endpointTo(plain.url, { id: "drafts", events: ["draft.*"] }),
    ],
  });
  await event({ type: "draft.new", wochitVideoId: "v1", videoContext: "page-1" });
  const id = await event({ wochitVideoId: "v1", videoUrl: "https://example.com/ü.mp4", n: [1.0, "\u202e"] });
  const of = (requests: Received[]) => requests.filter(({ headers }) => headers["webhook-id"] === id);
  await waitFor(() => of(app.requests).length > 0 && of(plain.requests).length > 0);

  async function compare(endpoint: string, hidden: string[], received: Received[]) {
    const { json: shown } = await get(`/events/${id}/preview?endpoint=${endpoint}`);
    const logged = async (most: number) => {
      const { attemptLog } = (await get(`/deliveries/${shown.deliveryId}`)).json;
      return attemptLog.length > most && attemptLog;
    };
    // The attempt before it has ended: the next one is another one.
    const { length } = await waitFor(() => logged(0));
    const before = received.length;
    await post(`/deliveries/${shown.deliveryId}/retry`);
    const isIt = (one: Received) => one.headers["webhook-id"] === shown.headers["webhook-id"];
    const { headers, body } = await waitFor(() => received.slice(before).find(isIt));
    assert.equal(shown.body, body.toString());
    assert.equal(shown.bytes, body.length);
    assert.equal(shown.sha256, (await waitFor(() => logged(length))).at(-1).sha256);
    const sent: Record<string, unknown> = { ...rest(headers) };
    for (const name of hidden) sent[name] = "(set)";
    assert.deepEqual(rest(shown.headers), sent);
    assert.match(shown.headers["webhook-timestamp"], /^\d{10}$/);
    assert.equal("webhook-signature" in shown.headers, false);
    return shown;
  }

  const enriched = await compare("app", ["x-token", "authorization"], app.requests);
  assert.equal(JSON.parse(enriched.body).videoContext, "page-1");
  assert.equal(enriched.url, `${app.url.replace("http://", "http://(set)@")}/hooks?(set)`);
  assert.doesNotMatch(JSON.stringify(enriched), /a word|a%20word|of the config|secret|Basic/);
  assert.equal(enriched.wanted, true);
  await compare("plain", ["authorization"], plain.requests);

  await post(`/deliveries/${enriched.deliveryId}/cancel`);
  const [{ deliveryId }] = (await post(`/events/${id}/replay`, { endpoint: "app", newId: true })).json.data;
  const again = await compare("app", ["x-token", "authorization"], app.requests);
  assert.equal(again.deliveryId, deliveryId);
  assert.equal(JSON.parse(again.body).relay.replay, true);
  assert.notEqual(again.headers["webhook-id"], id);

  const none = (await get(`/events/${id}/preview?endpoint=drafts`)).json;
  assert.deepEqual([none.deliveryId, none.wanted, none.headers["webhook-id"]], [null, false, id]);
  assert.equal(none.headers["webhook-attempt"], "1");

  const config = ["--config", relay.configPath];
  const line = ["events", "preview", id, "-e", "app", ...config];
  const { stdout } = await callCli(line);
  const [head, ...lines] = stdout.split("\n");
  assert.equal(head, `POST ${again.url}`);
  assert.ok(lines.includes(`webhook-id: ${again.headers["webhook-id"]}`));
  assert.ok(lines.includes("x-token: (set)"));
  assert.ok(lines.at(-2)!.includes("\\u{202e}"), "what reorders text is shown");
  assert.equal((await callCli([...line, "--body"])).stdout, again.body);
  const json = JSON.parse((await callCli([...line, "--json"])).stdout);
  assert.deepEqual(rest(json.headers), { ...rest(again.headers), "user-agent": "wochit-relay/0.0.0" });
  const unwanted = await callCli(["events", "preview", id, "-e", "drafts", ...config]);
  assert.match(unwanted.stderr, /^drafts does not ask for it/);
  assert.match((await callCli(["events", "preview", id, ...config])).stderr, /--endpoint says to which endpoint/);
});

test("there is no preview of what is not there, nor of what was erased", async (t) => {
  const { get, post, event } = await startAdmin(t, {
    mirror: { enabled: false },
    endpoints: [endpointTo("http://127.0.0.1:1")],
  });
  const id = await event({ wochitVideoId: "v1" });
  assert.equal((await get(`/events/${id}/preview`)).status, 400);
  const nowhere = await get(`/events/${id}/preview?endpoint=ap`);
  assert.deepEqual([nowhere.status, nowhere.json.error.code], [404, "not_found"]);
  assert.match(nowhere.json.error.message, /did you mean "app"/);
  assert.equal((await get("/events/evt_nothing/preview?endpoint=app")).status, 404);
  await post("/videos/v1/forget", { confirm: "v1" });
  const erased = await get(`/events/${id}/preview?endpoint=app`);
  assert.deepEqual([erased.status, erased.json.error.code], [410, "body_expired"]);
});
