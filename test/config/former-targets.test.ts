import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspectConfig } from "../../src/config/load.ts";
import { endpoint, openConfigFiles } from "./files.ts";

const { folder, load, problemsOf, write } = openConfigFiles();

const config = (...formerTargets: unknown[]) => ({ dataDir: "data", mirror: { formerTargets } });
const problems = (...formerTargets: unknown[]) => problemsOf(config(...formerTargets));
const KEYS = { accessKeyId: { env: "OLD_KEY" }, secretAccessKey: { env: "OLD_SECRET" } };

test("there is no former target unless the config names some", () => {
  assert.deepEqual(load({}).mirror.formerTargets, []);
  assert.deepEqual(load(config()).mirror.formerTargets, []);
});

test("a former target comes out exactly as it did when it was the present one", () => {
  writeFileSync(join(folder, "ca.pem"), "-----BEGIN CERTIFICATE-----\n");
  writeFileSync(join(folder, "old.secret"), "old-secret\n");
  const givens = [
    { type: "local" },
    { type: "local", dir: "kept" },
    { type: "s3", bucket: "plain" },
    {
      type: "s3",
      bucket: "old",
      region: "eu-central-1",
      endpoint: "https://ceph.internal/",
      prefix: "/relay/one/",
      accessKeyId: { env: "OLD_KEY" },
      secretAccessKey: { file: "old.secret" },
      sessionToken: { credential: "token" },
      ca: "ca.pem",
      storageClass: "STANDARD_IA",
      serverSideEncryption: "aws:kms",
      kmsKeyId: "key/1",
      cacheControl: "private",
    },
  ];
  writeFileSync(join(folder, "token"), "old-token");
  const env = { OLD_KEY: "old-key", CREDENTIALS_DIRECTORY: folder };
  const former = load(config(...givens), env).mirror.formerTargets;
  assert.deepEqual(
    former,
    givens.map((target) => load({ dataDir: "data", mirror: { target } }, env).mirror.target),
  );
  assert.deepEqual(former.slice(0, 2), [
    { type: "local", dir: join(folder, "data", "media") },
    { type: "local", dir: join(folder, "kept") },
  ]);
  const [, , plain, old] = former;
  assert.ok(plain?.type === "s3" && old?.type === "s3");
  assert.equal(plain.credentials, null);
  assert.equal(old.pathStyle, true);
  assert.equal(old.ca, join(folder, "ca.pem"));
  assert.deepEqual(old.credentials, {
    accessKeyId: "old-key",
    secretAccessKey: "old-secret",
    sessionToken: "old-token",
  });
});

test("the present target and each former one keep their own keys", () => {
  const s3 = (bucket: string, key?: string) => ({
    type: "s3",
    bucket,
    ...(key && { accessKeyId: key, secretAccessKey: `${key}-secret` }),
  });
  const { mirror } = load({
    mirror: { target: s3("new", "c"), formerTargets: [s3("one", "a"), { type: "local" }, s3("two"), s3("three", "b")] },
  });
  assert.deepEqual(
    [mirror.target, ...mirror.formerTargets].map((target) => target.type === "s3" && target.credentials?.accessKeyId),
    ["c", "a", false, undefined, "b"],
  );
});

test("what is wrong with a former target is named with its place, and hides nothing of the others", () => {
  assert.deepEqual(
    problems(
      { type: "s3" },
      { type: "s3", bucket: "media/sub", acessKeyId: "x" },
      { type: "s3", bucket: "old", accessKeyId: "a" },
      { type: "s3", bucket: "old", kmsKeyId: "a", ca: "nope.pem", ...KEYS },
      { type: "local", drir: "x" },
      { type: "local", dir: "." },
      { type: "local", dir: "data/spool/x" },
    ).sort(),
    [
      "mirror.formerTargets[0].bucket: is missing",
      'mirror.formerTargets[1].acessKeyId: unknown key "acessKeyId": did you mean "accessKeyId"?',
      'mirror.formerTargets[1].bucket: must be the name of a bucket: 3 to 255 of A-Z a-z 0-9 . _ -, or such a name after "tenant:"',
      "mirror.formerTargets[2].secretAccessKey: is missing: accessKeyId is of no use without it; without both, the machine's own are used",
      "mirror.formerTargets[3].accessKeyId: the environment variable OLD_KEY is not set",
      `mirror.formerTargets[3].ca: cannot read ${join(folder, "nope.pem")}: no such file`,
      'mirror.formerTargets[3].kmsKeyId: is of no use without "serverSideEncryption": "aws:kms"',
      "mirror.formerTargets[3].secretAccessKey: the environment variable OLD_SECRET is not set",
      'mirror.formerTargets[4].drir: unknown key "drir": did you mean "dir"?',
      `mirror.formerTargets[5].dir: must not be, or hold, the data folder ${join(folder, "data")}`,
      "mirror.formerTargets[6].dir: must not be the spool, which is emptied at a start",
    ],
  );
});

test("what is no list of targets is one line", () => {
  for (const [given, line] of [
    [{ type: "local" }, /^mirror\.formerTargets: must be a list, not an object$/],
    ["kept", /^mirror\.formerTargets: must be a list, not a string$/],
    [null, /^mirror\.formerTargets: must be a list, not null$/],
    [["kept"], /^mirror\.formerTargets\[0\]: must be an object, not a string$/],
    [[null], /^mirror\.formerTargets\[0\]: must be an object, not null$/],
    [[{ dir: "kept" }], /^mirror\.formerTargets\[0\]\.type: must be "local" or "s3"$/],
    [[{ type: "s4" }], /^mirror\.formerTargets\[0\]\.type: must be "local" or "s3", not "s4"$/],
  ] as const) {
    const [first, ...more] = problemsOf({ mirror: { formerTargets: given } });
    assert.match(first ?? "", line);
    assert.deepEqual(more, []);
  }
  assert.match(problems([])[0]!, /^mirror\.formerTargets\[0\]: must be an object, not a list$/);
  assert.match(problemsOf({ mirror: { formerTarget: [] } }).join(), /did you mean "formerTargets"/);
});

test("a command that looks into the targets needs the secrets of all of them, and no others", () => {
  const path = write({
    ...config({ type: "s3", bucket: "old", ...KEYS }),
    endpoints: [endpoint({ secret: { env: "NOPE" } })],
  });
  const of = (env: Record<string, string>) => inspectConfig(path, { env, cwd: "/", secrets: "target" });
  assert.deepEqual(of({ OLD_KEY: "key" }).problems, [
    "mirror.formerTargets[0].secretAccessKey: the environment variable OLD_SECRET is not set",
  ]);
  const [former] = of({ OLD_KEY: "key", OLD_SECRET: "secret" }).config!.mirror.formerTargets;
  assert.ok(former?.type === "s3");
  assert.deepEqual(former.credentials, { accessKeyId: "key", secretAccessKey: "secret", sessionToken: null });
});

test("where no secrets are read, none of a former target's is missed", () => {
  const path = write(config({ type: "s3", bucket: "old", ca: "nope.pem", ...KEYS }));
  const { config: read, problems: found } = inspectConfig(path, { env: {}, cwd: "/", secrets: false });
  assert.deepEqual(found, []);
  const [former] = read!.mirror.formerTargets;
  assert.ok(former?.type === "s3");
  assert.equal(former.credentials, null);
  assert.equal(former.ca, join(folder, "nope.pem"));
});
