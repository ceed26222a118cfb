import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { toJsonSchema } from "@valibot/to-json-schema";
import { configSchema } from "../src/config.ts";
import { inspectConfig, loadConfig, locateConfig } from "../src/config-file.ts";
import { RelayError } from "../src/errors.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
const folder = mkdtempSync(join(tmpdir(), "wochit-relay-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function write(config: unknown): string {
  const path = join(folder, `config-${files++}.json`);
  writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));
  return path;
}

function load(config: unknown, env: Record<string, string> = {}) {
  return loadConfig(write(config), { env, cwd: "/" });
}

function problemsOf(config: unknown, env: Record<string, string> = {}): string[] {
  return inspectConfig(write(config), { env, cwd: "/" }).problems;
}

/** One valid endpoint with these members changed. */
function endpoint(members: object = {}) {
  return { id: "app", url: "https://app.example.com/hook", secret: SECRET, ...members };
}

test("the example at the top level loads, and shows every option of the schema", () => {
  const path = resolve("config.example.json");
  const env = Object.fromEntries(["CMS_SECRET", "CMS_OLD_SECRET", "ARCHIVE_SECRET"].map((name) => [name, SECRET]));
  const { config, problems, warnings } = inspectConfig(path, {
    env: { ...env, RELAY_TOKEN: "token", ADMIN_TOKEN: "admin" },
    cwd: "/",
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    warnings.map((line) => line.split(":")[0]),
    ["admin", "retention", "backup"],
  );
  assert.equal(config?.dataDir, resolve("data"));
  assert.equal(config?.endpoints[0]?.keys.length, 2);
  assert.deepEqual(config?.receive.tokens, ["token"]);
  assert.equal(config?.admin.token, "admin");

  const options = optionsOf(toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" }));
  const shown = new Set(keysOf(JSON.parse(readFileSync(path, "utf8"))));
  assert.ok(options.length > 50);
  // A target has one type at a time, a file without TLS no certificate, and an example no schema of its own.
  const rest = options.filter(
    (option) => !/^(mirror\.target|server\.tls)\.|^\$schema$|\.(env|file|credential)$/.test(option),
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
  assert.equal(config.mirror.target.dir, join(folder, "data", "media"));
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
  assert.equal(config.mirror.target.dir, join(folder, "kept"));
  assert.equal(config.server.publicUrl, "https://relay.example.com/base");
  assert.equal(config.endpoints[0]?.maxWait, 500);
  assert.deepEqual(config.endpoints[0]?.retry, [90 * 86_400_000]);
  assert.deepEqual(
    config.endpoints.map(({ send }) => send),
    ["after-mirror", "immediately", "after-mirror"],
  );
  assert.deepEqual(config.endpoints[0]?.events, ["*"]);
});

test("every problem is named with its place, in one go", () => {
  const problems = problemsOf({
    recieve: {},
    alsoWrong: 1,
    server: { listen: "8080", publicUrl: "ftp://x", trustedProxies: ["10.0.0.0/8", "1.2.3.4/99"] },
    receive: { mode: "enforec", maxBody: "5MB", dedupeWindow: 10, allowFrom: ["nobody"] },
    mirror: { key: "{videoId}", allowPrivateAddresses: ["cdn.internal", "not a host"] },
    endpoints: [endpoint({ secret: { env: "NOPE" } }), endpoint({ events: ["vid*"] }), { id: "x y" }, 7],
    log: [],
  });
  const places = problems.map((line) => line.split(": ")[0]);
  assert.deepEqual(
    places.sort(),
    [
      "recieve",
      "alsoWrong",
      "server.listen",
      "server.publicUrl",
      "server.trustedProxies[1]",
      "receive.mode",
      "receive.maxBody",
      "receive.dedupeWindow",
      "receive.allowFrom[0]",
      "mirror.key",
      "mirror.allowPrivateAddresses[1]",
      "endpoints[0].secret",
      "endpoints[1].id",
      "endpoints[1].events[0]",
      "endpoints[2].id",
      "endpoints[2].url",
      "endpoints[2].secret",
      "endpoints[3]",
      "log",
    ].sort(),
  );
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

test("an unknown key names the nearest valid one, or all of them when none is near", () => {
  for (const [config, expected] of [
    [{ recieve: {} }, 'recieve: unknown key "recieve": did you mean "receive"?'],
    [{ Endpoints: [] }, 'Endpoints: unknown key "Endpoints": did you mean "endpoints"?'],
    [{ server: { publicURL: "x" } }, 'server.publicURL: unknown key "publicURL": did you mean "publicUrl"?'],
    [
      { endpoints: [endpoint({ secret: { evn: "X" } })] },
      'endpoints[0].secret.evn: unknown key "evn": did you mean "env"?',
    ],
    [
      { mirror: { target: { type: "local", drir: "x" } } },
      'mirror.target.drir: unknown key "drir": did you mean "dir"?',
    ],
    [{ log: { zzzzzz: 1 } }, 'log.zzzzzz: unknown key "zzzzzz": the known ones are level, format'],
    [{ log: { constructor: 1 } }, 'log.constructor: unknown key "constructor": the known ones are level, format'],
  ] as const) {
    assert.deepEqual(problemsOf(config), [expected]);
  }
  assert.match(problemsOf('{"__proto__": {}}')[0]!, /^__proto__: unknown key/);
});

test("$schema is allowed, and nothing comes of it", () => {
  assert.ok(!("$schema" in load({ $schema: "./config.schema.json" })));
});

test("what is not JSON is one line with line and column, and quotes nothing of the file", () => {
  for (const [text, place] of [
    ['{\n  "dataDir": "x",\n}', "3:1"],
    ['{"secret": hunter2}', "1:12"],
    ['{"dataDir": "x"', "1:16"],
    ["", "1:1"],
    ["// config\n{}", "1:1"],
  ]) {
    const [line, ...more] = problemsOf(text);
    assert.match(line!, new RegExp(`^is not JSON at ${place}: `));
    assert.doesNotMatch(line!, /hunter2/);
    assert.deepEqual(more, []);
  }
  assert.deepEqual(problemsOf("[]"), ["the config must be a JSON object"]);
  assert.deepEqual(problemsOf('{"dataDir": "x", "dataDir": "y"}'), ["dataDir: is there twice"]);
  assert.doesNotThrow(() => load('\uFEFF{"dataDir": "x"}'), "some editors put a mark before the text");
});

test("a config that is not there is a problem, not the defaults", () => {
  const { problems } = inspectConfig(join(folder, "nope.json"), { env: {}, cwd: "/" });
  assert.deepEqual(problems, ["cannot be read: no such file"]);
});

test("a secret is itself, a variable, a file without its line break, or a systemd credential", () => {
  const credentials = join(folder, "credentials");
  mkdirSync(credentials);
  writeFileSync(join(credentials, "cms"), SECRET);
  writeFileSync(join(folder, "secret.txt"), `${SECRET}\n`);
  const env = { APP: SECRET, CREDENTIALS_DIRECTORY: credentials };
  const { endpoints } = load(
    { endpoints: [endpoint({ secret: [SECRET, { env: "APP" }, { file: "secret.txt" }, { credential: "cms" }] })] },
    env,
  );
  const key = Buffer.from(SECRET.slice(6), "base64").toString("hex");
  assert.deepEqual(
    endpoints[0]?.keys.map((bytes) => Buffer.from(bytes).toString("hex")),
    [key, key, key, key],
  );
});

test("a secret that is missing or wrong is named by its place, and its value never shown", () => {
  writeFileSync(join(folder, "empty.txt"), "\n");
  const wrong = [
    { env: "NOPE" },
    { file: "nope.txt" },
    { file: "empty.txt" },
    { credential: "cms" },
    { credential: "../cms" },
    "hunter2",
    "whsec_hunter2",
    "whsec_aHVudGVyMg==",
  ];
  const problems = problemsOf({
    endpoints: [endpoint({ secret: wrong })],
    receive: { token: ["hunter2/x", { env: "NOPE" }] },
    admin: { token: { env: "NOPE" } },
  });
  const of = (place: string) => problems.find((line) => line.startsWith(`${place}: `))?.slice(place.length + 2) ?? "";
  assert.equal(of("endpoints[0].secret[0]"), "the environment variable NOPE is not set");
  assert.match(of("endpoints[0].secret[1]"), /^cannot read .*nope\.txt: no such file$/);
  assert.match(of("endpoints[0].secret[2]"), /empty\.txt is empty$/);
  assert.match(of("endpoints[0].secret[3]"), /CREDENTIALS_DIRECTORY/);
  assert.match(of("endpoints[0].secret[4]"), /without a folder/);
  assert.match(of("endpoints[0].secret[5]"), /whsec_/);
  assert.match(of("endpoints[0].secret[6]"), /base64/);
  assert.match(of("endpoints[0].secret[7]"), /16 /);
  assert.match(of("receive.token[0]"), /path/);
  assert.match(of("receive.token[1]"), /NOPE is not set/);
  assert.match(of("admin.token"), /NOPE is not set/);
  assert.equal(problems.length, 11);
  assert.doesNotMatch(problems.join("\n"), /hunter2|aHVudGVyMg/);
});

test("an endpoint's headers cannot take the place of the relay's own", () => {
  for (const name of ["Webhook-Id", "webhook-anything", "Content-Type", "Host", "User-Agent", "Transfer-Encoding"]) {
    assert.deepEqual(problemsOf({ endpoints: [endpoint({ headers: { [name]: "x" } })] }).length, 1, name);
  }
  assert.match(problemsOf({ endpoints: [endpoint({ headers: { "x-a": "b\r\nc: d" } })] })[0]!, /headers\["x-a"\]/);
  assert.deepEqual(load({ endpoints: [endpoint({ headers: { "x-a": "b" } })] }).endpoints[0]?.headers, { "x-a": "b" });
});

test("event patterns are exact names, everything, or a prefix; a misspelt notice is found", () => {
  const of = (...events: string[]) => problemsOf({ endpoints: [endpoint({ events })] });
  assert.deepEqual(of("video.ready", "*", "draft.*", "something.new", "relay.*", "relay.media.*"), []);
  assert.equal(of("vid*", "*.ready", ".*", "video.*.x", "two words").length, 5);
  assert.match(of("relay.media.mirored")[0]!, /did you mean "relay\.media\.mirrored"/);
  const { warnings } = load({ endpoints: [endpoint({ events: ["video.deleted"] })] });
  assert.match(warnings.join("\n"), /events\[0\]: "video\.deleted" is not documented: did you mean "video\.delete"/);
});

test("listen addresses", () => {
  for (const listen of ["0.0.0.0:8080", "[::]:8080", "localhost:0", "[::1]:65535"]) load({ server: { listen } });
  for (const listen of ["8080", ":8080", "::1:8080", "host:65536", "host:", "http://host:80"]) {
    assert.match(problemsOf({ server: { listen } })[0]!, /^server\.listen: must be "host:port"/, listen);
  }
});

test("the admin listener is refused beyond loopback without a token", () => {
  assert.match(problemsOf({ admin: { listen: "0.0.0.0:8081" } })[0]!, /^admin\.token: is needed/);
  assert.match(problemsOf({ admin: { listen: "[::]:8081" } })[0]!, /^admin\.token: is needed/);
  load({ admin: { listen: "0.0.0.0:8081", token: "t" } });
  for (const listen of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"]) load({ admin: { listen } });
});

test("an s3 target is refused in one line", () => {
  const target = { type: "s3", bucket: "media", accessKeyId: { env: "NOPE" } };
  assert.deepEqual(problemsOf({ mirror: { target } }), [
    'mirror.target: s3 targets are not available in this version; use {"type": "local"}',
  ]);
});

test("options of later versions are accepted with a warning", () => {
  const { warnings } = load({
    server: { publicUrl: "https://r.example.com" },
    mirror: { onDelete: "delete" },
    admin: {},
    retention: { bodies: "1d" },
    backup: { every: "1h" },
    endpoints: [endpoint()],
  });
  assert.deepEqual(warnings.map((line) => line.split(":")[0]).sort(), [
    "admin",
    "backup",
    "mirror.onDelete",
    "retention",
  ]);
});

test("copies never lie where an id from the network could reach the relay's own files", () => {
  for (const dir of [".", "data", "data/spool", "data/spool/x", "/"]) {
    assert.match(
      problemsOf({ dataDir: "data", mirror: { target: { type: "local", dir } } })[0] ?? "",
      /^mirror\.target\.dir/,
      dir,
    );
  }
  for (const dir of ["data/media", "media", "/srv/media"]) load({ mirror: { target: { type: "local", dir } } });
});

test("numbers and lists that only look right", () => {
  assert.match(problemsOf({ receive: { maxBody: 0 } })[0]!, /^receive\.maxBody: must be more than 0/);
  assert.match(problemsOf({ receive: { maxBody: 1e300 } })[0]!, /^receive\.maxBody/);
  assert.match(problemsOf({ receive: { dedupeWindow: "99999999999999d" } })[0]!, /shorter/);
  assert.equal(load({ receive: { dedupeWindow: "0s", keepRefused: "0" } }).receive.keepRefused, 0);
  assert.match(problemsOf({ endpoints: [endpoint({ timeout: "0s" })] })[0]!, /longer than 0/);
  assert.match(problemsOf({ endpoints: [endpoint({ headers: [] })] })[0]!, /must be an object, not a list/);
  assert.match(problemsOf({ receive: { path: "/a/../b" } })[0]!, /^receive\.path/);
});
