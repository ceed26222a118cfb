import assert from "node:assert/strict";
import { test } from "node:test";
import { openReceiver } from "../support/receiver.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { ready } from "../support/seeded.ts";
import { callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("with a reload a new receiver is sent what stands, one that stays is sent nothing twice, also where it is named, and a removed one loses what waits", async (t) => {
  const [stays, goes, comes] = await Promise.all([openReceiver(), openReceiver(500), openReceiver()]);
  for (const receiver of [stays, goes, comes]) t.after(() => receiver.close());
  const base = { server: { trustedProxies: ["127.0.0.1"] }, mirror: { enabled: false } };
  const to = (...urls: string[]) => ({ to: urls.map((url) => ({ url, format: "json" as const })) });
  const relay = await startRelay({ ...base, alerts: to(`${stays.url}/a`, `${goes.url}/b-hush`) });
  t.after(() => relay.close());
  const headers = { "content-type": "application/json", "x-forwarded-for": "198.51.100.7" };
  await fetch(relay.webhooks, { method: "POST", headers, body: JSON.stringify(ready("v1")) });
  await waitFor(() => stays.requests.length > 0 && goes.requests.length > 0);

  const [one, other] = to(`${stays.url}/a`, `${comes.url}/c`).to;
  await relay.reload({ ...base, alerts: { to: [{ ...one!, name: "stays" }, other!] } });
  await waitFor(() => comes.requests.length > 0);
  const [first, second] = [stays.requests[0]!.json.alerts[0], comes.requests[0]!.json.alerts[0]];
  assert.deepEqual([second.name, second.says, second.at], ["SenderUnknown", "begins", first.at]);
  assert.equal(stays.requests.length, 1);
  const dropped = relay.ports.log.facts.filter(({ fact }) => /has left the config/.test(fact));
  assert.deepEqual(
    dropped.map(({ fields }) => [fields.place, fields.alerts]),
    [[new URL(goes.url).host, 1]],
  );
  const [{ receivers }] = await callJson(["alerts", "list", "--config", relay.configPath]);
  const places = [stays, comes].map(({ url }) => new URL(url).host).sort();
  assert.deepEqual(receivers.map(({ place }: { place: string }) => place).sort(), places);
  const named = receivers.map(({ name, place }: { name: string; place: string }) => [place, name]);
  assert.equal(Object.fromEntries(named)[new URL(stays.url).host], "stays");

  // What it lacked is not sent when it comes back, but what stands then.
  goes.answer(200);
  const tried = goes.requests.length;
  await relay.reload({ ...base, alerts: to(`${stays.url}/a`, `${comes.url}/c`, `${goes.url}/b-hush`) });
  await waitFor(() => goes.requests.length > tried);
  const { alerts } = goes.requests.at(-1)!.json;
  assert.deepEqual(
    alerts.map(({ says }: { says: string }) => says),
    ["begins"],
  );
  assert.notEqual(alerts[0].id, first.id);

  await relay.reload({ ...base, alerts: null });
  await waitFor(() => relay.ports.log.facts.filter(({ fact }) => /has left the config/.test(fact)).length === 4);
  assert.doesNotMatch(JSON.stringify(relay.ports.log.facts), /hush/);
});
