import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspectConfig } from "../../../src/config/load.ts";
import type { S3Target } from "../../../src/targets/s3/options.ts";
import { openConfigFiles } from "../../config/files.ts";

const { folder, load, problemsOf, write } = openConfigFiles();

const config = (members: object) => ({ mirror: { target: { type: "s3", bucket: "media", ...members } } });
const targetOf = (members: object, env: Record<string, string> = {}) =>
  load(config(members), env).mirror.target as S3Target;
const problems = (members: object) => problemsOf(config(members));

test("a bucket's name is enough: the rest is Amazon's, and the machine's own credentials", () => {
  assert.deepEqual(targetOf({}), {
    type: "s3",
    bucket: "media",
    region: null,
    endpoint: null,
    prefix: "",
    pathStyle: false,
    credentials: null,
    ca: null,
    storageClass: null,
    serverSideEncryption: null,
    kmsKeyId: null,
    cacheControl: null,
  });
});

test("all options of a bucket come out as the program uses them", () => {
  writeFileSync(join(folder, "ca.pem"), "-----BEGIN CERTIFICATE-----\n");
  writeFileSync(join(folder, "s3.secret"), "the-secret\n");
  const given = {
    region: "eu-central-1",
    endpoint: "https://ceph.internal/",
    prefix: "/relay/one/",
    accessKeyId: { env: "S3_KEY" },
    secretAccessKey: { file: "s3.secret" },
    sessionToken: "token",
    ca: "ca.pem",
    storageClass: "STANDARD_IA",
    serverSideEncryption: "aws:kms",
    kmsKeyId: "arn:aws:kms:eu-central-1:1:key/1",
    cacheControl: "private, max-age=3600",
  };
  assert.deepEqual(targetOf(given, { S3_KEY: "the-key" }), {
    type: "s3",
    bucket: "media",
    region: "eu-central-1",
    endpoint: "https://ceph.internal",
    prefix: "relay/one",
    pathStyle: true,
    credentials: { accessKeyId: "the-key", secretAccessKey: "the-secret", sessionToken: "token" },
    ca: join(folder, "ca.pem"),
    storageClass: "STANDARD_IA",
    serverSideEncryption: "aws:kms",
    kmsKeyId: "arn:aws:kms:eu-central-1:1:key/1",
    cacheControl: "private, max-age=3600",
  });
});

test("paths are the default for an endpoint, and can be turned off and on", () => {
  assert.equal(targetOf({ endpoint: "http://127.0.0.1:9000" }).pathStyle, true);
  assert.equal(targetOf({ endpoint: "http://127.0.0.1:9000", pathStyle: false }).pathStyle, false);
  assert.equal(targetOf({ pathStyle: true }).pathStyle, true);
});

test("a misspelt option names the nearest one", () => {
  assert.deepEqual(problems({ acessKeyId: "x", endPoint: "y" }), [
    'mirror.target.acessKeyId: unknown key "acessKeyId": did you mean "accessKeyId"?',
    'mirror.target.endPoint: unknown key "endPoint": did you mean "endpoint"?',
  ]);
  assert.match(problems({ dir: "x" })[0]!, /^mirror\.target\.dir: unknown key "dir"/);
  assert.match(problemsOf({ mirror: { target: { type: "s4", bucket: "x" } } })[0]!, /"local" or "s3", not "s4"/);
  assert.match(problemsOf({ mirror: { target: { type: "s3" } } })[0]!, /^mirror\.target\.bucket: is missing/);
});

test("a prefix is a clean path", () => {
  for (const [given, prefix] of [
    ["", ""],
    ["/", ""],
    ["relay", "relay"],
    ["a/b-1/c_2.x~", "a/b-1/c_2.x~"],
    ["//a/b//", "a/b"],
  ] as const) {
    assert.equal(targetOf({ prefix: given }).prefix, prefix);
  }
  for (const prefix of ["a//b", "..", "a/../b", "./a", "a b", "é", "a?b", "a\\b", "a%2fb", "x".repeat(600)]) {
    assert.match(problems({ prefix }).join(), /^mirror\.target\.prefix: must be a path like/, prefix);
  }
});

