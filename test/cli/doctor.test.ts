import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { openStore } from "../../src/store/open.ts";
import { configIn, SECRET } from "../support/config.ts";
import { damageTable } from "../support/damage.ts";
import { tempFolder } from "../support/folder.ts";
import { listen } from "../support/listen.ts";
import { testPorts } from "../support/ports.ts";
import { openReceiver } from "../support/receiver.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { lastingPort } from "../support/serve-process.ts";
import { callCli, runCli } from "../support/spawn.ts";
import { AUTHORITY, openTlsServer, pemFiles } from "../support/tls-server.ts";
import { waitFor } from "../support/wait.ts";

type Line = { probe: string; state: string; detail: string; advice: string | null };
type Options = Parameters<typeof callCli>[1];

/** What the doctor says of a config, by its probes' names; the output must be one JSON object a line. */
async function diagnose(configPath: string, args: string[] = [], options: Options & { apart?: boolean } = {}) {
  const { apart = false, ...rest } = options;
  const line = ["doctor", "--json", "--config", configPath, ...args];
  const { code, stdout, stderr } = apart ? await runCli(line, rest) : await callCli(line, rest);
  const lines = stdout
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => JSON.parse(text) as Line);
  const at = (probe: string) => lines.filter((one) => one.probe === probe);
  return {
    code,
    lines,
    stdout,
    stderr,
    at,
    /** "state: detail" of one probe's lines. */
    said: (probe: string) =>
      at(probe)
        .map(({ state, detail }) => `${state}: ${detail}`)
        .join("\n"),
    failures: () => lines.filter(({ state }) => state === "failed").map(({ probe }) => probe),
  };
}

/** A config file of the test's own, which only its owner may read. */
function writeConfig(t: TestContext, config: object): string {
  const path = join(tempFolder(t), "config.json");
  writeFileSync(path, JSON.stringify({ dataDir: "data", server: { listen: "127.0.0.1:0" }, ...config }), {
    mode: 0o600,
  });
  return path;
}

const endpoint = (id: string, url: string, more: object = {}) => ({ id, url, secret: SECRET, timeout: "30s", ...more });

test("a fresh machine: warnings and no failure, and nothing is made", async (t) => {
  const path = writeConfig(t, {});
  const { code, failures, said, at, lines } = await diagnose(path);
  assert.deepEqual([code, failures()], [0, []]);
  assert.match(said("config"), /^ok: .*config\.json is valid\n/);
  assert.match(said("data.folder"), /^warning: .*not there yet/);
  assert.deepEqual(
    lines.map(({ probe }) => probe).filter((probe) => /^(data|disk)\./.test(probe)),
    ["data.folder", "disk.space.data"],
  );
  assert.match(said("database.file"), /^warning: none in .* yet/);
  assert.match(said("relay"), /^warning: none is running/);
  assert.match(at("relay")[0]!.advice!, /systemctl start/);
  assert.deepEqual(readdirSync(join(path, "..")), ["config.json"]);
});

test("beside a running relay all of it is looked at, and all is left as it was", async (t) => {
  const app = await openReceiver(405);
  const relay = await startRelay({
    endpoints: [endpoint("cms", `${app.url}/hook?key=hush`)],
    receive: { allowFrom: ["127.0.0.1"] },
    backup: { every: "6h" },
  });
  t.after(async () => {
    await relay.close();
    await app.close();
  });
  chmodSync(relay.configPath, 0o600);
  await waitFor(() => relay.ports.log.facts.some(({ fact }) => fact === "backup made"));
  const files = () => readdirSync(join(relay.dir, "data"), { recursive: true, encoding: "utf8" }).sort();
  const before = files();
  const { code, failures, said, stdout, lines } = await diagnose(relay.configPath);
  assert.deepEqual([code, failures()], [0, []], stdout);
  assert.match(said("relay"), /^ok: one is running, and ready at http:\/\/127/);
  assert.equal(said("data.disk") !== "", process.platform === "linux");
  assert.match(said("target.copy"), /^ok: .*: put \d+ ms, head \d+ ms, get \d+ ms, delete \d+ ms$/);
  assert.match(said("endpoint.cms.address"), /^ok: 127\.0\.0\.1$/);
  assert.match(said("endpoint.cms.answer"), /^ok: answers a HEAD with 405 after \d+ ms$/);
  assert.match(said("clock"), /^ok: .*, as endpoint cms has it$/);
  assert.match(said("database.integrity"), /^ok/);
  assert.match(said("deliveries.cms"), /^ok: nothing waits$/);
  assert.match(said("media.deadline"), /^ok/);
  assert.match(said("senders.allowed"), /^warning: .*lacks 54\.81\.68\.237/);
  assert.ok(lines.every((line) => Object.keys(line).join() === "probe,state,detail,advice"));
  assert.deepEqual(
    files().filter((name) => !before.includes(name)),
    [],
  );
  assert.deepEqual(
    app.requests.map(({ method, path }) => [method, path]),
    [["HEAD", "/hook?key=hush"]],
  );
  assert.doesNotMatch(stdout, /hush|whsec_/);
});

