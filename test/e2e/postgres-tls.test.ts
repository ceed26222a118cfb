import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { systemRandom } from "../../src/platform/runtime.ts";
import { makeEvent } from "../../src/simulator/events.ts";
import { tempFolder } from "../support/folder.ts";
import { noPostgres, startPostgres } from "../support/postgres.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { jsonLines, runCli } from "../support/spawn.ts";
import { AUTHORITY, type Pem, pemFiles } from "../support/tls-server.ts";
import { waitFor } from "../support/wait.ts";

const skip = noPostgres;
const PASSWORD = "a-word-that-stays-secret";

/** A server that takes TLS and a password only, and the config of a relay on it; `ca`: the authority that it trusts. */
async function setUp(t: TestContext, pem: Pem, ca: string | null) {
  const access = ["hostnossl all all all reject", "hostssl all relay all scram-sha-256"];
  const server = await startPostgres(t, { certificate: pemFiles(pem), access });
  await server.ask(`CREATE ROLE relay LOGIN PASSWORD '${PASSWORD}'`);
  await server.ask("CREATE DATABASE relay OWNER relay");
  const app = await openReceiver();
  t.after(app.close);
  const port = await lastingPort();
  const dir = tempFolder(t);
  const configPath = join(dir, "config.json");
  const config = {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}`, publicUrl: "http://relays.example" },
    admin: null,
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    store: { url: { env: "DATABASE_URL" }, ca },
    endpoints: [endpointTo(app.url)],
  } satisfies ConfigInput;
  writeFileSync(configPath, JSON.stringify(config));
  // Of this machine it would not be asked for otherwise.
  const url = `postgres://relay:${PASSWORD}@localhost:${server.port}/relay?sslmode=verify-full`;
  const env = { DATABASE_URL: url };
  return {
    ...{ server, app, port },
    where: `localhost:${server.port}`,
    run: (...line: string[]) => runCli([...line, "--config", configPath], { env }),
    serve() {
      const relay = spawnServe({ configPath, port, env });
      t.after(() => relay.kill());
      return relay;
    },
  };
}

test("a relay works on a PostgreSQL that takes TLS only, also after that was started again", { skip }, async (t) => {
  const { server, app, port, run, serve } = await setUp(t, "good", AUTHORITY);
  const relay = serve();
  await relay.ready();
  let posted = 0;
  const post = async (): Promise<string | null> => {
    // None is a repetition of another.
    const wish = { videoId: "v1", title: `Event ${++posted}` };
    const { body } = makeEvent("video.ready", { random: systemRandom(), ...wish });
    const answer = await fetch(`http://127.0.0.1:${port}/webhooks/wochit`, { method: "POST", body });
    const { id } = (await answer.json()) as { id?: string };
    return answer.status === 200 ? id! : null;
  };
  const arrived = (id: string | null) =>
    waitFor(() => app.requests.some(({ headers }) => headers["webhook-id"] === id));
  const first = await post();
  assert.notEqual(first, null);
  await arrived(first);

  await server.stop("immediate");
  await server.start();
  await arrived(await waitFor(post));

  const encrypted = await server.ask(
    "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'relay'",
  );
  assert.deepEqual(encrypted, [["t"]]);
  assert.equal((await run("check")).code, 0);
  const probes = jsonLines((await run("doctor", "--json")).stdout);
  assert.equal(probes.find(({ probe }) => probe === "database.version").state, "ok", JSON.stringify(probes));
  assert.equal((await relay.stop()).code, 0);
});

// Deno may say it in words of its own.
for (const { name, pem, ca, why } of [
  {
    name: "an authority that is not known",
    ...({ pem: "good", ca: null } as const),
    why: /UnknownIssuer|is not trusted \(\w+\): install .*, or name its file in store\.ca/,
  },
  {
    name: "another name",
    ...({ pem: "other", ca: AUTHORITY } as const),
    why: /NotValidForName|altname.*: store\.url must name the host as its certificate does/,
  },
])
  test(`a server with a certificate of ${name} is refused in one line that says where`, { skip }, async (t) => {
    const { run, serve, where, port } = await setUp(t, pem, ca);
    assert.equal((await run("check")).code, 0, "it opens nothing");

    const relay = serve();
    await relay.ready();
    const line = await waitFor(() => relay.lastLines().find((each) => each.includes("the store cannot be used")));
    assert.match(line, why);
    assert.ok(line.includes(where), line);
    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 503);
    assert.equal((await fetch(`http://127.0.0.1:${port}/webhooks/wochit`, { method: "POST", body: "{}" })).status, 503);
    const listed = await run("events", "list");
    assert.equal(listed.code, 1);
    assert.match(listed.stderr, /^wochit-relay: [^\n]+\n$/);
    assert.match(listed.stderr, why);
    const doctor = await run("doctor", "--json");
    assert.equal(doctor.code, 1);
    const database = jsonLines(doctor.stdout).filter(({ probe }) => /^database/.test(probe));
    const found = database.filter(({ state }) => state !== "ok" && state !== "warning");
    assert.match(JSON.stringify(found), why);
    assert.ok(JSON.stringify(found).includes(where), doctor.stdout);
    assert.equal((await relay.stop()).code, 0);
    const all = [...relay.lastLines(), ...Object.values(listed), ...Object.values(doctor)].join("\n");
    assert.ok(!all.includes(PASSWORD), all);
  });