test("a bucket has a name that can be one; what a store may make of it is the store's to say", () => {
  const access = "arn:aws:s3:eu-central-1:123456789012:accesspoint";
  const names = ["abc", "media.example.com", "Old_Bucket-1", "tenant:media", ":media", "a".repeat(255)];
  for (const bucket of [...names, `${access}/media`, `${access}:media`]) {
    assert.equal(targetOf({ bucket }).bucket, bucket);
  }
  const paths = [".", "..", "...", "tenant:..", "/", "media/sub", "/media", "media/", "media\\sub", `${access}/..`];
  const characters = ["a b", " media", "media\n", "me\0dia", "me\tdia", "médias", "media?x", "media#x", "me%2fdia"];
  for (const bucket of [...paths, ...characters, "ab", "a".repeat(256), "tenant:", "tenant:ab", "a:b:media"]) {
    assert.deepEqual(problems({ bucket }), [
      'mirror.target.bucket: must be the name of a bucket: 3 to 255 of A-Z a-z 0-9 . _ -, or such a name after "tenant:"',
    ]);
  }
  assert.deepEqual(problems({ bucket: "" }), ["mirror.target.bucket: must not be empty"]);
});

test("keys come in pairs, a token with them, a key of a KMS with its kind of encryption", () => {
  assert.match(problems({ accessKeyId: "a" }).join(), /^mirror\.target\.secretAccessKey: is missing/);
  assert.match(problems({ secretAccessKey: "a" }).join(), /^mirror\.target\.accessKeyId: is missing/);
  assert.match(problems({ sessionToken: "a" }).join(), /^mirror\.target\.sessionToken: is of no use/);
  assert.match(problems({ kmsKeyId: "a" }).join(), /^mirror\.target\.kmsKeyId: is of no use/);
  assert.match(problems({ kmsKeyId: "a", serverSideEncryption: "AES256" }).join(), /kmsKeyId/);
});

test("what no store could be asked with is refused", () => {
  for (const [option, value] of [
    ["endpoint", "ceph.internal"],
    ["endpoint", "https://ceph.internal/?x"],
    ["endpoint", "https://key:hunter2@ceph.internal"],
    ["cacheControl", "private\r\nx: y"],
    ["storageClass", "é"],
    ["region", " "],
  ]) {
    const [line, ...more] = problems({ [option!]: value });
    assert.match(line ?? "", new RegExp(`^mirror\\.target\\.${option}: `), value);
    assert.doesNotMatch(line!, /hunter2/);
    assert.deepEqual(more, []);
  }
});

test("a secret that is missing or was copied badly is named by its place; the file with authorities is looked at", () => {
  const found = problems({ accessKeyId: { env: "NOPE" }, secretAccessKey: "hunter2 ", ca: "nope.pem" });
  assert.deepEqual(found.sort(), [
    "mirror.target.accessKeyId: the environment variable NOPE is not set",
    `mirror.target.ca: cannot read ${join(folder, "nope.pem")}: no such file`,
    "mirror.target.secretAccessKey: must be printable ASCII without spaces",
  ]);
  writeFileSync(join(folder, "key.pem"), "-----BEGIN PRIVATE KEY-----\n");
  assert.match(problems({ ca: "key.pem" }).join(), /holds no certificate/);
});

test("a command that looks into the target needs the target's secrets only", () => {
  const target = { type: "s3", bucket: "media", accessKeyId: "key", secretAccessKey: { env: "S3_SECRET" } };
  const path = write({ mirror: { target }, receive: { token: { env: "NOPE" } }, admin: { token: { env: "NOPE" } } });
  const of = (env: Record<string, string>) => inspectConfig(path, { env, cwd: "/", secrets: "target" });
  assert.deepEqual(of({}).problems, ["mirror.target.secretAccessKey: the environment variable S3_SECRET is not set"]);
  const { config: read } = of({ S3_SECRET: "secret" });
  assert.equal((read!.mirror.target as S3Target).credentials?.secretAccessKey, "secret");
});

test("where no secrets are read, none is missed", () => {
  const path = write(config({ accessKeyId: { env: "NOPE" }, secretAccessKey: { env: "NOPE" }, ca: "nope.pem" }));
  const { config: read, problems: found } = inspectConfig(path, { env: {}, cwd: "/", secrets: false });
  assert.deepEqual(found, []);
  assert.equal((read!.mirror.target as S3Target).credentials, null);
});