test("a relay that answers nothing, and another one at its address", async (t) => {
  const seeded = await openSeeded(t);
  const port = await lastingPort();
  const path = join(seeded.dir, "other.json");
  const config = {
    dataDir: seeded.config.dataDir,
    server: { listen: `127.0.0.1:${port}` },
    mirror: { minFreeDisk: 0 },
  };
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  assert.match(
    (await diagnose(path)).said("relay"),
    /^failed: one is running with .* but does not answer at .*nothing listens there/,
  );
  writeFileSync(path, JSON.stringify({ ...config, dataDir: "empty" }));
  assert.match((await diagnose(path)).said("relay"), /^warning: none is running with .*empty$/);
  const app = await openReceiver(204);
  t.after(() => app.close());
  writeFileSync(path, JSON.stringify({ ...config, dataDir: "empty", server: { listen: `127.0.0.1:${app.port}` } }));
  assert.match((await diagnose(path)).said("relay"), /^warning: none is running .* but something answers 204/);
});

test("a wrong config: its problems are lines, the exit code is 2, and what can still be looked at is", async (t) => {
  const wrong = writeConfig(t, { mirorr: {} });
  const { code, lines, stderr } = await diagnose(wrong);
  assert.equal(code, 2);
  assert.match(lines[0]!.detail, /^mirorr: unknown key "mirorr": did you mean "mirror"\?$/);
  assert.deepEqual([...new Set(lines.map(({ probe }) => probe))], ["config", "files.config"]);
  assert.match(stderr, /nothing else can be looked at before the config is right\n$/);

  const gone = await diagnose(join(wrong, "../gone.json"));
  assert.deepEqual([gone.code, gone.said("config"), gone.lines.length], [2, "failed: cannot be read: no such file", 1]);
});

test("secrets that cannot be read: the config's lines say so, and the other probes run without them", async (t) => {
  const app = await openReceiver();
  t.after(() => app.close());
  const path = writeConfig(t, {
    endpoints: [{ ...endpoint("cms", app.url), secret: { env: "NOT_SET" } }],
    mirror: {
      target: { type: "s3", bucket: "media", endpoint: app.url, accessKeyId: { env: "NOT_SET" }, secretAccessKey: "x" },
    },
  });
  const { code, said, at } = await diagnose(path);
  assert.equal(code, 2);
  assert.match(said("config"), /failed: endpoints\[0\]\.secret: the environment variable NOT_SET is not set/);
  assert.match(at("config")[0]!.advice!, /in its environment/);
  assert.match(said("endpoint.cms.answer"), /^ok/);
  assert.match(said("target"), /^warning: it was not tried: its keys cannot be read/);
});

test("what only the service can read is a warning, and the other probes run without it", async (t) => {
  const app = await openReceiver();
  t.after(() => app.close());
  const folder = "/run/credentials/of-nobody.service";
  const path = writeConfig(t, {
    server: { listen: "127.0.0.1:0", tls: { cert: `${folder}/tls-cert`, key: `${folder}/tls-key` } },
    endpoints: [{ ...endpoint("cms", app.url), secret: { credential: "cms-secret" } }],
    mirror: {
      target: {
        type: "s3",
        bucket: "media",
        endpoint: app.url,
        accessKeyId: "id",
        secretAccessKey: { credential: "s3-key" },
      },
    },
  });
  const { code, said, at, lines } = await diagnose(path);
  assert.equal(code, 0, JSON.stringify(lines));
  assert.match(said("config"), /^warning: .*credentials.*endpoints\[0\]\.secret \(cms-secret\)/m);
  assert.match(said("endpoint.cms.answer"), /^ok/);
  assert.match(said("target"), /^warning: it was not tried: its keys cannot be read/);
  assert.deepEqual([...at("listener.certificate"), ...at("files.secrets")], []);
});

