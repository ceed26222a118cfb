import assert from "node:assert/strict";
import { test } from "node:test";
import { READER, startAdmin } from "../support/admin.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";

test("the audit has each change by the API with its token's name and address, and no reading", async (t) => {
  const app = await openReceiver();
  t.after(() => app.close());
  const trustedProxies = ["127.0.0.1"];
  const { get, post } = await startAdmin(t, { endpoints: [endpointTo(app.url)], server: { trustedProxies } });
  await get("/events");
  await get("/endpoints/app", { token: READER });
  await post("/endpoints/app/pause", {}, { token: READER });
  await post("/endpoints/app/pause", { reason: "a test" });
  await post("/endpoints/app/resume", undefined, { headers: { "x-forwarded-for": "192.0.2.9" } });
  await post("/endpoints/app/test");
  await post("/endpoints/nowhere/pause", {});
  await post("/endpoints/app/pause", { raison: "a test" });
  const { json } = await get("/audit");
  assert.deepEqual(
    json.data.map(({ through, by, verb, subject, outcome }: Record<string, string>) =>
      [through, by, verb, subject, outcome].join(" | "),
    ),
    [
      "api | admin@127.0.0.1 | endpoints test | app | answered 200",
      "api | admin@192.0.2.9 | endpoints resume | app | done",
      "api | admin@127.0.0.1 | endpoints pause | app | done",
    ],
  );
  const paged = await get("/audit?limit=1&verb=endpoints%20pause");
  assert.deepEqual([paged.json.data.length, paged.json.next], [1, null]);
});
