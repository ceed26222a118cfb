import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { decodeSecret } from "../../src/config/webhook-secret.ts";
import { tempFolder } from "../support/folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { atTerminal, noTerminal, type Step } from "../support/terminal.ts";

const skip = noTerminal;

const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), "utf8"));

/** Empty answers to the questions before those for apps. */
const DEFAULTS: Step[] = [
  ["listens on [0.0.0.0:8080]: ", "\n"],
  ["Apps reach it at", "\n"],
  ["Its data go into the folder [data]: ", "\n"],
  ['the folder (or "s3") [data/media]: ', "\n"],
];

test("init asks, judges each answer, and writes a config that is valid, with a secret for each app", {
  skip,
}, async (t) => {
  const cwd = tempFolder(t);
  const { output, code } = await atTerminal(
    ["init"],
    [
      ["listens on [0.0.0.0:8080]: ", "everywhere\n"],
      ['must be "host:port"', ""],
      ["listens on", "127.0.0.1:9090\n"],
      ["[http://127.0.0.1:9090]: ", "https://relay.example.com\n"],
      ["folder [data]: ", "\n"],
      ["[data/media]: ", "films\n"],
      ["its URL (none: later): ", "https://cms.internal/hooks\n"],
      ["What it is called [cms]: ", "\n"],
      ["its URL (none: no more): ", "http://10.0.0.7/hook\n"],
      ["What it is called [app]: ", "cms\n"],
      ['"cms" is the id of endpoints[0] already', ""],
      ["What it is called [app]: ", "stats\n"],
      ["its URL (none: no more): ", "\n"],
      ["(y/N) [no]: ", "\n"],
      ["cms.secret, stats.secret, config.json would be written. Go on? [y/N] ", "y\n"],
    ],
    { cwd },
  );
  assert.equal(code, 0, output);
  assert.deepEqual(readJson(cwd, "config.json"), {
    dataDir: "data",
    server: { listen: "127.0.0.1:9090", publicUrl: "https://relay.example.com" },
    mirror: { target: { type: "local", dir: "films" } },
    endpoints: [
      { id: "cms", url: "https://cms.internal/hooks", secret: { file: "cms.secret" } },
      { id: "stats", url: "http://10.0.0.7/hook", secret: { file: "stats.secret" } },
    ],
  });
  assert.deepEqual(readdirSync(cwd).sort(), ["cms.secret", "config.json", "stats.secret"]);
  const secrets = ["cms", "stats"].map((id) => readFileSync(join(cwd, `${id}.secret`), "utf8").trim());
  assert.notEqual(secrets[0], secrets[1]);
  for (const secret of secrets) {
    assert.equal(decodeSecret(secret).kind, "hmac");
    assert.ok(!output.includes(secret), "no secret is shown");
  }
  if (process.platform !== "win32") {
    for (const name of readdirSync(cwd)) assert.equal(statSync(join(cwd, name)).mode & 0o777, 0o600, name);
  }
  assert.match(output, /^ {2}"dataDir": "data",\r$/m, "what would be written is shown as it would be");
  assert.match(output, /give each app its secret, .*: cms\.secret, stats\.secret/);
  assert.match(output, /start the relay: wochit-relay serve\r\n/);
  assert.match(output, /enter https:\/\/relay\.example\.com\/webhooks\/wochit in Wochit's admin panel/);
  const [checked] = await callJson(["check"], { cwd });
  assert.deepEqual([checked.valid, checked.warnings], [true, []]);
});

test("a bucket's secret key is typed unseen, and kept in a file of its own", { skip }, async (t) => {
  const cwd = tempFolder(t);
  const { output, code } = await atTerminal(
    ["init", "--config", "relay/config.json", "--try"],
    [
      ...DEFAULTS.slice(0, 3),
      ["[data/media]: ", "s3\n"],
      ["name of the bucket: ", "films\n"],
      ["URL of the store (none: Amazon's): ", "https://s3.example.com\n"],
      ["region", "\n"],
      ["access key", "AKIAEXAMPLE\n"],
      ["secret key (not shown): ", "hush+hush/hush\n"],
      ["its URL (none: later): ", "\n"],
      ["would be written. Go on? [y/N] ", "y\n"],
    ],
    { cwd },
  );
  assert.equal(code, 0, output);
  assert.match(output, /\(not shown\): \r\n/);
  assert.doesNotMatch(output, /h+u+s+h+|Warning/);
  const { mirror, receive } = readJson(cwd, "relay/config.json");
  assert.deepEqual(mirror, {
    target: {
      type: "s3",
      bucket: "films",
      endpoint: "https://s3.example.com",
      accessKeyId: "AKIAEXAMPLE",
      secretAccessKey: { file: "bucket.key" },
    },
    allowPrivateAddresses: ["127.0.0.1"],
  });
  assert.deepEqual(receive, { allowFrom: ["127.0.0.1"] });
  assert.equal(readFileSync(join(cwd, "relay/bucket.key"), "utf8"), "hush+hush/hush\n");
  assert.match(output, /play Wochit: wochit-relay simulate video\.ready --config relay\/config\.json\r\n/);
  assert.match(output, /before real use take "receive" and "allowPrivateAddresses" out of relay\/config\.json/);
});

const toTheEnd: Step[] = [...DEFAULTS, ["(none: later): ", "https://cms.internal/\n"], ["called [cms]: ", "\n"]];
for (const [what, steps] of [
  ["Ctrl-C at the first question", [["listens on", "\x03"]]],
  [
    "Ctrl-C at a secret",
    [
      ...DEFAULTS.slice(0, 3),
      ["media]: ", "s3\n"],
      ["bucket: ", "films\n"],
      ["store", "\n"],
      ["region", "\n"],
      ["key", "A\n"],
      ["(not shown)", "hu\x03"],
    ],
  ],
  ["Ctrl-C at the last question", [...toTheEnd, ["no more): ", "\n"], ["(y/N)", "\n"], ["[y/N] ", "\x03"]]],
  ["Ctrl-D at an app", [...DEFAULTS, ["later): ", "\x04"]]],
  ["no", [...toTheEnd, ["no more): ", "\n"], ["(y/N)", "\n"], ["[y/N] ", "n\n"]]],
] as [string, Step[]][]) {
  test(`${what} leaves everything as it was, says so, and ends with 1`, { skip }, async (t) => {
    const cwd = tempFolder(t);
    const { output, code } = await atTerminal(["init"], steps, { cwd });
    assert.equal(code, 1, output);
    assert.match(output, /nothing was done\r?\n$/);
    assert.deepEqual(readdirSync(cwd), []);
  });
}

test("with --yes nothing is asked, and the options are the answers", async (t) => {
  const cwd = tempFolder(t);
  const apps = [
    "cms=https://cms.internal/a?b=c",
    "https://cms.internal/two",
    "http://[::1]:3000/",
    "http://localhost/",
  ];
  const own = ["--data-dir", "/srv/relay", "--admin-listen", "127.0.0.1:9081"];
  const line = ["init", "--yes", ...own, ...apps.flatMap((url) => ["-e", url])];
  const [made] = await callJson(line, { cwd });
  assert.deepEqual(
    made.secrets,
    ["cms", "cms-2", "app", "app-2"].map((id) => join(cwd, `${id}.secret`)),
  );
  assert.equal(made.webhook, "http://relay-host:8080/webhooks/wochit");
  assert.match(made.warnings[0], /^server\.publicUrl: is not set/);
  const { dataDir, server, mirror, endpoints, admin } = readJson(cwd, "config.json");
  assert.deepEqual(admin, { listen: "127.0.0.1:9081" });
  assert.deepEqual([dataDir, server, mirror], ["/srv/relay", { listen: "0.0.0.0:8080" }, undefined]);
  assert.equal(endpoints[0].url, "https://cms.internal/a?b=c");
  const bucket = ["--bucket", "films", "--region", "eu-central-1", "--listen", "[::1]:80", "--config", "other.json"];
  assert.equal((await callCli(["init", "--yes", ...bucket], { cwd })).code, 0);
  const other = readJson(cwd, "other.json");
  assert.equal(other.server.publicUrl, "http://[::1]:80");
  assert.deepEqual(other.mirror.target, { type: "s3", bucket: "films", region: "eu-central-1" });
});

test("without a terminal and --yes it says what to do, and a wrong answer is one line; nothing is written", async (t) => {
  const cwd = tempFolder(t);
  const cases: [string[], RegExp][] = [
    [[], /init asks at a terminal, and there is none: say --yes, and with --endpoint URL/],
    [["--yes", "-e", "cms"], /--endpoint: endpoints\[0\]\.url: must be an http:\/\/ or https:\/\/ URL/],
    [["--yes", "-e", "C=http://a/"], /--endpoint: endpoints\[0\]\.id: must be 1 to 64 of a-z/],
    [["--yes", "--listen", "80"], /--listen: server\.listen: must be "host:port"/],
    [["--yes", "--media-dir", "data/spool"], /--media-dir: mirror\.target\.dir: must not be the spool/],
    [["--yes", "--bucket", "films", "--access-key-id", "A"], /--secret-key-file: .* must not be empty/],
    [
      ["--yes", "--bucket", "films", "--access-key-id", "A", "--secret-key-file", "no"],
      /cannot read .*no: no such file/,
    ],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await callCli(["init", ...args], { cwd });
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    assert.match(stderr, /^wochit-relay: [^\n]*\n$/);
    assert.match(stderr, expected);
  }
  assert.deepEqual(readdirSync(cwd), []);
});

test("nothing is written over: neither a config nor a secret, nor what a link leads to", async (t) => {
  const cwd = tempFolder(t);
  const init = async (...args: string[]) => {
    const { code, stderr } = await callCli(["init", "--yes", "-e", "cms=http://a/", "-e", "stats=http://b/", ...args], {
      cwd,
    });
    assert.equal(code, 1);
    return stderr;
  };
  writeFileSync(join(cwd, "stats.secret"), "mine");
  assert.match(await init(), /stats\.secret is there already, and is left as it is: nothing was written/);
  assert.deepEqual(readdirSync(cwd), ["stats.secret"]);
  assert.equal(readFileSync(join(cwd, "stats.secret"), "utf8"), "mine");
  writeFileSync(join(cwd, "config.json"), "{}");
  assert.match(await init(), /config\.json is there already, and init writes over nothing: edit it, or name another/);
  symlinkSync(join(cwd, "elsewhere"), join(cwd, "link.json"));
  assert.match(await init("--config", "link.json"), /is there already/);
  assert.deepEqual(readdirSync(cwd).sort(), ["config.json", "link.json", "stats.secret"]);
  assert.equal(existsSync(join(cwd, "elsewhere")), false);
});

test("where nothing can be written it says why, in one line", async (t) => {
  const cwd = tempFolder(t);
  writeFileSync(join(cwd, "file"), "");
  chmodSync(join(cwd, "file"), 0o600);
  const { code, stderr } = await callCli(["init", "--yes", "--config", "file/config.json"], { cwd });
  assert.equal(code, 1);
  assert.match(stderr, /^wochit-relay: cannot write to [^\n]*file: [^\n]*\n$/);
});