test("endpoints: refused, stalled, broken, moved and unknown ones have different lines", async (t) => {
  const app = await openReceiver((request) => {
    if (request.path === "/moved")
      return { status: 301, headers: { location: "https://elsewhere.example.com/?key=hush" } };
    if (request.path === "/closed-door") return 401;
    return request.path === "/stalled" ? "hang" : 502;
  });
  t.after(() => app.close());
  const closed = await lastingPort();
  const path = writeConfig(t, {
    endpoints: [
      endpoint("stalled", `${app.url}/stalled`, { timeout: "300ms" }),
      endpoint("broken", `${app.url}/broken`),
      endpoint("moved", `${app.url}/moved`),
      endpoint("unsigned", `${app.url}/closed-door`),
      endpoint("plain", app.url.replace("http:", "https:")),
      endpoint("closed", `http://127.0.0.1:${closed}/`),
      endpoint("private", app.url, { allowPrivateAddresses: ["10.0.0.0/8"] }),
      endpoint("metadata", "http://169.254.169.254/", { allowPrivateAddresses: true }),
      endpoint("unknown", "http://nobody.invalid/hook"),
    ],
  });
  const { code, said, at, stdout, lines } = await diagnose(path);
  assert.equal(code, 1);
  assert.match(
    said("endpoint.stalled.answer"),
    /^failed: 127\.0\.0\.1:\d+: (no answer within 300 ms|it takes too long.*)$/,
  );
  assert.match(said("endpoint.broken.answer"), /^warning: answers a HEAD with 502/);
  assert.match(said("endpoint.moved.answer"), /^warning: .* 301 .*redirected/);
  assert.match(said("endpoint.unsigned.answer"), /^warning: answers a HEAD with 401 after \d+ ms: expected where/);
  assert.match(at("endpoint.unsigned.answer")[0]!.advice!, /deliveries list --endpoint unsigned/);
  assert.match(said("endpoint.plain.certificate"), /^failed: TLS with 127\.0\.0\.1:\d+: it does not speak TLS$/);
  assert.equal(at("endpoint.plain.certificate")[0]!.advice, "is the url meant to be http, not https?");
  assert.match(said("endpoint.closed.answer"), /^failed: .*nothing listens there \(ECONNREFUSED\)$/);
  assert.match(said("endpoint.private.address"), /^failed: 127\.0\.0\.1 is a loopback address: not allowed$/);
  assert.match(at("endpoint.private.address")[0]!.advice!, /endpoints\[6\]\.allowPrivateAddresses/);
  assert.equal(said("endpoint.private.answer"), "");
  assert.match(said("endpoint.metadata.address"), /^failed: 169\.254\.169\.254 is a cloud metadata address/);
  assert.match(
    said("endpoint.unknown.address"),
    /^failed: (the name nobody\.invalid does not exist|nobody\.invalid cannot be looked up)/,
  );
  assert.ok(app.requests.every(({ method }) => method === "HEAD"));
  assert.doesNotMatch(stdout, /hush/);
  const order = lines.map(({ probe }) => probe.split(".")).filter(([first]) => first === "endpoint");
  const ids = ["stalled", "broken", "moved", "unsigned", "plain", "closed", "private", "metadata", "unknown"];
  assert.deepEqual([...new Set(order.map(([, id]) => id))], ids);
});

