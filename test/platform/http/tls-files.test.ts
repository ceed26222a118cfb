import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readTls } from "../../../src/platform/http/tls-files.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { callCli } from "../../support/spawn.ts";

const FOLDER = join(import.meta.dirname, "../../fixtures/tls");
const good = { cert: join(FOLDER, "cert.pem"), key: join(FOLDER, "key.pem") };

test("what is wrong with certificate and key is said of the file that it is wrong with", (t) => {
  const dir = tempFolder(t);
  const file = (name: string, text: string | Buffer) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const said = (files: Partial<typeof good>) => {
    try {
      readTls({ ...good, ...files });
      return "taken";
    } catch (error) {
      return (error as Error).message.replaceAll(`${dir}/`, "").replaceAll(`${FOLDER}/`, "");
    }
  };
  const cert = readFileSync(good.cert, "utf8");
  const key = readFileSync(good.key, "utf8");
  const locked = createPrivateKey(key).export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
  mkdirSync(join(dir, "folder"));
  execFileSync("mkfifo", [join(dir, "pipe")]);
  assert.equal(said({}), "taken");
  assert.equal(said({ cert: join(dir, "nowhere") }).split(": ENOENT")[0], "server.tls: cannot read nowhere");
  assert.equal(said({ key: join(dir, "folder") }), "server.tls: cannot read folder: it is a folder (EISDIR)");
  assert.equal(said({ key: join(dir, "pipe") }), "server.tls: cannot read pipe: it is no regular file");
  assert.equal(said({ cert: file("a", "") }), "server.tls: a holds no certificate in PEM form");
  assert.equal(said({ cert: good.key }), "server.tls: key.pem holds no certificate in PEM form");
  assert.equal(
    said({ cert: file("b", cert + cert.replace(/\n[^-]{20}/, "\nAAAAAAAAAAAAAAAAAAAA")) }),
    "server.tls: b: certificate 2 is broken",
  );
  assert.equal(said({ key: good.cert }), "server.tls: cert.pem holds no private key in PEM form");
  assert.equal(
    said({ key: file("c", locked) }),
    "server.tls: c is encrypted with a password, which the relay cannot enter: remove it with openssl pkey",
  );
  assert.equal(
    said({ key: join(FOLDER, "renewed-key.pem") }),
    "server.tls: renewed-key.pem is not the key of cert.pem, whose first certificate must be the one of this side",
  );
});

test("check finds a key that is not the certificate's, which a reload would refuse", async (t) => {
  const dir = tempFolder(t);
  configIn(dir, { server: { tls: { ...good, key: join(FOLDER, "renewed-key.pem") } } });
  const wrong = await callCli(["check", "--config", join(dir, "config.json")]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stdout, /^server\.tls: \S+renewed-key\.pem is not the key of /);
  configIn(dir, { server: { tls: good } });
  assert.equal((await callCli(["check", "--config", join(dir, "config.json")])).code, 0);
});
