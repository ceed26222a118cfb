import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspectConfig } from "../../src/config/load.ts";
import { AUTHORITY, pemFiles } from "../support/tls-server.ts";
import { endpoint, openConfigFiles } from "./files.ts";

const { folder, load, problemsOf, write } = openConfigFiles();
const config = (tls: unknown, url = "https://app.internal/") => ({ endpoints: [endpoint({ url, tls })] });
const { cert, key } = pemFiles("good");

test("an endpoint's certificates are read, by paths that are relative to the file", () => {
  copyFileSync(AUTHORITY, join(folder, "ca.pem"));
  assert.equal(load(config(undefined)).endpoints[0]?.tls, null);
  assert.equal(load(config(null)).endpoints[0]?.tls, null);
  assert.deepEqual(load(config({ ca: "ca.pem" })).endpoints[0]?.tls, {
    ca: readFileSync(AUTHORITY, "latin1"),
    cert: null,
    key: null,
  });
  assert.deepEqual(load(config({ cert, key })).endpoints[0]?.tls, {
    ca: null,
    cert: readFileSync(cert, "latin1"),
    key: readFileSync(key, "latin1"),
  });
});

test("what is wrong with them is named with its place and its file", () => {
  writeFileSync(join(folder, "none.pem"), "no certificate");
  const said = (tls: unknown) => problemsOf(config(tls)).map((line) => line.replaceAll(`${folder}/`, ""));
  assert.match(said({ ca: "nowhere.pem" }).join(), /^endpoints\[0\]\.tls\.ca: cannot read nowhere\.pem: ENOENT/);
  assert.deepEqual(said({ ca: "none.pem" }), ["endpoints[0].tls.ca: none.pem holds no certificate in PEM form"]);
  assert.deepEqual(said({ cert }), ["endpoints[0].tls.key: is missing: cert is of no use without it"]);
  assert.deepEqual(said({ key }), ["endpoints[0].tls.cert: is missing: key is of no use without it"]);
  assert.match(said({ cert, key: pemFiles("other").key }).join(), /^endpoints\[0\]\.tls\.cert: .* is not the key of /);
  assert.match(said({ certificate: "x" }).join(), /^endpoints\[0\]\.tls\.certificate: unknown key/);
});

test("files of systemd's that cannot be looked at are noted; commands without secrets read none", () => {
  const hidden = "/run/credentials/wochit-relay.service/ca.pem";
  const path = write(config({ ca: hidden }));
  const outside = { credentials: "/run/credentials/wochit-relay.service" };
  const { problems, unseen } = inspectConfig(path, { env: {}, cwd: "/", outside });
  assert.deepEqual([problems, unseen], [[], ["endpoints[0].tls.ca"]]);
  const quiet = inspectConfig(write(config({ ca: "nowhere.pem" })), { env: {}, cwd: "/", secrets: false });
  assert.deepEqual([quiet.problems, quiet.config?.endpoints[0]?.tls], [[], null]);
});

test("they are of no use over http", () => {
  const { warnings } = load(config({ ca: AUTHORITY }, "HTTP://app.internal/"));
  assert.ok(warnings.includes("endpoints[0].tls: has no effect: endpoints[0].url begins with http://"));
});
