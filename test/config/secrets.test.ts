import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspectConfig, loadConfig } from "../../src/config/load.ts";
import { decodeSecret, generateKeyPair } from "../../src/config/webhook-secret.ts";
import { SECRET } from "../support/config.ts";
import { endpoint, openConfigFiles } from "./files.ts";

const { folder, load, problemsOf, write } = openConfigFiles();

test("a secret is itself, a variable, a file without its line break, or a systemd credential", () => {
  const credentials = join(folder, "credentials");
  mkdirSync(credentials);
  writeFileSync(join(credentials, "cms"), SECRET);
  writeFileSync(join(folder, "secret.txt"), `${SECRET}\n`);
  // As a Windows editor saves it.
  writeFileSync(join(folder, "marked.txt"), `\uFEFF${SECRET}\r\n`);
  const env = { APP: SECRET, LINE: `${SECRET}\n`, CREDENTIALS_DIRECTORY: credentials };
  const odd = [{ env: "LINE" }, { file: "marked.txt" }];
  const { endpoints } = load(
    {
      endpoints: [
        endpoint({ secret: [SECRET, { env: "APP" }, { file: "secret.txt" }, { credential: "cms" }, ...odd] }),
      ],
    },
    env,
  );
  const key = { kind: "hmac", bytes: new Uint8Array(Buffer.from(SECRET.slice(6), "base64")) };
  assert.deepEqual(endpoints[0]?.keys, [key, key, key, key, key, key]);
});

test("secrets are told apart by their places and by a mark of their text, never by a value", () => {
  const mark = createHash("sha256").update(SECRET).digest("hex").slice(0, 8);
  writeFileSync(join(folder, "mark.txt"), `${SECRET}\n`);
  const path = write({ endpoints: [endpoint({ secret: [{ env: "APP" }, { file: "mark.txt" }, SECRET] })] });
  const marksOf = (env: Record<string, string>, secrets: "marks" | boolean) =>
    loadConfig(path, { env, cwd: "/", secrets }).endpoints[0]!.secrets;
  const places = ["environment variable APP", `file ${join(folder, "mark.txt")}`, "in the config file"];
  const expected = (marks: (string | null)[]) => places.map((place, at) => ({ place, mark: marks[at]! }));
  assert.deepEqual(marksOf({ APP: SECRET }, true), expected([mark, mark, mark]));
  // A command beside the service lacks its environment; that is no problem.
  assert.deepEqual(marksOf({}, "marks"), expected([null, mark, mark]));
  assert.deepEqual(marksOf({ APP: SECRET }, false), expected([null, null, null]));
});

test("secrets of both kinds stand side by side, and a file may hold both lines of an ed25519 pair", () => {
  const { secret, publicKey } = generateKeyPair({ float: () => 0, bytes: (length) => new Uint8Array(length).fill(7) });
  writeFileSync(join(folder, "pair.txt"), `${secret}\n${publicKey}\n`);
  const { endpoints } = load({ endpoints: [endpoint({ secret: [secret, SECRET, { file: "pair.txt" }] })] });
  assert.deepEqual(endpoints[0]?.keys, [secret, SECRET, secret].map(decodeSecret));
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
  assert.match(of("endpoints[0].secret[7]"), /24 /);
  assert.match(of("receive.token[0]"), /path/);
  assert.match(of("receive.token[1]"), /NOPE is not set/);
  assert.match(of("admin.token"), /NOPE is not set/);
  assert.equal(problems.length, 11);
  assert.doesNotMatch(problems.join("\n"), /hunter2|aHVudGVyMg/);
});

test("a secret with a space or a line break in it, and one in UTF-16, are named as such", () => {
  writeFileSync(join(folder, "utf-16.txt"), Buffer.from(`\uFEFF${SECRET}`, "utf16le"));
  const secret = [` ${SECRET}`, `${SECRET} `, { env: "LINES" }, { file: "utf-16.txt" }];
  const problems = problemsOf({ endpoints: [endpoint({ secret })] }, { LINES: `${SECRET}\n\n` });
  assert.equal(problems.length, 4);
  for (const line of problems.slice(0, 3)) assert.match(line, /has a space or a line break in it/);
  assert.match(problems[3]!, /utf-16\.txt: it is UTF-16: save it as UTF-8$/);
  assert.doesNotMatch(problems.join("\n"), new RegExp(SECRET.slice(6, 20)));
});

