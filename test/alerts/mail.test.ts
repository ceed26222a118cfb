import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { createSender } from "../../src/alerts/send.ts";
import { messageOf } from "../../src/alerts/words.ts";
import { readSmtpUrl } from "../../src/config/alerts/smtp.ts";
import type { MailReceiver } from "../../src/config/schema.ts";
import type { Alert } from "../../src/model/alert.ts";
import { type SmtpServer, sendMail } from "../../src/platform/net/smtp.ts";
import { fastClock } from "../support/fast-clock.ts";
import { listen } from "../support/listen.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver } from "../support/receiver.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { ready } from "../support/seeded.ts";
import { openMailServer, PASSWORD, USER } from "../support/smtp-server.ts";
import { callJson } from "../support/spawn.ts";
import { AUTHORITY } from "../support/tls-server.ts";
import { waitFor } from "../support/wait.ts";

const LOGIN = `${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}`;
const { clock } = realPorts();

const alert: Alert = {
  ...{ id: "alr_1", says: "begins", at: 0, name: "MediaLost", severity: "page", subject: null },
  ...{ what: "1 medium was lost: Grüße", means: "Its link is dead.", commands: ["wochit-relay media list"] },
};

function openSender(t: TestContext) {
  const sender = createSender({ clock, userAgent: "test" });
  t.after(() => sender.close());
  return (url: string, alerts = [alert]) => {
    const smtp = readSmtpUrl(url);
    const receiver: MailReceiver = {
      ...{
        id: "mail-1",
        name: null,
        place: "ops@example.com",
        format: "mail",
        mail: "ops@example.com",
        from: "relay@news.example.com",
        smtp,
      },
      atLeast: "ticket",
    };
    return sender.send(receiver, messageOf(alerts, { relay: "https://relay.example.com", at: 0 }));
  };
}

/** As a machine does on whose store of certificates that authority is. */
function trustAuthority(): void {
  setDefaultCACertificates([...getCACertificates("default"), readFileSync(AUTHORITY, "utf8")]);
}

test("a relay sends a mail for what begins, by a server that asks for a login over TLS, and no secret is in its log", async (t) => {
  trustAuthority();
  const server = await openMailServer(t, { tls: "implicit", login: true });
  const relay = await startRelay({
    server: { trustedProxies: ["127.0.0.1"] },
    mirror: { enabled: false },
    alerts: {
      to: [{ mail: "ops@example.com", from: "relay@example.com", smtp: `smtps://${LOGIN}@localhost:${server.port}` }],
    },
  });
  t.after(() => relay.close());
  const headers = { "content-type": "application/json", "x-forwarded-for": "198.51.100.7" };
  await fetch(relay.webhooks, { method: "POST", headers, body: JSON.stringify(ready("v1")) });
  await waitFor(() => server.mails.length > 0);
  const [mail] = server.mails;
  assert.deepEqual([mail!.from, mail!.to, mail!.user, mail!.isSecure], [USER, ["ops@example.com"], USER, true]);
  assert.match(
    mail!.headers.subject!,
    /^PAGE: Events were refused .*: 1 from 198\.51\.100\.7 \(wochit-relay http:\S+\)$/,
  );
  assert.equal(mail!.headers.from, '"wochit-relay" <relay@example.com>');
  assert.equal(mail!.headers["auto-submitted"], "auto-generated");
  assert.match(mail!.text, /^PAGE: Events were refused .* 1 from 198\.51\.100\.7 \(SenderUnknown\)\r?\n/);
  assert.match(mail!.text, /quarantine reprocess --from 198\.51\.100\.7/);
  assert.doesNotMatch(JSON.stringify(relay.ports.log.facts), /hush/);
});

test("the same alerts are the same message, however often they are sent; others are another one", async (t) => {
  const send = openSender(t);
  const server = await openMailServer(t);
  const url = `smtp://127.0.0.1:${server.port}`;
  assert.equal(await send(url), null);
  assert.equal(await send(url), null);
  assert.equal(await send(url, [alert, { ...alert, id: "alr_2" }]), null);
  const [first, second, third] = server.mails.map(({ headers }) => headers["message-id"]);
  assert.match(first!, /^<[0-9a-f]{32}@news\.example\.com>$/);
  assert.equal(second, first);
  assert.notEqual(third, first);
  assert.match(server.mails[0]!.text, /Grüße/);
});

test("what a server answers is said in one line, without the password", async (t) => {
  const send = openSender(t);
  const server = await openMailServer(t, { login: true });
  // Of this machine's own server it is asked in the clear, too.
  assert.equal(await send(`smtp://${LOGIN}@localhost:${server.port}`), null);
  assert.equal(server.mails[0]!.isSecure, false);
  const wrong = await send(`smtp://me:hush-wrong@localhost:${server.port}`);
  assert.match(wrong!, /^Invalid login: 535 Invalid login of me with \(set\) \(EAUTH\)$/);
  server.refuse("the mailbox is full\nand more");
  assert.match((await send(`smtp://${LOGIN}@localhost:${server.port}`))!, /^[^\n]*451 the mailbox is full/);
  await server.close();
  assert.match((await send(`smtp://localhost:${server.port}`))!, /ECONNREFUSED/);
  assert.match((await send("smtp://169.254.169.254"))!, /169\.254\.169\.254 is .*not allowed/);
});

