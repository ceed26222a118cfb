import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeRefused } from "../../../src/doctor/network/refused-requests.ts";
import { diagnose } from "../../support/doctor.ts";
import { openSeeded, ready } from "../../support/seeded.ts";

test("events of allowed senders that the token, the size, the path or the way of sending kept out are a warning with what to do", async (t) => {
  const { store, configPath } = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 } });
  const receivedAt = Date.now();
  const refuse = (reason: "token" | "size" | "path" | "method" | "request", body: string) =>
    store.quarantine({ receivedAt, sourceAddress: "54.81.68.237", reason, body: Buffer.from(body) });
  const before = await diagnose(configPath);
  assert.equal(before("senders.token"), undefined);
  await refuse("token", "{}");
  await refuse("token", "[]");
  for (const reason of ["size", "path", "method", "request"] as const) await refuse(reason, "{}");
  const said = await diagnose(configPath);
  const { state, detail, advice } = said("senders.token");
  assert.deepEqual(
    [state, detail],
    [
      "warning",
      "2 requests of allowed senders were refused within a day for the token in their path, the last of 54.81.68.237",
    ],
  );
  assert.match(advice, /receive\.token.*quarantine reprocess/);
  assert.match(said("senders.size").advice, /receive\.maxBody/);
  assert.match(said("senders.path").advice, /receive\.path.*quarantine reprocess/);
  assert.match(said("senders.method").advice, /redirect/);
  assert.match(said("senders.request").advice, /log/);
});

test("refused addresses are told apart: one that sends events, a proxy, and what sends none; each with its count", async (t) => {
  const { store } = await openSeeded(t);
  const now = Date.now();
  const judge = async () => {
    const found = await judgeRefused(store, { since: now - 86_400_000, now });
    return found.filter(({ of }) => of === "refused").map(({ state, detail, advice }) => ({ state, detail, advice }));
  };
  const refuse = (sourceAddress: string, body: { wochitVideoId?: string }, minutesAgo = 0) =>
    store.quarantine({
      ...{ receivedAt: now - minutesAgo * 60_000, sourceAddress, reason: "source" },
      body: Buffer.from(JSON.stringify(body)),
      event: body.wochitVideoId === undefined ? null : { videoId: body.wochitVideoId, type: "video.ready" },
    });
  assert.deepEqual(
    (await judge()).map(({ state }) => state),
    ["ok"],
  );
  for (const minutes of [9, 7, 5]) await refuse("54.81.68.7", ready(`v${minutes}`), minutes);
  await refuse("54.81.68.8", ready("v8"), 2);
  await refuse("9.9.9.9", {}, 3);
  assert.deepEqual(await judge(), [
    {
      state: "warning",
      detail:
        "4 requests were refused within a day: 3 from 54.81.68.7 (the last: 5 min ago), 1 from 54.81.68.8 (the last: 2 min ago), with events in them: if that is Wochit, your apps lack them",
      advice:
        "add the right ones to receive.allowFrom, then wochit-relay reload, then wochit-relay quarantine reprocess --from 54.81.68.7 --since 1d",
    },
    {
      state: "ok",
      detail:
        "1 request was refused within a day: 1 from 9.9.9.9 (the last: 3 min ago), and none of it reads as an event",
      advice: null,
    },
  ]);
  await refuse("10.0.0.7", ready("v9"));
  const [proxy, senders] = await judge();
  const lacks = "if that is a proxy of yours, or Wochit, your apps lack them";
  const from = "1 request was refused within a day: 1 from 10.0.0.7 (the last: now)";
  assert.equal(proxy!.detail, `${from}, 1 of them with an event: ${lacks}`);
  assert.equal(
    proxy!.advice,
    "name a proxy of yours in server.trustedProxies, an address of Wochit's in receive.allowFrom (never the other way round), then wochit-relay reload, then wochit-relay quarantine reprocess --from 10.0.0.7 --since 1d",
  );
  assert.match(senders!.detail, /^4 requests/);
  // What sends no event is not to be taken in by itself.
  const { store: other } = await openSeeded(t);
  await other.quarantine({ receivedAt: now, sourceAddress: "10.0.0.9", reason: "source", body: Buffer.from("{}") });
  const [junk] = await judgeRefused(other, { since: now - 86_400_000, now });
  assert.match(junk!.detail, /, none of them with an event: /);
  assert.match(junk!.advice!, /^look at what it sends: wochit-relay quarantine list --from 10\.0\.0\.9; /);
  assert.doesNotMatch(junk!.advice!, /reprocess/);
});
