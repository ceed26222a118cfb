import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { SECRET } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { serve, stop } from "../support/serve-here.ts";
import { runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const hangUp = (relay: { child: { pid?: number } }) => process.kill(relay.child.pid!, "SIGHUP");
const post = async (url: string) => {
  const body = JSON.stringify({ type: "draft.delete", wochitVideoId: "v1" });
  return (await fetch(`${url}/webhooks/wochit`, { method: "POST", body })).status;
};

test("SIGHUP takes the config anew, or refuses it whole with each of its problems in the log", async (t) => {
  const relay = await serve(t, tempFolder(t));
  const given = JSON.parse(readFileSync(relay.config, "utf8"));
  const rewrite = (changes: object) => writeFileSync(relay.config, JSON.stringify({ ...given, ...changes }));
  assert.equal(await post(relay.url), 200);

  rewrite({ receive: { allowFrom: ["192.0.2.1"], maxBody: "lots" }, log: { level: "error" }, endpoint: [] });
  hangUp(relay);
  await relay.find("config refused: the old one holds");
  const problems = relay.lines().filter(({ msg }) => msg === "config problem");
  assert.equal(problems.length, 2);
  assert.match(String(problems[0]?.problem), /^\S+config\.json: endpoint: unknown key/);
  assert.match(String(problems[1]?.problem), /^\S+config\.json: receive\.maxBody: must be /);
  assert.equal(await post(relay.url), 200, "nothing of it holds");

  rewrite({ receive: { allowFrom: ["192.0.2.1"] }, server: { ...given.server, listen: "127.0.0.1:1" } });
  hangUp(relay);
  const taken = await relay.find("config taken");
  assert.deepEqual(taken.changed, ["receive"]);
  const { options } = await relay.find("these options change at the next start");
  assert.deepEqual(options, ["server.listen"]);
  assert.equal(await post(relay.url), 403);

  rmSync(relay.config);
  hangUp(relay);
  await waitFor(() => relay.lines().some(({ problem }) => /no such file/.test(String(problem))));
  assert.equal(await post(relay.url), 403, "a file that is gone is no config of defaults");
  assert.equal((await stop(relay.child, "SIGTERM")).code, 0);
});

test("the log's level changes with a reload, and secrets are read again from their files", async (t) => {
  const dir = tempFolder(t);
  const file = join(dir, "app.secret");
  writeFileSync(file, SECRET);
  // It asks for none of the events that come here: no line of an attempt is among theirs.
  const endpoints = [{ id: "app", url: "http://127.0.0.1:9/", secret: { file }, events: ["video.delete"] }];
  const relay = await serve(t, dir, { endpoints });
  const given = JSON.parse(readFileSync(relay.config, "utf8"));
  writeFileSync(file, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDPHl8C1VyYzE=");
  hangUp(relay);
  assert.deepEqual((await relay.find("config taken")).changed, ["endpoints"]);
  const receive = { allowFrom: ["192.0.2.1"] };
  writeFileSync(relay.config, JSON.stringify({ ...given, receive, log: { level: "error" } }));
  const before = relay.lines().length;
  hangUp(relay);
  await waitFor(async () => (await post(relay.url)) === 403);
  await stop(relay.child, "SIGTERM");
  const taken = relay
    .lines()
    .slice(before)
    .filter(({ msg }) => msg.startsWith("event "));
  assert.deepEqual(relay.lines().slice(before), taken, "what came before the reload, and nothing since");
});

test("a renewed certificate is shown to connections that come after the reload", async (t) => {
  const dir = tempFolder(t);
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  copyFileSync("test/fixtures/tls/cert.pem", cert);
  copyFileSync("test/fixtures/tls/key.pem", key);
  const relay = await serve(t, dir, { server: { listen: "127.0.0.1:0", tls: { cert, key } } });
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const port = Number(new URL(relay.url).port);
      const socket: TLSSocket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on("error", reject);
    });
  assert.notEqual(await shown(), "renewed.example.com");
  copyFileSync("test/fixtures/tls/renewed-cert.pem", cert);
  hangUp(relay);
  assert.match(
    String((await relay.find("config refused: the old one holds")).error),
    /server\.tls: .*key\.pem is not the key of .*cert\.pem/,
  );
  assert.notEqual(await shown(), "renewed.example.com", "a certificate without its key");
  copyFileSync("test/fixtures/tls/renewed-key.pem", key);
  hangUp(relay);
  assert.deepEqual((await relay.find("config taken")).changed, ["server.tls"]);
  // A runtime may have one connection begun already.
  await waitFor(async () => (await shown()) === "renewed.example.com");
  await stop(relay.child, "SIGTERM");
});

