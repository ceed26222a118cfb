import assert from "node:assert/strict";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { readSmtpUrl } from "../../../src/config/alerts/smtp.ts";
import type { AlertReceiver } from "../../../src/config/schema.ts";
import { judgeAddress, judgeReceiver, judgeSent } from "../../../src/doctor/network/receivers.ts";
import { listen } from "../../support/listen.ts";
import { realPorts } from "../../support/real-ports.ts";
import { openReceiver } from "../../support/receiver.ts";
import { openMailServer } from "../../support/smtp-server.ts";
import { openTlsServer } from "../../support/tls-server.ts";

const { clock } = realPorts();
const HOUR = 3_600_000;

const webhook = (url: string): AlertReceiver => ({
  ...{ id: "slack-1", name: null, place: new URL(url).host, format: "slack", url, atLeast: "ticket" },
});
const mail = (smtp: string): AlertReceiver => ({
  ...{
    id: "mail-1",
    name: "ops-mail",
    place: "ops@example.com",
    format: "mail",
    mail: "ops@example.com",
    from: "relay@example.com",
  },
  ...{ smtp: readSmtpUrl(smtp), atLeast: "ticket" },
});
const judge = (receiver: AlertReceiver) => judgeReceiver(receiver, "alerts.to[0]", clock);

async function closedPort(t: TestContext): Promise<number> {
  const server = await listen(t, createServer());
  await server.close();
  return server.port;
}

test("a receiver is reached by its connection, its certificate, and a mail server's login: no message is sent", async (t) => {
  const [chat, server, port] = await Promise.all([openReceiver(), openMailServer(t, { login: true }), closedPort(t)]);
  t.after(() => chat.close());
  const reached = await judge(webhook(`${chat.url}/hush-hook`));
  assert.deepEqual([reached.state, chat.requests.length, chat.connections()], ["ok", 0, 1]);
  assert.match(
    reached.detail,
    /^127\.0\.0\.1:\d+ takes a connection; "wochit-relay alerts test slack-1" sends it a message$/,
  );
  const tls = await openTlsServer(t, "good");
  const untrusted = await judge(webhook(`${tls.url}/hush-hook`));
  assert.equal(untrusted.state, "failed");
  assert.match(untrusted.detail, /the certificate of localhost is refused/);
  const silent = await judge(webhook(`http://127.0.0.1:${port}/hush-hook`));
  assert.deepEqual(
    [silent.state, silent.detail],
    ["failed", `127.0.0.1:${port}: nothing listens there (ECONNREFUSED)`],
  );
  const metadata = await judge(webhook("http://169.254.169.254/hush-hook"));
  assert.match(metadata.detail, /not allowed/);

  const login = "relay%40example.com:hush%20hush%2F%25";
  const greeted = await judge(mail(`smtp://${login}@localhost:${server.port}`));
  assert.deepEqual(greeted.state, "ok", greeted.detail);
  assert.match(
    greeted.detail,
    /^the mail server localhost answers and takes the login; "wochit-relay alerts test ops-mail" /,
  );
  const wrong = await judge(mail(`smtp://me:hush-wrong@localhost:${server.port}`));
  assert.match(wrong.detail, /^the mail server localhost: Invalid login: 535 /);
  const gone = await judge(mail(`smtp://localhost:${port}`));
  assert.match(gone.detail, /^the mail server localhost: nothing listens there \(ECONNREFUSED\)$/);
  assert.match(gone.advice!, /alerts\.to\[0\]\.smtp/);
  assert.equal(server.mails.length, 0);

  const beat = await judgeAddress(
    `${chat.url}/hush-beat`,
    "alerts.heartbeat.url",
    clock,
    "doctor itself sends no heartbeat",
  );
  assert.match(beat.detail, /; doctor itself sends no heartbeat$/);
  assert.equal(chat.requests.length, 0);
  const said = JSON.stringify([reached, untrusted, silent, metadata, greeted, wrong, gone, beat]);
  assert.doesNotMatch(said, /hush/);
});

test("of each receiver it is said when it was last sent something, and since when it takes nothing", async () => {
  const now = 100 * HOUR;
  const one = {
    id: "slack-1",
    name: null,
    place: "chat.example.com",
    atLeast: "ticket",
    waiting: 0,
    sentAt: null,
  } as const;
  const receivers = [
    { ...one, failingSince: null, error: null },
    { ...one, id: "mail-2", place: "ops@example.com", sentAt: now - 3 * HOUR, failingSince: null, error: null },
    { ...one, id: "text-3", name: "phone", place: "ntfy.sh", waiting: 2, failingSince: now - HOUR, error: "HTTP 404" },
  ];
  const found = await judgeSent({ receivers: async () => receivers }, now);
  assert.deepEqual(
    found.map(({ state, detail, advice }) => [state, detail, advice]),
    [
      ["ok", "slack-1 (chat.example.com) was not sent anything yet", null],
      ["ok", "mail-2 (ops@example.com) was last sent something 3 h ago", null],
      [
        "failed",
        "phone (ntfy.sh) takes nothing (the first try that failed: 1 h ago): HTTP 404; 2 alerts wait for it; it was not sent anything yet",
        "wochit-relay alerts test phone",
      ],
    ],
  );
});
