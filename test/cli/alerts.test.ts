import assert from "node:assert/strict";
import { test } from "node:test";
import { openReceiver } from "../support/receiver.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { ready } from "../support/seeded.ts";
import { openMailServer } from "../support/smtp-server.ts";
import { callCli, callJson, jsonLines } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

type Row = { name: string; state: string; since: string | null; what: string | null; silence: unknown };

test("alerts list has every alarm and the receivers; test sends one message to each; silence holds an alarm back and ends", async (t) => {
  const [chat, watcher, mail] = await Promise.all([openReceiver(), openReceiver(), openMailServer(t)]);
  t.after(() => Promise.all([chat.close(), watcher.close()]));
  const relay = await startRelay({
    server: { trustedProxies: ["127.0.0.1"] },
    mirror: { enabled: false },
    alerts: {
      to: [
        { name: "newsroom", url: `${chat.url}/hush-hook`, format: "slack" },
        { mail: "ops@example.com", from: "relay@example.com", smtp: `smtp://localhost:${mail.port}`, atLeast: "page" },
      ],
      heartbeat: { url: `${watcher.url}/hush-beat`, every: "1h" },
    },
  });
  t.after(() => relay.close());
  const run = (...args: string[]) => callCli([...args, "--config", relay.configPath]);
  const list = async () => (await callJson(["alerts", "list", "--config", relay.configPath]))[0];

  // It is silenced before it begins.
  const silenced = await run("alerts", "silence", "SenderUnknown", "--for", "2h", "--reason", "a new proxy", "--utc");
  assert.match(
    silenced.stdout,
    /^SenderUnknown is silenced until \d{4}-\S+ \d\d:\d\d:\d\dZ; status shows it all the same\n$/,
  );
  const headers = { "content-type": "application/json", "x-forwarded-for": "198.51.100.7" };
  await fetch(relay.webhooks, { method: "POST", headers, body: JSON.stringify(ready("v1")) });
  const seen = await waitFor(async () => {
    const found = await list();
    const row = found.alarms.find(({ name }: Row) => name === "SenderUnknown");
    return row.since !== null && { ...found, row };
  });
  assert.equal(seen.row.state, "on");
  assert.match(seen.row.what, /198\.51\.100\.7/);
  assert.equal(seen.row.silence.reason, "a new proxy");
  assert.equal(seen.row.toldAt, null);
  assert.deepEqual(
    seen.receivers
      .map(({ place, atLeast, sentAt }: { place: string; atLeast: string; sentAt: string }) => [place, atLeast, sentAt])
      .sort(),
    [
      [new URL(chat.url).host, "ticket", null],
      ["ops@example.com", "page", null],
    ],
  );
  assert.equal(chat.requests.length + mail.mails.length, 0);
  const [status] = await callJson(["status", "--config", relay.configPath]);
  assert.equal(status.alarms.find(({ name }: Row) => name === "SenderUnknown").silence.reason, "a new proxy");
  const page = await run("status", "--utc");
  assert.match(page.stdout, /! Events were refused [\s\S]*?\(silenced\s+until\s+\S+\s+\S+Z\)/);

  // The relay's own.
  await waitFor(() => watcher.requests.length === 1);
  const tried = await run("alerts", "test");
  assert.equal(tried.code, 0, tried.stderr);
  const [chatPlace, beatPlace] = [chat, watcher].map(({ url }) => new URL(url).host);
  assert.deepEqual(tried.stdout.replace(/\d+ ms|-[0-9a-f]{8}/g, "…").split("\n"), [
    `newsroom (${chatPlace}) took it (…)`,
    "mail… (ops@example.com) took it (…)",
    `heartbeat (${beatPlace}) took it (…)`,
    "",
  ]);
  assert.equal(watcher.requests.length, 2);
  assert.match(chat.requests[0]!.json.text, /: a test\nAlarms reach you here\. Nothing needs you now\.$/);
  assert.match(mail.mails[0]!.headers.subject!, /: a test$/);
  chat.answer(404);
  for (const name of ["newsroom", chatPlace!]) {
    const refused = await run("alerts", "test", name, "--json");
    assert.equal(refused.code, 1);
    const [one] = jsonLines(refused.stdout);
    assert.deepEqual(
      one.data.map(({ name, error }: { name: string; error: string }) => [name, error]),
      [["newsroom", "HTTP 404"]],
    );
  }
  assert.deepEqual([mail.mails.length, watcher.requests.length], [1, 2]);
  chat.answer(200);
  watcher.answer(503);
  const beat = await run("alerts", "test", "heartbeat");
  assert.match(beat.stdout, /^heartbeat \(\S+\) did not take it: HTTP 503 \(\d+ ms\)\n$/);
  assert.deepEqual([beat.code, watcher.requests.length], [1, 3]);
  const unknown = await run("alerts", "test", "newsrom");
  assert.match(unknown.stderr, /no receiver "newsrom" in alerts\.to of the config: did you mean "newsroom"\?/);

  const doctor = jsonLines((await run("doctor", "--json")).stdout).filter(({ probe }) => probe.startsWith("alerts"));
  assert.deepEqual(
    doctor.map(({ state }) => state),
    ["ok", "ok", "ok", "ok", "ok"],
  );
  assert.match(doctor[0].detail, /takes a connection/);
  assert.match(doctor[1].detail, /the mail server localhost answers/);
  assert.match(doctor[2].detail, /doctor itself sends no heartbeat/);
  assert.match(doctor[3].detail + doctor[4].detail, /newsroom \(\S+\) was not sent anything yet/);
  assert.equal(mail.mails.length, 1);

  const ended = await run("alerts", "silence", "SenderUnknown", "--end");
  assert.equal(ended.stdout, "SenderUnknown is no longer silenced\n");
  const audit = await callJson(["audit", "list", "--config", relay.configPath]);
  assert.deepEqual(
    audit.map(({ verb, subject, outcome }: { verb: string; subject: string; outcome: string }) => [
      verb,
      subject,
      /^[^:]*/.exec(outcome)![0],
    ]),
    [
      ["alerts silence --end", "SenderUnknown", "done"],
      ["alerts test", "heartbeat", "1 of 1 failed"],
      ["alerts test", chatPlace, "1 of 1 failed"],
      ["alerts test", "newsroom", "1 of 1 failed"],
      ["alerts test", null, "done"],
      ["alerts silence", "SenderUnknown", "done"],
    ],
  );
  const table = (await run("alerts", "list", "--utc")).stdout;
  assert.match(table, /^ALARM +SEVERITY +STATE/);
  assert.match(table, /^MediaLost +page +quiet/m);
  assert.match(table, /^newsroom +127\.0\.0\.1:\d+ +all/m);
  assert.doesNotMatch(table + JSON.stringify([seen, status, tried, audit]), /hush/);
});

test("what alerts silence and test are given is checked: names, the nearest one, times, and that there is a receiver", async (t) => {
  const relay = await startRelay({ mirror: { enabled: false } });
  t.after(() => relay.close());
  const fails = async (code: number, said: RegExp, ...args: string[]) => {
    const { code: exit, stderr } = await callCli(["alerts", ...args, "--config", relay.configPath]);
    assert.match(stderr, said);
    assert.equal(exit, code, stderr);
  };
  await fails(1, /no alarm "MediaLots": did you mean "MediaLost"\?/, "silence", "MediaLots", "--for", "1h");
  await fails(2, /either --for .* or --end/, "silence", "MediaLost");
  await fails(2, /either --for .* or --end/, "silence", "MediaLost", "--end", "--for", "1h");
  await fails(2, /--for must be like "30m"/, "silence", "MediaLost", "--for", "31d");
  await fails(1, /MediaLost is not silenced/, "silence", "MediaLost", "--end");
  await fails(1, /the config has no "alerts": "to" in it names the chats and mail addresses/, "test");
  const silenced = await callCli(["alerts", "silence", "breakeropen", "--for", "1h", "--config", relay.configPath]);
  assert.match(silenced.stdout, /^BreakerOpen is silenced until/);
});
