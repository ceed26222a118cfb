import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { toJsonSchema } from "@valibot/to-json-schema";
import { inspectConfig, inspectJson, loadConfig, locateConfig } from "../../src/config/load.ts";
import { configSchema } from "../../src/config/schema.ts";
import { RelayError } from "../../src/errors.ts";
import { configIn, SECRET } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { endpoint, openConfigFiles } from "./files.ts";

const { folder, load, write } = openConfigFiles();

const LONG = "a-token-of-the-admin-listener-itself";
const OTHER = "a-token-of-what-reads-its-metrics";

test("the address of an alert is an http URL that no problem quotes, and is there once", () => {
  const problemsOf = (alerts: object) =>
    inspectJson({ alerts }, null, { env: { U: "hook-of-mine" }, cwd: "/" }).problems;
  const chat = { url: "https://chat.example.com/hook", format: "slack" };
  assert.deepEqual(problemsOf({ to: [chat, { ...chat, format: "json" }] }), [
    "alerts.to[1].url: is that of alerts.to[0] already",
  ]);
  assert.deepEqual(problemsOf({ to: [{ ...chat, url: { env: "U" } }], heartbeat: { url: "ftp://x/" } }), [
    "alerts.to[0].url: must be an http:// or https:// URL",
    "alerts.heartbeat.url: must be an http:// or https:// URL",
  ]);
  const neither = ['alerts.to[0]: must be { "url", "format"'];
  for (const one of [{ url: "https://x", format: "mail" }, { mail: "a@b.example" }, { ...chat, mail: "a@b.example" }]) {
    assert.deepEqual(
      problemsOf({ to: [one] }).map((line) => line.slice(0, neither[0]!.length)),
      neither,
    );
  }
  assert.deepEqual(problemsOf({ to: [{ ...chat, mial: "a@b.example" }] }), [
    'alerts.to[0].mial: unknown key "mial": did you mean "mail"?',
  ]);
});

test("a mail of alerts has an address, and a server that no problem quotes; each address is there once", () => {
  const problemsOf = (...to: object[]) => inspectJson({ alerts: { to } }, null, { env: {}, cwd: "/" }).problems;
  const mail = { mail: "ops@example.com", from: "relay@example.com", smtp: "smtps://me:hush@mail.example.com" };
  assert.deepEqual(problemsOf(mail), []);
  assert.deepEqual(problemsOf(mail, { ...mail, mail: "Ops@example.com", smtp: "smtp://localhost" }), [
    "alerts.to[1].mail: is that of alerts.to[0] already",
  ]);
  assert.deepEqual(problemsOf({ ...mail, mail: "ops@example.com\r\nbcc: x@example.com" }), [
    'alerts.to[0].mail: must be a mail address like "ops@example.com"',
  ]);
  const [wrong, ...more] = problemsOf({ ...mail, smtp: "smtps://me:hush" });
  assert.match(wrong!, /^alerts\.to\[0\]\.smtp: must be smtps:\/\/USER:PASSWORD@HOST(?!.*hush)/);
  assert.deepEqual(more, []);
});

test("a receiver of alerts has a name of its own, or none", () => {
  const problemsOf = (...to: object[]) => inspectJson({ alerts: { to } }, null, { env: {}, cwd: "/" }).problems;
  const chat = { url: "https://chat.example.com/hook", format: "slack" };
  const mail = { mail: "ops@example.com", from: "relay@example.com", smtp: "smtp://localhost" };
  const text = { url: "https://ntfy.example.com/hook", format: "text" };
  assert.deepEqual(problemsOf({ ...chat, name: "night" }, { ...mail, name: "day" }, { ...text, name: null }), []);
  assert.deepEqual(problemsOf({ ...chat, name: "night" }, mail, { ...text, name: "night" }), [
    "alerts.to[2].name: is that of alerts.to[0] already",
  ]);
  assert.match(problemsOf({ ...chat, name: "Night shift" })[0]!, /^alerts\.to\[0\]\.name: must be 1 to 64 of a-z/);
  assert.match(problemsOf({ ...mail, name: "heartbeat" })[0]!, /^alerts\.to\[0\]\.name: is taken: "heartbeat" /);
  const nameless = inspectJson({ alerts: { to: [chat] } }, null, { env: {}, cwd: "/" }).config!.alerts!.to[0]!;
  const named = inspectJson({ alerts: { to: [{ ...chat, name: "night" }] } }, null, { env: {}, cwd: "/" }).config!;
  assert.deepEqual(named.alerts!.to[0], { ...nameless, name: "night" }, "its id stays, and with it what waits for it");
});