test("certificates: a trusted one, one of an unknown issuer, one for another name, one that has expired", async (t) => {
  const [good, other, expired] = [
    await openTlsServer(t, "good"),
    await openTlsServer(t, "other"),
    await openTlsServer(t, "expired"),
  ];
  const path = writeConfig(t, {
    endpoints: [endpoint("good", good.url), endpoint("other", other.url), endpoint("expired", expired.url)],
  });
  const trusting = await diagnose(path, [], { apart: true, env: { NODE_EXTRA_CA_CERTS: AUTHORITY } });
  assert.match(trusting.said("endpoint.good.certificate"), /^ok: the certificate of localhost is good for \d{5} days$/);
  assert.match(trusting.said("endpoint.good.answer"), /^ok: answers a HEAD with 204/);
  assert.match(
    trusting.said("endpoint.other.certificate"),
    /^failed: .*refused: it is for DNS:other\.test, not for localhost$/,
  );
  assert.match(trusting.said("endpoint.expired.certificate"), /^failed: .*refused: it expired 2020-03-01$/);
  assert.equal(trusting.said("endpoint.expired.answer"), "");
  assert.match((await diagnose(path)).said("endpoint.good.certificate"), /^failed: .*issuer is not known here/);
});

test("the clock of an app that is minutes off is a failure", async (t) => {
  const app = await openReceiver(() => ({
    status: 200,
    headers: { date: new Date(Date.now() + 300_000).toUTCString() },
  }));
  t.after(() => app.close());
  const { code, said } = await diagnose(writeConfig(t, { endpoints: [endpoint("cms", app.url)] }));
  assert.equal(code, 1);
  assert.match(said("clock"), /^failed: .* is (299|300) s behind the clock of endpoint cms$/);
});

test("--offline asks neither endpoint nor bucket", async (t) => {
  const app = await openReceiver();
  t.after(() => app.close());
  const target = { type: "s3", bucket: "media", endpoint: app.url, accessKeyId: "key", secretAccessKey: "hush" };
  const path = writeConfig(t, { endpoints: [endpoint("cms", app.url)], mirror: { target } });
  const { lines } = await diagnose(path, ["--offline"]);
  assert.deepEqual(app.requests, []);
  assert.ok(lines.every(({ probe }) => !/^(endpoint|target|clock)/.test(probe)));
});

test("an address that hangs costs its own time only, and the others are reported", async (t) => {
  let open = 0;
  let most = 0;
  const silent = createServer((socket) => {
    most = Math.max(most, ++open);
    socket.on("error", () => {}).on("close", () => open--);
  });
  const { port } = await listen(t, silent);
  const endpoints = Array.from({ length: 4 }, (_, at) =>
    endpoint(`e${at}`, `http://127.0.0.1:${port}/`, { timeout: "2s" }),
  );
  const { said } = await diagnose(writeConfig(t, { endpoints }));
  assert.equal(most, endpoints.length, "all of them are waited for at once");
  for (const { id } of endpoints)
    assert.match(said(`endpoint.${id}.answer`), /^failed: .*(no answer within 2 s|too long)/);
});

test("--from shows the sender of a request, by the relay's own rules", async (t) => {
  const path = writeConfig(t, {
    server: { listen: "127.0.0.1:0", trustedProxies: ["10.0.0.0/8"] },
    receive: { allowFrom: ["54.81.68.237"] },
  });
  const from = async (text: string) => (await diagnose(path, ["--from", text])).said("senders.request");
  assert.match(await from("10.0.0.7,54.81.68.237"), /^ok: .* has the sender 54\.81\.68\.237: allowed$/);
  assert.match(
    await from("10.0.0.7, 1.2.3.4, 54.81.68.237, 10.9.9.9"),
    /^ok: .* has the sender 54\.81\.68\.237: allowed$/,
  );
  assert.match(await from("54.81.68.237"), /^ok/);
  assert.match(
    await from("8.8.8.8,54.81.68.237"),
    /^warning: .*has the sender 8\.8\.8\.8 \(8\.8\.8\.8 is none of server\.trustedProxies\): not allowed$/,
  );
  assert.match(await from("10.0.0.7,54.81.68.237,garbage"), /^warning: .*X-Forwarded-For cannot be read$/);
  const { code, stderr } = await callCli(["doctor", "--config", path, "--from", "load-balancer"]);
  assert.equal(code, 2);
  assert.match(stderr, /--from begins with the address of a socket/);
});

