import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SECRET } from "../support/config.ts";
import { endpoint, openConfigFiles } from "./files.ts";

const { folder, load, problemsOf } = openConfigFiles();

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
