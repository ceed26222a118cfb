import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveConfig } from "../../src/actions/relay/effective-config.ts";
import { createHeartbeat } from "../../src/alerts/heartbeat.ts";
import { createSender } from "../../src/alerts/send.ts";
import { bodyOf, messageOf } from "../../src/alerts/words.ts";
import type { Alert } from "../../src/model/alert.ts";
import { testClock, testLog } from "../support/ports.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver } from "../support/receiver.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { ready } from "../support/seeded.ts";
import { callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("a relay tells a chat, ntfy and a program of an alarm, keeps it for one that is down, which status names, and beats", async (t) => {
  const [chat, ntfy, program, down, watcher] = await Promise.all(
    [200, 200, 204, 500, 200].map((how) => openReceiver(how)),
  );
  for (const receiver of [chat, ntfy, program, down, watcher]) t.after(() => receiver!.close());
  const relay = await startRelay({
    server: { trustedProxies: ["127.0.0.1"] },
    mirror: { enabled: false },
    alerts: {
      to: [
        { url: `${chat!.url}/services/T0/secret-of-chat`, format: "slack" },
        { url: `${ntfy!.url}/topic`, format: "text" },
        { url: `${program!.url}/in`, format: "json", atLeast: "page" },
        { url: `${down!.url}/secret-of-down`, format: "json" },
      ],
      heartbeat: { url: `${watcher!.url}/beat`, every: "1s" },
    },
  });
  t.after(() => relay.close());
  const headers = { "content-type": "application/json", "x-forwarded-for": "198.51.100.7" };
  await fetch(relay.webhooks, { method: "POST", headers, body: JSON.stringify(ready("v1")) });
  await waitFor(() => down!.requests.length > 0 && program!.requests.length > 0 && ntfy!.requests.length > 0);
  await waitFor(() => chat!.requests.length > 0);
  assert.match(
    chat!.requests[0]!.json.text,
    /^PAGE: Events were refused .* \(wochit-relay http:\S+\)\nPAGE: Events were refused .* 1 from 198\.51\.100\.7 \(SenderUnknown\)\n/,
  );
  assert.equal(chat!.requests[0]!.path, "/services/T0/secret-of-chat");
  assert.match(
    ntfy!.requests[0]!.headers.title as string,
    /^PAGE: Events were refused .*: 1 from 198\.51\.100\.7 \(wochit-relay http:\S+\)$/,
  );
  assert.match(String(ntfy!.requests[0]!.body), /quarantine reprocess --from 198\.51\.100\.7/);
  const { type, alerts } = program!.requests[0]!.json;
  assert.deepEqual(
    [type, alerts.length, alerts[0].says, alerts[0].name],
    ["relay.alerts", 1, "begins", "SenderUnknown"],
  );
  await waitFor(() => watcher!.requests.length > 1);
  assert.deepEqual([watcher!.requests[0]!.method, watcher!.requests[0]!.path], ["GET", "/beat"]);
  const [status] = await waitFor(async () => {
    const found = await callJson(["status", "--config", relay.configPath]);
    return (
      found[0].receivers.some(({ failingSince }: { failingSince: string | null }) => failingSince !== null) && found
    );
  });
  const failing = status.receivers.filter(({ failingSince }: { failingSince: string | null }) => failingSince !== null);
  assert.deepEqual([failing.length, failing[0].error, failing[0].waiting], [1, "HTTP 500", 1]);
  // The addresses are secrets.
  const said = JSON.stringify([status, relay.ports.log.facts, effectiveConfig(relay.config)]);
  assert.doesNotMatch(said, /secret-of/);
});

test("the heartbeat stops with the first commit that fails, and goes on with the first that works", async (t) => {
  const watcher = await openReceiver();
  t.after(() => watcher.close());
  const sender = createSender({ clock: realPorts().clock, userAgent: "test" });
  t.after(() => sender.close());
  let fails = false;
  let trouble: string | null = null;
  const store = {
    probe: async () => {
      if (fails) throw new Error("the disk is read-only");
    },
    trouble: () => trouble,
  };
  const log = testLog();
  const beat = createHeartbeat(`${watcher.url}/beat?key=secret`, { store, sender, clock: testClock(), log });
  await beat();
  assert.equal(watcher.requests.length, 1);
  fails = true;
  await beat();
  await beat();
  fails = false;
  trouble = "the disk is full";
  await beat();
  assert.equal(watcher.requests.length, 1);
  trouble = null;
  await beat();
  assert.equal(watcher.requests.length, 2);
  watcher.answer(500);
  await beat();
  assert.deepEqual(
    log.facts.map(({ level, fields }) => [level, fields.error]),
    [
      ["warn", "no event could be committed"],
      ["info", undefined],
      ["warn", "HTTP 500"],
    ],
  );
});

test("a title begins with what is most urgent, and says how much more there is; what is over says so", () => {
  const alert: Alert = {
    ...{ id: "alr_1", says: "begins", at: 0, name: "BreakerOpen", severity: "ticket", subject: "cms" },
    ...{ what: "cms is failing", means: "", commands: [] },
  };
  const title = (...alerts: Alert[]) => messageOf(alerts, { relay: "r", at: 0 }).title;
  const page: Alert = { ...alert, severity: "page", what: "2 media were lost" };
  assert.equal(title(alert), "TICKET: cms is failing (wochit-relay r)");
  const over: Alert = { ...page, says: "ends", name: "DownloadsStopped" };
  const lost: Alert = { ...page, name: "MediaLost" };
  assert.equal(title(over, alert, lost), "PAGE: 2 media were lost, and 2 more (wochit-relay r)");
  assert.equal(title({ ...page, says: "ends" }), "over: 2 media were lost (wochit-relay r)");
  assert.equal(title({ ...alert, says: "flaps" }), "TICKET: comes and goes: cms is failing (wochit-relay r)");
  assert.match(title({ ...page, what: "long ".repeat(99) }), /^PAGE: [long ]{111}\.\.\. \(wochit-relay r\)$/);
});

test("a message names at most five, mentions nobody, and fits the shortest limit of a chat", () => {
  const alert: Alert = {
    ...{ id: "alr_1", says: "begins", at: 0, name: "MediaLinkDiesSoon", severity: "page", subject: null },
    ...{ what: `<!channel> @everyone ${"long ".repeat(99)}\nnext`, means: "m".repeat(999), commands: ["a", "b", "c"] },
  };
  const alerts = Array.from({ length: 9 }, (_, n) => ({ ...alert, subject: `app-${n}` }));
  const { body } = bodyOf("slack", messageOf(alerts, { relay: "https://relay.example.com", at: 0 }));
  const { text } = JSON.parse(String(body));
  assert.doesNotMatch(text, /<|@everyone/);
  assert.match(text, /and 4 more: wochit-relay status$/);
  assert.ok(text.length <= 2_000, `${text.length}`);
});