test("the example at the top level loads, and shows every option of the schema", () => {
  const path = resolve("config.example.json");
  const env = Object.fromEntries(["CMS_SECRET", "CMS_OLD_SECRET", "ARCHIVE_SECRET"].map((name) => [name, SECRET]));
  const urls = { CHAT_URL: "https://chat.example.com/hook", HEARTBEAT_URL: "https://watch.example.com/beat" };
  const SMTP_URL = "smtps://me:hush@mail.example.com";
  const { config, problems, warnings } = inspectConfig(path, {
    env: {
      ...env,
      ...{ ...urls, SMTP_URL },
      RELAY_TOKEN: "token",
      CMS_GATEWAY_KEY: "gateway",
      ADMIN_TOKEN: LONG,
      PROMETHEUS_TOKEN: OTHER,
    },
    cwd: "/",
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    warnings.map((line) => line.split(":")[0]),
    [],
  );
  assert.equal(config?.dataDir, resolve("data"));
  assert.equal(config?.endpoints[0]?.keys.length, 2);
  assert.deepEqual(config?.receive.tokens, ["token"]);
  assert.equal(config?.admin?.token, LONG);
  assert.deepEqual(config?.admin?.tokens, [{ name: "prometheus", token: OTHER, can: "read" }]);
  const { to, heartbeat } = config!.alerts!;
  assert.deepEqual(
    to.map(({ id, ...receiver }) => [id.length, receiver]),
    [
      [
        "slack-".length + 8,
        { name: "newsroom", url: urls.CHAT_URL, place: "chat.example.com", format: "slack", atLeast: "ticket" },
      ],
      [
        "mail-".length + 8,
        {
          ...{
            name: "on-call",
            format: "mail",
            place: "ops@example.com",
            mail: "ops@example.com",
            from: "relay@example.com",
            atLeast: "page",
          },
          smtp: { host: "mail.example.com", port: 465, tls: "implicit", user: "me", password: "hush" },
        },
      ],
    ],
  );
  assert.deepEqual(heartbeat, { url: urls.HEARTBEAT_URL, every: 60_000 });
  assert.deepEqual(config?.endpoints[0]?.headers, { "x-tenant": "news", "x-gateway-key": "gateway" });

  const options = optionsOf(toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" }));
  const shown = new Set(keysOf(JSON.parse(readFileSync(path, "utf8"))));
  assert.ok(options.length > 50);
  // A target has one type at a time, a file without TLS no certificate, an example no schema of its own, and SQLite no address.
  const rest = options.filter(
    (option) =>
      !/^(mirror\.(target|formerTargets)|server\.tls|admin\.tls|endpoints\.tls|store)\.|^\$schema$|\.(env|file|credential)$/.test(
        option,
      ),
  );
  assert.deepEqual(
    rest.filter((option) => !shown.has(option)),
    [],
  );
});

type JsonSchema = { properties?: Record<string, unknown>; items?: unknown; anyOf?: unknown[]; oneOf?: unknown[] };

function optionsOf(schema: unknown, path = ""): string[] {
  const { properties = {}, items, anyOf = [], oneOf = [] } = schema as JsonSchema;
  const own = Object.entries(properties).flatMap(([key, part]) => [path + key, ...optionsOf(part, `${path}${key}.`)]);
  return [...own, ...[...(items ? [items] : []), ...anyOf, ...oneOf].flatMap((part) => optionsOf(part, path))];
}

function keysOf(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => keysOf(item, path));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => [path + key, ...keysOf(part, `${path}${key}.`)]);
}

test("without a file there are the defaults of the contract", () => {
  const config = loadConfig(null, { env: {}, cwd: folder });
  assert.equal(config.dataDir, join(folder, "data"));
  assert.deepEqual(config.mirror.target, { type: "local", dir: join(folder, "data", "media") });
  assert.deepEqual(config.mirror.formerTargets, []);
  assert.equal(config.server.listen, "0.0.0.0:8080");
  assert.equal(config.server.publicUrl, null);
  assert.equal(config.receive.path, "/webhooks/wochit");
  assert.equal(config.receive.allowFrom.length, 5);
  assert.equal(config.receive.maxBody, 2 ** 20);
  assert.equal(config.receive.dedupeWindow, 600_000);
  assert.equal(config.mirror.linkLifetime, 86_400_000);
  assert.equal(config.mirror.maxSize, 20 * 2 ** 30);
  assert.deepEqual(config.endpoints, []);
  assert.match(config.warnings.join("\n"), /^server\.publicUrl: is not set/m);
});