test("the value of a header is a text, a variable, a file without its line break, or a systemd credential", () => {
  const credentials = join(folder, "of-headers");
  mkdirSync(credentials);
  writeFileSync(join(credentials, "gate"), "Bearer c");
  writeFileSync(join(folder, "header.txt"), "Bearer b\n");
  const headers = { "x-a": "a", "x-b": { file: "header.txt" }, "x-c": { credential: "gate" }, "x-d": { env: "D" } };
  const env = { D: "d\xe9", CREDENTIALS_DIRECTORY: credentials };
  const path = write({ endpoints: [endpoint({ headers }), endpoint({ id: "other" })] });
  const { endpoints } = loadConfig(path, { env, cwd: "/" });
  assert.deepEqual(
    endpoints.map(({ headers }) => headers),
    [{ "x-a": "a", "x-b": "Bearer b", "x-c": "Bearer c", "x-d": "d\xe9" }, {}],
  );

  // A command that needs no secrets reads none, and knows which headers there are.
  const [app] = loadConfig(path, { env: {}, cwd: "/", secrets: false }).endpoints;
  assert.deepEqual([app?.headers, app?.headerNames], [{}, ["x-a", "x-b", "x-c", "x-d"]]);

  const outside = { credentials: join(folder, "of-no-service") };
  const { config, unseen, warnings } = inspectConfig(path, { env: { D: "d" }, cwd: "/", outside });
  assert.deepEqual(unseen, ['endpoints[0].headers["x-c"]']);
  assert.match(warnings.join("\n"), /: endpoints\[0\]\.headers\["x-c"\] \(gate\)$/m);
  assert.deepEqual(Object.keys(config!.endpoints[0]!.headers), ["x-a", "x-b", "x-d"]);
});

test("a header's value that is missing, or that HTTP forbids, is named by its place and never shown", () => {
  writeFileSync(join(folder, "lines.txt"), "hunter2\r\nx-evil: 1\n");
  const headers = {
    "x-a": { env: "NOPE" },
    "x-b": { file: "lines.txt" },
    "x-c": { env: "EURO" },
    "x-d": "hunter2\0",
    "x-e": ["hunter2"],
    "x-f": { evn: "hunter2" },
    "x-g": { file: "nope.txt" },
  };
  const wrong = (some: (keyof typeof headers)[]) =>
    problemsOf(
      { endpoints: [endpoint({ headers: Object.fromEntries(some.map((name) => [name, headers[name]])) })] },
      { EURO: "hunter2 \u20ac" },
    ).map((line) => line.replace(/^endpoints\[0\]\.headers/, ""));
  const forbidden = "has a character that a header cannot hold";
  assert.deepEqual(wrong(["x-d", "x-e", "x-f"]).sort(), [
    `["x-d"]: ${forbidden}`,
    '["x-e"]: must be a string, {"env": "NAME"}, {"file": "PATH"} or {"credential": "NAME"}',
    '["x-f"].evn: unknown key "evn": did you mean "env"?',
  ]);
  assert.deepEqual(wrong(["x-a", "x-b", "x-c", "x-g"]), [
    '["x-a"]: the environment variable NOPE is not set',
    `["x-b"]: ${forbidden}`,
    `["x-c"]: ${forbidden}`,
    `["x-g"]: cannot read ${join(folder, "nope.txt")}: no such file`,
  ]);
});

test("outside of the service its credentials are a warning that names them, and what can be looked at is judged", () => {
  const all = join(folder, "run");
  const credentials = join(all, "relay.service");
  const path = write({
    endpoints: [endpoint({ secret: [SECRET, { credential: "cms" }] })],
    receive: { token: { credential: "token" } },
    server: { tls: { cert: join(credentials, "tls-cert"), key: join(credentials, "tls-key") } },
  });
  const inspect = (env: Record<string, string> = {}) =>
    inspectConfig(path, { env, cwd: "/", outside: { credentials } });
  const places = ["server.tls.cert", "server.tls.key", "receive.token", "endpoints[0].secret[1]"];

  const before = inspect();
  assert.deepEqual([before.problems, before.unseen], [[], places]);
  assert.match(
    before.warnings.join("\n"),
    /^secrets from systemd credentials cannot be looked at outside of the service: .*tls-key\), receive\.token \(token\), endpoints\[0\]\.secret\[1\] \(cms\)$/m,
  );
  assert.equal(before.config?.endpoints[0]?.keys.length, 1);

  mkdirSync(credentials, { recursive: true });
  writeFileSync(join(credentials, "cms"), SECRET);
  for (const name of ["tls-cert", "tls-key"]) writeFileSync(join(credentials, name), "PEM");
  const beside = inspect();
  assert.deepEqual([beside.problems, beside.unseen], [[], ["receive.token"]]);
  assert.match(
    beside.warnings.join("\n"),
    /^the running service was not given .*LoadCredential=.*: receive\.token \(token\)$/m,
  );
  assert.equal(beside.config?.endpoints[0]?.keys.length, 2);

  writeFileSync(join(credentials, "token"), "no/token");
  assert.match(inspect().problems.join(), /^receive\.token: must be fit for a path/);
  assert.match(
    inspect({ CREDENTIALS_DIRECTORY: folder }).problems.join("\n"),
    /^receive\.token: cannot read .*token: no such file$/m,
  );
  assert.deepEqual(inspectConfig(path, { env: {}, cwd: "/" }).problems.length, 2);
});