test("a proxy that is missing in server.trustedProxies is suspected where senders would look like it", async (t) => {
  const said = async (server: object, receive: object = {}) =>
    (await diagnose(writeConfig(t, { server, receive }))).said("senders.proxies");
  assert.match(
    await said({ listen: "127.0.0.1:0" }),
    /^warning: .*only this machine can connect.*looks like that proxy/,
  );
  assert.match(await said({ listen: "10.1.2.3:8080" }), /^warning: .*private addresses only/);
  assert.match(await said({ listen: "8.8.8.8:8080", publicUrl: "https://relay.example.com" }), /^warning: .*https/);
  assert.match(await said({ listen: "8.8.8.8:8080" }), /^ok/);
  assert.match(await said({ listen: "127.0.0.1:0" }, { allowFrom: "any" }), /^ok/);
  assert.match(
    await said({ listen: "127.0.0.1:0", trustedProxies: ["127.0.0.1"] }),
    /^ok: X-Forwarded-For is trusted from 127/,
  );
  assert.match(
    await said({ listen: "127.0.0.1:0", trustedProxies: ["0.0.0.0/0"] }),
    /^warning: .*includes the public internet/,
  );
});

test("copies that the database knows and the target lacks, as after a restore, are a warning", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 } });
  const { store, configPath, config } = seeded;
  for (const id of ["v1", "v2"]) await seeded.take(ready(id, { videoUrl: `https://cdn.example/${id}.mp4` }));
  await seeded.download();
  const there = await diagnose(configPath, ["--offline"]);
  assert.equal(there.said("media.copies"), "ok: the newest 2 copies: there, with the size that was kept");
  const [one] = await store.media({ limit: 1, state: "mirrored" });
  assert.ok(config.mirror.target.type === "local");
  rmSync(join(config.mirror.target.dir, one!.key!));
  const gone = await diagnose(configPath, ["--offline"]);
  assert.equal(
    gone.said("media.copies"),
    `warning: of the newest 2 copies one is not in the target, or not whole: 1 medium like ${one!.id}`,
  );
  assert.match(gone.at("media.copies")[0]!.advice!, /media verify --mend/);
  const [, other] = await store.media({ limit: 2, state: "mirrored" });
  rmSync(join(config.mirror.target.dir, other!.key!));
  const all = await diagnose(configPath, ["--offline"]);
  assert.match(all.at("media.copies")[0]!.advice!, /^most likely its disk is not mounted/);
});

test("what waits: paused endpoints, dead deliveries, links near their end, refused proxies; with the command that helps", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 } });
  const { store, configPath } = seeded;
  await seeded.take(ready("v1"));
  await seeded.deliver("app", "dead");
  await store.pauseEndpoint("archive", "answered 410 twice", Date.now());
  const body = Buffer.from("{}");
  await store.quarantine({ receivedAt: Date.now(), sourceAddress: "10.0.0.7", reason: "source", body });
  const first = await diagnose(configPath, ["--offline"]);
  assert.match(first.said("deliveries.app"), /^warning: 1 are dead: .*; each can be sent again for 90 d after it/);
  assert.match(first.at("deliveries.app")[0]!.advice!, /deliveries retry --endpoint app --state dead/);
  assert.match(first.said("deliveries.archive"), /^warning: paused \(answered 410 twice\), and 1 wait for it$/);
  assert.equal(first.at("deliveries.archive")[0]!.advice, "wochit-relay endpoints resume archive");
  assert.match(
    first.said("senders.refused"),
    /^warning: 1 request was refused within a day: 1 from 10\.0\.0\.7 .*proxy/,
  );
  assert.match(first.said("media.deadline"), /^ok: no link/);
  assert.match(first.said("backup"), /^warning: none is configured/);

  await seeded.take(ready("v2", { videoUrl: "https://cdn.example.com/v2.mp4?Signature=hush" }));
  assert.match(
    (await diagnose(configPath, ["--offline"])).said("media.deadline"),
    /^ok: the next link to die is that of video med_\w+ of v2, in 2\d h/,
  );
  await seeded.take(ready("v3", { videoUrl: "https://cdn.example.com/v3.mp4" }), Date.now() - 25 * 3_600_000);
  const late = await diagnose(configPath, ["--offline"]);
  assert.equal(late.code, 1);
  assert.match(late.said("media.deadline"), /^failed: the link of video med_\w+ of v3 died 1 h ago, unsaved/);
  assert.doesNotMatch(late.stdout, /hush/);
});

