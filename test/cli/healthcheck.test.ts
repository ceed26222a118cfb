import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { listen } from "../support/listen.ts";
import { serve, stop } from "../support/serve-here.ts";
import { callCli, jsonLines, runCli } from "../support/spawn.ts";
import { pemFiles } from "../support/tls-server.ts";
import { waitFor } from "../support/wait.ts";

/** The command with a config of its own in an empty folder, or in `dir`. */
function check(t: TestContext, options: object, dir = tempFolder(t)) {
  const config = join(dir, "config.json");
  writeFileSync(config, JSON.stringify({ dataDir: "data", admin: null, ...options }));
  return callCli(["healthcheck", "--config", config]);
}

/** A relay whose note for commands is there. */
async function start(t: TestContext, options: object = {}, dir = tempFolder(t)) {
  const relay = await serve(t, dir, options);
  await waitFor(() => statSync(join(dir, "data/relay.run"), { throwIfNoEntry: false }));
  return { ...relay, dir };
}

test("healthcheck ends with 0 while the relay can take events, and with 1 when it is gone", async (t) => {
  // The system chose the port: only the relay's own note says which.
  const { child, url, config } = await start(t);
  const well = await runCli(["healthcheck", "--config", config]);
  assert.deepEqual([well.code, well.stdout, well.stderr], [0, `ready at ${url}\n`, ""]);
  const json = await callCli(["healthcheck", "--config", config, "--json"]);
  assert.deepEqual(jsonLines(json.stdout), [{ ready: true, degraded: false, url, reasons: [] }]);

  await stop(child, "SIGTERM");
  const gone = await callCli(["healthcheck", "--config", config]);
  assert.deepEqual([gone.code, gone.stdout], [1, ""]);
  assert.equal(gone.stderr, `wochit-relay: not ready at ${url}: nothing listens there (ECONNREFUSED)\n`);
  const goneJson = await callCli(["healthcheck", "--config", config, "--json"]);
  assert.deepEqual([goneJson.code, jsonLines(goneJson.stdout)[0].ready], [1, false]);
});

test("healthcheck ends with 1 while a relay runs that cannot commit, and says so", async (t) => {
  const dir = tempFolder(t);
  mkdirSync(join(dir, "data"), { mode: 0o700 });
  writeFileSync(join(dir, "data/relay.db"), "this is no database".repeat(1_000));
  const { url, config } = await start(t, {}, dir);
  const { code, stdout, stderr } = await callCli(["healthcheck", "--config", config]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.equal(stderr, `wochit-relay: not ready at ${url}: events cannot be committed\n`);
});

test("a degraded relay takes events: 0, with the reasons", async (t) => {
  const { url, config } = await start(t, { mirror: { minFreeDisk: "999999GiB" } });
  const { code, stdout } = await callCli(["healthcheck", "--config", config]);
  assert.equal(code, 0);
  const reasons = "free disk space is below mirror.minFreeDisk";
  assert.ok(stdout.startsWith(`ready at ${url}, but degraded: ${reasons}`), stdout);
});

test("healthcheck speaks TLS where the relay does, whatever the certificate is for", async (t) => {
  const { url, config } = await start(t, { server: { listen: "127.0.0.1:0", tls: pemFiles("expired") } });
  assert.match(url, /^https:/);
  const { code, stdout, stderr } = await callCli(["healthcheck", "--config", config]);
  assert.deepEqual([code, stdout, stderr], [0, `ready at ${url}\n`, ""]);
});

test("a running relay is asked where it listens, not where a newer config wants it to", async (t) => {
  const { url, config, dir } = await start(t);
  const { stdout } = await check(t, { server: { listen: "127.0.0.1:1" } }, dir);
  assert.equal(stdout, `ready at ${url}\n`);
  // A config with a problem does not hide it either.
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), nosuch: true }));
  assert.equal((await callCli(["healthcheck", "--config", config])).stdout, `ready at ${url}\n`);
});

test("without a note the config says where: on every address the loopback one is asked", async (t) => {
  const asked: (string | undefined)[] = [];
  const server = createServer(({ url, headers }, response) => {
    asked.push(`${headers.host}${url}`);
    response.end('{"status":"ready"}');
  });
  const { port } = await listen(t, server);
  const { code, stdout } = await check(t, { server: { listen: `0.0.0.0:${port}` } });
  assert.deepEqual([code, stdout], [0, `ready at http://127.0.0.1:${port}\n`]);
  assert.deepEqual(asked, [`127.0.0.1:${port}/readyz`]);
});

test("what is no relay, what is not known and what cannot be read end with 1, in one line", async (t) => {
  const { port } = await listen(
    t,
    createServer((_, response) => response.end("hello")),
  );
  const dir = tempFolder(t);
  const other = await check(t, { server: { listen: `127.0.0.1:${port}` } });
  const unknown = await check(t, { server: { listen: "127.0.0.1:0" } }, dir);
  const missing = await callCli(["healthcheck", "--config", join(dir, "nope.json")]);
  for (const { code, stdout } of [other, unknown, missing]) assert.deepEqual([code, stdout], [1, ""]);
  assert.equal(
    other.stderr,
    `wochit-relay: not ready at http://127.0.0.1:${port}: something answers with 200, but no relay\n`,
  );
  assert.equal(
    unknown.stderr,
    `wochit-relay: not ready: no relay has noted in ${join(dir, "data")} where it listens\n`,
  );
  assert.match(missing.stderr, /^wochit-relay: not ready: .*nope\.json: cannot be read: no such file\n$/);
});

test("a relay that does not answer is not waited for", async (t) => {
  const { port } = await listen(
    t,
    createServer(() => {}),
  );
  const { code, stderr } = await check(t, { server: { listen: `127.0.0.1:${port}` } });
  assert.deepEqual([code, stderr], [1, `wochit-relay: not ready at http://127.0.0.1:${port}: no answer within 4 s\n`]);
});