test("a command that looks into the target reads its credentials where the service has them, and cannot do without", () => {
  const credentials = join(folder, "there/relay.service");
  const target = {
    type: "s3",
    bucket: "media",
    accessKeyId: { credential: "s3-id" },
    secretAccessKey: { credential: "s3-key" },
  };
  const path = write({ mirror: { target }, endpoints: [endpoint({ secret: { credential: "cms" } })] });
  const load = () => loadConfig(path, { env: {}, cwd: "/", secrets: "target", outside: { credentials } });
  assert.throws(load, {
    message: ["accessKeyId", "secretAccessKey"]
      .map((option, at) => {
        const name = ["s3-id", "s3-key"][at];
        return `${path}: mirror.target.${option}: the credential ${name} can be read by root while the service runs, or where $CREDENTIALS_DIRECTORY is its folder`;
      })
      .join("\n"),
  });

  mkdirSync(credentials, { recursive: true });
  writeFileSync(join(credentials, "s3-id"), "AKIA\n");
  writeFileSync(join(credentials, "s3-key"), "key");
  const found = load().mirror.target;
  assert.deepEqual(found.type === "s3" && found.credentials, {
    accessKeyId: "AKIA",
    secretAccessKey: "key",
    sessionToken: null,
  });
});

test("outside of the service too, a credential's name has no folder in it, and other files must be there", () => {
  const path = write({
    endpoints: [endpoint({ secret: { credential: "../cms" } })],
    admin: { token: { file: "/nonexistent/token" } },
    server: { tls: { cert: "/nonexistent/cert.pem", key: "/nonexistent/key.pem" } },
  });
  const { problems } = inspectConfig(path, {
    env: {},
    cwd: "/",
    outside: { credentials: join(folder, "none/service") },
  });
  assert.deepEqual(
    problems.map((line) => line.split(":")[0]),
    ["server.tls.cert", "server.tls.key", "admin.token", "endpoints[0].secret"],
  );
});

test("the places of secrets are known wherever a config may hold them, also of a wrong one", () => {
  const placesIn = (config: object) => inspectConfig(write(config), { env: {}, cwd: "/" }).secrets!;
  const config = {
    receive: { token: [{ env: "A" }, { file: "token" }] },
    endpoints: [
      { id: "a", url: "http://a", secret: { file: "one" } },
      { id: "b", url: "http://b", secret: [{ credential: "c" }] },
    ],
    mirror: {
      target: { type: "s3", bucket: "media", accessKeyId: "not one", secretAccessKey: { file: "/two" } },
      formerTargets: [{ type: "s3", bucket: "old", accessKeyId: "not one", secretAccessKey: { file: "three" } }],
    },
  };
  const { inline, files } = placesIn(config);
  assert.equal(inline, false);
  const relative = ["one", "three", "token"].map((name) => join(folder, name));
  assert.deepEqual(new Set(files), new Set(["/two", ...relative]));
  const isInline = (more: object) => placesIn(more).inline;
  assert.equal(isInline({ ...config, admin: { token: "hush" } }), true);
  assert.equal(isInline({ endpoints: [{ id: "a", headers: { Authorization: "Bearer hush" } }] }), true);
  assert.equal(isInline({ endpoints: [{ id: "a", headers: { "x-tenant": "news" } }] }), false);
  const referred = {
    endpoints: [{ id: "a", headers: { Authorization: { file: "gate" }, "x-trace-Id": { file: "id" } } }],
  };
  assert.deepEqual(placesIn(referred), {
    inline: false,
    files: ["gate", "id"].map((name) => join(folder, name)),
    variables: [],
  });
  assert.equal(isInline({ endpoints: [{ id: "a", url: "https://user:hush@a" }] }), true);
  assert.equal(isInline({ mirror: { target: { type: "s3", secretAccessKey: "hush" } } }), true);
  assert.equal(isInline({ mirror: { target: { type: "s3", accessKeyId: "AKIA" } } }), false);
});
