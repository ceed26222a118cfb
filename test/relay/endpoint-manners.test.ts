import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { callCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const hook = { method: "POST", path: "/webhooks/wochit" };
const event = (videoId: string) => JSON.stringify({ type: "draft.new", wochitVideoId: videoId });

test("cookies are not kept, a redirect is not followed, and the connection serves one delivery after the other", async (t) => {
  const app = await openReceiver((_, nth) => {
    const headers = { "set-cookie": "session=1; Path=/", location: "/elsewhere" };
    return { status: nth === 1 ? 307 : 200, headers };
  });
  const relay = await startRelay({ endpoints: [endpointTo(app.url, { concurrency: 1 })] });
  t.after(() => Promise.all([relay.close(), app.close()]));
  for (const [at, id] of ["a", "b", "c"].entries()) {
    await send(relay.port, hook, event(id));
    await waitFor(() => app.requests.length > at);
  }
  await waitFor(() => app.requests.length === 4);
  assert.deepEqual(app.requests.map(({ path, json }) => `${path} ${json.wochitVideoId}`).sort(), [
    "/ a",
    "/ b",
    "/ b",
    "/ c",
  ]);
  assert.deepEqual(
    app.requests.map(({ headers }) => headers.cookie),
    [undefined, undefined, undefined, undefined],
  );
  assert.equal(app.connections(), 1);
});

test("a proxy of the environment is not used", async (t) => {
  const dir = tempFolder(t);
  const proxied: string[] = [];
  const proxy = await listen(
    t,
    createServer((socket) => {
      socket.once("data", (bytes) => {
        proxied.push(bytes.toString("latin1").split("\r\n", 1)[0]!);
        socket.destroy();
      });
      socket.on("error", () => {});
    }),
  );
  const app = await openReceiver();
  t.after(app.close);
  const port = await lastingPort();
  const configPath = join(dir, "config.json");
  writeFileSync(
    configPath,
    JSON.stringify({
      dataDir: "data",
      admin: null,
      server: { listen: `127.0.0.1:${port}` },
      receive: { allowFrom: ["127.0.0.1"] },
      endpoints: [endpointTo(app.url)],
    }),
  );
  const names = ["http_proxy", "https_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  const proxies = Object.fromEntries(names.map((name) => [name, proxy.url]));
  // Deno looks for a newer Deno now and then, by the proxy.
  const env = { ...proxies, NODE_USE_ENV_PROXY: "1", no_proxy: "", NO_PROXY: "", DENO_NO_UPDATE_CHECK: "1" };
  const relay = spawnServe({ configPath, port, env });
  t.after(() => relay.kill());
  await relay.ready();
  await send(port, hook, event("a"));
  await waitFor(() => app.requests.length === 1);
  assert.deepEqual(proxied, []);
  await relay.stop();
});

test("credentials in an endpoint's URL are sent, and shown nowhere: logs, lists, errors, notices", async (t) => {
  const [user, password] = ["relay-user", "pass/word-of-the-app"];
  const withLogin = (url: string) => url.replace("//", `//${user}:${encodeURIComponent(password)}@`);
  const app = await openReceiver();
  const notices = ["relay.endpoint.failing", "relay.delivery.dead"];
  const gone = `http://127.0.0.1:${await lastingPort()}`;
  const relay = await startRelay({
    endpoints: [
      endpointTo(withLogin(app.url), { events: ["draft.*", ...notices] }),
      endpointTo(withLogin(gone), { id: "gone", retry: ["10ms"] }),
    ],
    log: { level: "debug" },
  });
  t.after(() => Promise.all([relay.close(), app.close()]));
  const ids = Array.from({ length: 10 }, (_, at) => `v${at}`);
  for (const id of ids) await send(relay.port, hook, event(id));
  const types = () => new Set(app.requests.map(({ json }) => json.type));
  await waitFor(() => types().size === 3);
  const login = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  assert.deepEqual([...new Set(app.requests.map(({ headers }) => headers.authorization))], [login]);

  const shown: string[] = [JSON.stringify(relay.ports.log.facts), ...app.requests.map(({ body }) => body.toString())];
  const commands = ["endpoints list", "deliveries list --limit 99", "events list", "status"];
  for (const command of commands) {
    for (const json of [[], ["--json"]]) {
      const { code, stdout, stderr } = await callCli([...command.split(" "), ...json, "--config", relay.configPath]);
      assert.equal(code, 0, `${command}: ${stderr}`);
      shown.push(stdout, stderr);
    }
  }
  const [dead] = relay.ports.log.facts.filter(({ fact }) => fact === "delivery dead");
  const show = await callCli(["deliveries", "show", String(dead?.fields.delivery), "--config", relay.configPath]);
  shown.push(show.stdout);
  assert.match(show.stdout, /ECONNREFUSED/);
  const basic = login.slice("Basic ".length);
  for (const secret of [password, encodeURIComponent(password), basic, user])
    for (const text of shown) assert.ok(!text.includes(secret), `${secret} is shown: ${text.slice(0, 500)}`);
});