test("what waits for an endpoint that nothing holds is a warning while no relay runs", async (t) => {
  const seeded = await openSeeded(t);
  const says = async (endpoint: string) =>
    (await diagnose(seeded.configPath, ["--offline"])).said(`deliveries.${endpoint}`);
  assert.match(await says("app"), /^ok: nothing waits$/);
  await seeded.take(ready("v1"));
  // The store of the test holds the lock of a running relay.
  assert.match(await says("app"), /^ok: on their way: 1 open$/);
  await seeded.store.close();
  assert.match(await says("app"), /^warning: 1 wait, and no relay runs that would send them$/);
});

test("an endpoint that the config pauses is a warning, which names what ends it", async (t) => {
  const { configPath } = await openSeeded(t, { endpoints: [endpoint("app", "http://127.0.0.1:9/", { paused: true })] });
  const { said, at } = await diagnose(configPath, ["--offline"]);
  assert.match(said("deliveries.app"), /^warning: paused \(by the config\), and 0 wait for it$/);
  assert.equal(at("deliveries.app")[0]!.advice, 'take "paused" out of the config');
});

test("former targets that are gone are warnings", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.store.targetId({ type: "local", dir: join(seeded.dir, "old") });
  const look = async () => (await diagnose(seeded.configPath)).said("formerTargets.1");
  assert.match(await look(), /^warning: the folder .*old: .*ENOENT/);
  mkdirSync(join(seeded.dir, "old"));
  assert.match(await look(), /^ok: the folder .*old can be reached$/);
});

test("folders that the relay cannot make are failures, and nothing is made", async (t) => {
  const path = writeConfig(t, {
    backup: { every: "6h", dir: "config.json/backups" },
    mirror: { target: { type: "local", dir: "config.json/media" } },
  });
  const { code, failures, said, at } = await diagnose(path);
  assert.deepEqual([code, failures()], [1, ["backup.folder", "target.copy"]]);
  assert.match(said("backup.folder"), /^failed: .*config\.json is no folder/);
  assert.equal(at("target.copy")[0]!.advice, "choose another mirror.target.dir, or move it away");
  assert.deepEqual(readdirSync(join(path, "..")), ["config.json"]);
});

test("a relay of another user is judged as that user, also by root", {
  skip: process.geteuid?.() === 0 ? false : "only root can give folders away",
}, async (t) => {
  const dir = tempFolder(t);
  chmodSync(dir, 0o755);
  for (const [name, mode] of Object.entries({ data: 0o700, media: 0o755, backups: 0o755 })) {
    mkdirSync(join(dir, name));
    chmodSync(join(dir, name), mode);
  }
  chownSync(join(dir, "data"), 4712, 0);
  mkdirSync(join(dir, "data", "lost+found"), { mode: 0o700 });
  const path = join(dir, "config.json");
  const config = {
    dataDir: "data",
    server: { listen: "127.0.0.1:0" },
    mirror: { minFreeDisk: 0, target: { type: "local", dir: join(dir, "media") } },
    backup: { every: "6h", dir: join(dir, "backups") },
  };
  writeFileSync(path, JSON.stringify(config));
  const before = await diagnose(path);
  assert.deepEqual([before.code, before.failures()], [1, ["backup.folder", "target.copy"]]);
  assert.match(
    before.said("target.copy"),
    /media \(mode 0755, of user 0\): the relay's user 4712 may not write to it$/,
  );
  for (const name of ["media", "backups"]) {
    const advice = before.at(name === "media" ? "target.copy" : "backup.folder")[0]!.advice!;
    assert.equal(advice, `chown 4712 ${join(dir, name)}`);
    chownSync(join(dir, name), 4712, 0);
  }
  const after = await diagnose(path);
  assert.deepEqual([after.code, after.failures()], [0, []], after.stdout);
  assert.match(after.said("target.copy"), /^ok: .*: put \d+ ms/);
  assert.deepEqual(readdirSync(join(dir, "media")), []);
});