test("a config that is a pipe, a folder or far too large is refused at once, and the relay goes on", async (t) => {
  const relay = await serve(t, tempFolder(t));
  const refusals = () => relay.lines().filter(({ msg }) => msg === "config problem");
  const replaceBy: [RegExp, () => void][] = [
    [/it is a folder/, () => mkdirSync(relay.config)],
    [/larger than 1048576 bytes/, () => writeFileSync(relay.config, Buffer.alloc(50_000_000, "["))],
    [/no regular file/, () => void spawnSync("mkfifo", [relay.config])],
  ];
  for (const [index, [words, make]] of replaceBy.entries()) {
    rmSync(relay.config, { recursive: true });
    make();
    hangUp(relay);
    await waitFor(() => refusals().length === index + 1);
    assert.match(String(refusals()[index]?.problem), words);
    assert.equal(await post(relay.url), 200);
  }
  await stop(relay.child, "SIGTERM");
});

test("a chain that is broken behind its first certificate refuses the config, and the mirror goes on", async (t) => {
  const dir = tempFolder(t);
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  copyFileSync("test/fixtures/tls/cert.pem", cert);
  copyFileSync("test/fixtures/tls/key.pem", key);
  const relay = await serve(t, dir, { server: { listen: "127.0.0.1:0", tls: { cert, key } } });
  const given = JSON.parse(readFileSync(relay.config, "utf8"));
  const garbage = "-----BEGIN CERTIFICATE-----\ngarbagegarbage\n-----END CERTIFICATE-----\n";
  writeFileSync(cert, readFileSync("test/fixtures/tls/cert.pem", "utf8") + garbage);
  writeFileSync(relay.config, JSON.stringify({ ...given, mirror: { concurrency: 2 } }));
  hangUp(relay);
  await relay.find("config refused: the old one holds");
  copyFileSync("test/fixtures/tls/cert.pem", cert);
  hangUp(relay);
  const taken = await relay.find("config taken");
  assert.deepEqual(taken.changed, ["mirror"], "nothing of the refused one was taken");
  await stop(relay.child, "SIGTERM");
});

test("a SIGHUP at any moment of the start, from the first modules on, ends nothing, and the config holds", {
  skip: "Deno" in globalThis && "the signals come from a hook of Node's",
}, async (t) => {
  const dir = tempFolder(t);
  const trap = join(dir, "trap.mjs");
  // While each of these is loaded, none of the process's own code may have run after those before it.
  writeFileSync(
    trap,
    `import { registerHooks } from "node:module";
    import { isMainThread } from "node:worker_threads";
    const AT = ["/cli/entry.ts", "/cli/run.ts", "/commands/serve.ts", "/config/load.ts", "/log/log.ts", "/src/relay.ts"];
    if (isMainThread) registerHooks({
      load(url, context, next) {
        if (AT.some((end) => url.endsWith(end))) process.kill(process.pid, "SIGHUP");
        return next(url, context);
      },
    });`,
  );
  const relay = await serve(t, dir, {}, { NODE_OPTIONS: `--import ${trap}` });
  assert.equal(await post(relay.url), 200);
  const { code } = await stop(relay.child, "SIGTERM");
  assert.equal(code, 0);
});

test("--log-level stands before the config's level, also after a reload, and an unknown one is refused", async (t) => {
  const relay = await serve(t, tempFolder(t), {}, {}, ["--log-level", "debug"]);
  const given = JSON.parse(readFileSync(relay.config, "utf8"));
  writeFileSync(relay.config, JSON.stringify({ ...given, log: { level: "error" } }));
  hangUp(relay);
  await relay.find("config taken");
  const wrong = await runCli(["serve", "--config", relay.config, "--log-level", "loud"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^wochit-relay: --log-level must be one of debug, info, warn, error, not "loud"/);
});