test("the data folder is $STATE_DIRECTORY when the file names none", () => {
  assert.equal(load({}, { STATE_DIRECTORY: "/var/lib/one:/var/lib/two" }).dataDir, "/var/lib/one");
  assert.equal(load({ dataDir: "here" }, { STATE_DIRECTORY: "/var/lib/one" }).dataDir, join(folder, "here"));
});

test("a config is looked for where the contract says, in that order", () => {
  const cwd = mkdtempSync(join(folder, "cwd-"));
  assert.equal(locateConfig("x.json", { WOCHIT_RELAY_CONFIG: "/y.json" }, cwd), join(cwd, "x.json"));
  assert.equal(locateConfig(undefined, { WOCHIT_RELAY_CONFIG: "y.json" }, cwd), join(cwd, "y.json"));
  assert.notEqual(locateConfig(undefined, {}, cwd), join(cwd, "config.json"));
  writeFileSync(join(cwd, "config.json"), "{}");
  assert.equal(locateConfig(undefined, {}, cwd), join(cwd, "config.json"));
});

test("a config that is there but cannot be read is a problem, not the defaults", () => {
  const cwd = mkdtempSync(join(folder, "cwd-"));
  symlinkSync("config.json", join(cwd, "config.json"));
  const path = locateConfig(undefined, {}, cwd);
  assert.equal(path, join(cwd, "config.json"));
  assert.match(inspectConfig(path, { env: {}, cwd }).problems.join("\n"), /^cannot be read: [^\n]+$/);
});

test("a config that is not there is a problem, not the defaults", () => {
  const { problems } = inspectConfig(join(folder, "nope.json"), { env: {}, cwd: "/" });
  assert.deepEqual(problems, ["cannot be read: no such file"]);
});

test("durations, sizes, paths and the defaults of an endpoint come out as the program uses them", () => {
  const config = load({
    dataDir: "/srv/relay",
    mirror: { maxSize: "5MiB", minFreeDisk: 7, target: { type: "local", dir: "kept" } },
    server: { publicUrl: "https://relay.example.com/base/" },
    endpoints: [
      endpoint({ maxWait: "500ms", retry: ["90d"] }),
      endpoint({ id: "two", body: "verbatim" }),
      endpoint({ id: "three", body: "verbatim", send: "after-mirror" }),
    ],
  });
  assert.equal(config.mirror.maxSize, 5 * 2 ** 20);
  assert.equal(config.mirror.minFreeDisk, 7);
  assert.deepEqual(config.mirror.target, { type: "local", dir: join(folder, "kept") });
  assert.equal(config.server.publicUrl, "https://relay.example.com/base");
  assert.equal(config.endpoints[0]?.maxWait, 500);
  assert.deepEqual(config.endpoints[0]?.retry, [90 * 86_400_000]);
  assert.deepEqual(
    config.endpoints.map(({ send }) => send),
    ["after-mirror", "immediately", "after-mirror"],
  );
  assert.deepEqual(config.endpoints[0]?.events, ["*"]);
});

test("$schema is allowed, and nothing comes of it", () => {
  assert.ok(!("$schema" in load({ $schema: "./config.schema.json" })));
});

test("loading a wrong config throws one line per problem, each with the file", () => {
  const path = write({ recieve: {}, log: { level: "loud" } });
  assert.throws(
    () => loadConfig(path, { env: {}, cwd: "/" }),
    (error: unknown) => {
      assert.ok(error instanceof RelayError && error.code === "config");
      assert.deepEqual(error.message.split("\n"), [
        `${path}: recieve: unknown key "recieve": did you mean "receive"?`,
        `${path}: log.level: must be "debug" or "info" or "warn" or "error", not "loud"`,
      ]);
      return true;
    },
  );
});

test("the webhook's path must leave the relay's own alone", (t) => {
  const dir = tempFolder(t);
  for (const path of ["/healthz", "/readyz", "/media", "/media/x"]) {
    assert.throws(() => configIn(dir, { receive: { path } }), { message: /receive\.path.*taken/ }, path);
  }
  assert.equal(configIn(dir, { receive: { path: "/mediathek" } }).receive.path, "/mediathek");
});