test("a login goes over a network only under TLS whose certificate is trusted; without one TLS is taken where it is offered", async (t) => {
  trustAuthority();
  const mail = { from: USER, to: "ops@example.com", subject: "s", text: "t", id: "1@example.com", at: 0 };
  /** Over a network, as far as the relay knows: by a name that is looked up. */
  const send = (server: SmtpServer) =>
    sendMail(server, mail, { clock, timeout: 10_000, resolve: async () => [{ address: "127.0.0.1", family: 4 }] });
  const at = (host: string, port: number, login = "") => readSmtpUrl(`smtp://${login}${host}:${port}`);
  const [plain, upgrading] = await Promise.all([openMailServer(t), openMailServer(t, { tls: "offered" })]);
  await assert.rejects(send(at("mail.test", plain.port, "me:hush@")), /STARTTLS/);
  await send(at("mail.test", plain.port));
  assert.deepEqual(
    plain.mails.map(({ isSecure }) => isSecure),
    [false],
  );
  await assert.rejects(send(at("mail.test", upgrading.port)), /mail\.test.*(ALTNAME|cert)/i);
  await send({ ...at("mail.test", upgrading.port), host: "localhost" });
  assert.deepEqual(
    upgrading.mails.map(({ isSecure }) => isSecure),
    [true],
  );
});

test("a mail server may think for minutes before it takes a mail, which comes once; other receivers do not wait for that", async (t) => {
  const ports = { ...realPorts(), clock: fastClock(10) };
  const [server, program] = await Promise.all([openMailServer(t), openReceiver(500)]);
  t.after(() => program.close());
  const { promise: thought, resolve: answer } = Promise.withResolvers<void>();
  server.answerAfter(thought);
  const mail = { mail: "ops@example.com", from: "relay@example.com", smtp: `smtp://127.0.0.1:${server.port}` };
  const relay = await startRelay(
    {
      server: { trustedProxies: ["127.0.0.1"] },
      mirror: { enabled: false },
      alerts: { to: [mail, { url: `${program.url}/in`, format: "json" }] },
    },
    ports,
  );
  t.after(() => relay.close());
  const headers = { "content-type": "application/json", "x-forwarded-for": "198.51.100.7" };
  await fetch(relay.webhooks, { method: "POST", headers, body: JSON.stringify(ready("v1")) });
  await waitFor(() => server.mails.length > 0 && program.requests.length > 0);
  const begun = ports.clock.elapsed();
  // It may have been tried more than once before.
  const tried = program.requests.length;
  program.answer(200);
  await waitFor(() => program.requests.length > tried);
  await waitFor(() => ports.clock.elapsed() - begun > 150_000);
  answer();
  const receivers = await waitFor(async () => {
    const [found] = await callJson(["alerts", "list", "--config", relay.configPath]);
    return found.receivers.every(({ waiting }: { waiting: number }) => waiting === 0) && found.receivers;
  });
  assert.deepEqual(
    receivers.map(({ failingSince, error }: { failingSince: string | null; error: string | null }) => [
      failingSince,
      error,
    ]),
    [
      [null, null],
      [null, null],
    ],
  );
  assert.equal(server.mails.length, 1);
});

test("a server that says nothing is given up when the relay stops", async (t) => {
  const silent = await listen(t, (await import("node:net")).createServer());
  const sender = createSender({ clock, userAgent: "test" });
  const receiver: MailReceiver = {
    ...{
      id: "mail-1",
      name: null,
      place: "ops@example.com",
      format: "mail",
      mail: "ops@example.com",
      from: "relay@example.com",
      atLeast: "ticket",
    },
    smtp: readSmtpUrl(`smtp://127.0.0.1:${silent.port}`),
  };
  const sending = sender.send(receiver, messageOf([alert], { relay: "relay", at: 0 }));
  await sender.close();
  assert.equal(await sending, "the relay stops");
});

test("an address of a mail server names its port and its TLS by its scheme, and a login is decoded", () => {
  assert.deepEqual(readSmtpUrl("smtps://a%40b:c%2Fd@Mail.example.com"), {
    ...{ host: "mail.example.com", port: 465, tls: "implicit", user: "a@b", password: "c/d" },
  });
  const plain = (url: string) => [readSmtpUrl(url).port, readSmtpUrl(url).tls];
  assert.deepEqual(plain("smtp://me:x@mail.example.com"), [587, "required"]);
  assert.deepEqual(plain("smtp://mail.example.com:25/"), [25, "offered"]);
  assert.deepEqual(plain("smtp://me:x@[::1]:25"), [25, "none"]);
  for (const wrong of ["https://mail.example.com", "smtp://", "mail.example.com", "smtp://h/path-hush", "smtp://h:x"]) {
    assert.throws(() => readSmtpUrl(wrong), /^RelayError: must be smtps:\/\/(?!.*hush)/, wrong);
  }
});