test("a damaged database, others' rights and a missing certificate at once: each is said, and no stack", async (t) => {
  const dir = tempFolder(t);
  mkdirSync(join(dir, "data"), { mode: 0o755 });
  chmodSync(join(dir, "data"), 0o755);
  writeFileSync(join(dir, "data", "relay.db"), Buffer.alloc(20_000, 7));
  const path = join(dir, "config.json");
  writeFileSync(path, JSON.stringify({ dataDir: "data", admin: { token: "hush" }, server: { listen: "127.0.0.1:0" } }));
  chmodSync(path, 0o644);
  const { code, said, stdout } = await diagnose(path);
  assert.equal(code, 1);
  assert.match(said("files.config"), /^warning: .*can read the secrets in it$/);
  assert.match(said("data.folder"), /^warning: .*mode 0755/);
  assert.match(said("database.file"), /^failed: .*not a database/);
  assert.doesNotMatch(stdout, /hush|\bat .*:\d+:\d+/);
  assert.equal(statSync(join(dir, "data", "relay.db")).size, 20_000);
});

test("--database looks at one database only, a table at a time, without a config", async (t) => {
  const dir = tempFolder(t);
  const config = configIn(dir);
  await (await openStore(config, testPorts(), { role: "relay" })).close();
  const database = join(dir, "data", "relay.db");
  const whole = await callCli(["doctor", "--database", database, "--json"]);
  const shown = await callCli(["doctor", "--database", database], { width: 80 });
  assert.match(
    shown.stderr,
    /\r\x1b\[Kchecking table 1 of \d+, \w+\r\x1b\[K[\s\S]*checking table 2 of [\s\S]*\r\x1b\[K$/,
  );
  assert.equal((await callCli(["doctor", "--database", database])).stderr, "");
  assert.deepEqual([whole.code, JSON.parse(whole.stdout)], [0, { database, wrong: [] }]);
  damageTable(database, "events");
  const damaged = await callCli(["doctor", "--database", database, "--json"]);
  assert.equal(damaged.code, 1);
  assert.ok(JSON.parse(damaged.stdout).wrong.length > 0);
  const gone = await callCli(["doctor", "--database", join(dir, "nowhere.db")]);
  assert.equal(gone.code, 1);
});

test("for people: a line each with what to do, colors and what is under way on a terminal only, a count at the end", async (t) => {
  const path = writeConfig(t, {});
  const piped = await callCli(["doctor", "--config", path]);
  assert.match(piped.stdout, /^ok {7}config {20}.*config\.json is valid\n/);
  assert.match(
    piped.stdout,
    /^warning {2}relay {21}none is running with .* → start it: systemctl start wochit-relay$/m,
  );
  assert.match(piped.stdout, /\n\n\d+ ok, \d+ warnings, 0 failed\n$/);
  assert.equal(piped.stderr, "");
  assert.doesNotMatch(piped.stdout, /\x1b/);
  const terminal = await callCli(["doctor", "--config", path], { width: 80 });
  assert.match(terminal.stdout, /^\x1b\[32mok {5}\x1b\[0m {2}config/);
  assert.match(terminal.stderr, /\r\x1b\[K… .*database/);
  assert.ok(terminal.stderr.endsWith("\r\x1b[K"));
  assert.doesNotMatch(
    (await callCli(["doctor", "--config", path], { width: 80, env: { NO_COLOR: "1" } })).stdout,
    /\x1b/,
  );
});

test("a relay behind its own door: TLS of its own is looked at, in its files and as it is shown", async (t) => {
  const relay = await startRelay({ server: { tls: pemFiles("good") } });
  t.after(() => relay.close());
  const path = join(relay.dir, "tls.json");
  const server = (pem: "good" | "expired") => ({
    listen: `127.0.0.1:${relay.port}`,
    publicUrl: `https://localhost:${relay.port}`,
    tls: pemFiles(pem),
  });
  const write = (pem: "good" | "expired") =>
    writeFileSync(
      path,
      JSON.stringify({ dataDir: join(relay.dir, "data"), server: server(pem), mirror: { minFreeDisk: 0 } }),
    );
  write("good");
  const good = await diagnose(path);
  assert.match(good.said("listener.certificate"), /^ok: .*good\.pem is good for \d+ days/);
  assert.match(good.said("relay"), /^ok: one is running, and ready at https:/);
  assert.match(good.said("relay.certificate"), /^ok/);
  write("expired");
  const stale = await diagnose(path);
  assert.match(stale.said("listener.certificate"), /^failed: .*it expired 2020-03-01$/);
  assert.match(stale.said("relay.certificate"), /^warning: the relay shows another certificate/);
});
