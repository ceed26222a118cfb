import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { endpoint, openConfigFiles } from "./files.ts";

const { folder, load } = openConfigFiles();

test("an admin listener beyond loopback without encryption, at the other's port, or with a short token is a warning", () => {
  const token = "x".repeat(32);
  const of = (admin: object) => load({ admin }).warnings.filter((line) => line.startsWith("admin"));
  assert.deepEqual(of({ listen: "127.0.0.1:1", token }), []);
  assert.match(of({ listen: "0.0.0.0:1", token })[0]!, /^admin: its tokens cross the network unencrypted/);
  assert.match(of({ listen: "0.0.0.0:1", token, publicUrl: "http://a.example" })[0]!, /unencrypted/);
  assert.deepEqual(of({ listen: "0.0.0.0:1", token, publicUrl: "https://a.example" }), []);
  const tokens = [
    { name: "a", token: token.toUpperCase() },
    { name: "b", token: token.slice(1) },
  ];
  assert.deepEqual(of({ token: "short", tokens }), [
    "admin.token: is short: with less than 32 characters it may be guessed",
    "admin.tokens[1].token: is short: with less than 32 characters it may be guessed",
  ]);
  const same = load({ admin: {}, server: { listen: "127.0.0.1:8081" } }).warnings;
  assert.match(same.join("\n"), /^admin\.listen: is server\.listen/m);
});

test("an authority for certificates is of no use where there are none", () => {
  writeFileSync(join(folder, "ca.pem"), "-----BEGIN CERTIFICATE-----");
  const warningsOf = (endpoint: string) =>
    load({ mirror: { target: { type: "s3", bucket: "media", endpoint, ca: "ca.pem" } } }).warnings.join("\n");
  assert.match(warningsOf("http://ceph.internal:7480"), /^mirror\.target\.ca: has no effect/m);
  assert.doesNotMatch(warningsOf("https://ceph.internal"), /mirror\.target/);
  const former = ["https://a.internal", "http://b.internal"].map((endpoint) => ({
    type: "s3",
    bucket: "old",
    endpoint,
    ca: "ca.pem",
  }));
  const { warnings } = load({ mirror: { formerTargets: former } });
  assert.deepEqual(
    warnings.filter((line) => line.startsWith("mirror")),
    ["mirror.formerTargets[1].ca: has no effect: mirror.formerTargets[1].endpoint begins with http://"],
  );
});

test("what an endpoint asks for and never gets is a warning", () => {
  const of = (members: object) => {
    const { warnings } = load({ endpoints: [endpoint(members)] });
    return warnings.filter((line) => line.startsWith("endpoints[0]")).map((line) => line.slice("endpoints[0].".length));
  };
  assert.deepEqual(of({ events: ["*", "!draft.*", "draft.new", "!relay.*"], coalesce: ["draft.new"] }), []);
  assert.deepEqual(of({ events: ["video.ready", "video.*", "!video.delete", "!video.delete"] }), []);
  assert.deepEqual(of({ events: ["video.*", "video.ready"], filter: { context: ["page-*", "*"] } }), []);
  const nothing = ['events: takes nothing: a pattern with "!" takes out of what those before it take'];
  assert.deepEqual(of({ events: ["!draft.update", "!video.*"] }), nothing);
  assert.deepEqual(of({ events: ["video.ready", "!video.*"] }), nothing);
  assert.deepEqual(of({ events: ["!draft.update", "*"] }), [
    'events[0]: "!draft.update" has no effect: "*" comes after it, and the last decides',
  ]);
  assert.deepEqual(of({ events: ["*", "draft.new", "!draft.*"] }), [
    'events[1]: "draft.new" has no effect: "!draft.*" comes after it, and the last decides',
  ]);
  assert.deepEqual(of({ events: ["relay.*", "!*", "video.*"] }), []);
  assert.deepEqual(of({ events: ["*", "!draft.updated"] }), [
    'events[1]: "!draft.updated" is not documented: did you mean "!draft.update"?',
  ]);
  assert.deepEqual(of({ events: ["video.*"], coalesce: ["draft.update"] }), [
    'coalesce[0]: has no effect: endpoints[0].events does not take "draft.update"',
  ]);
  assert.deepEqual(of({ coalesce: ["draft.updated"] }), [
    'coalesce[0]: "draft.updated" is not documented: did you mean "draft.update"?',
  ]);
  assert.deepEqual(of({ filter: { context: ["pa*ge", "p*"], videoId: ["*x"] } }), [
    'filter.context[0]: "pa*ge": only a "*" at the end stands for more',
    'filter.videoId[0]: "*x": only a "*" at the end stands for more',
  ]);
});

test("an address that nothing is sent to, plain http to a public host and a password in a URL are warnings", () => {
  const of = (members: object) => {
    const { warnings } = load({ endpoints: [endpoint(members)] });
    return warnings.filter((line) => line.startsWith("endpoints[0].url: ")).map((line) => line.slice(18));
  };
  for (const url of [
    "http://cms/",
    "http://cms.internal/",
    "http://10.1.2.3/",
    "http://[fd00::1]/",
    "http://localhost/",
  ]) {
    assert.deepEqual(of({ url }), [], url);
  }
  assert.deepEqual(of({ url: "https://app.example.com/" }), []);
  for (const url of ["http://app.example.com/", "http://93.184.216.34/", "http://[2606:2800:220:1::1]/"]) {
    assert.match(of({ url }).join("\n"), /^http:\/\/ to a public host: [^\n]*$/, url);
  }
  const metadata = /^nothing is sent to \S+: it is a cloud metadata address$/;
  for (const url of ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/"]) {
    assert.match(of({ url }).join("\n"), metadata);
    assert.match(of({ url, allowPrivateAddresses: ["169.254.0.0/16", "fd00::/8"] }).join("\n"), metadata);
  }
  assert.deepEqual(of({ url: "https://10.1.2.3/", allowPrivateAddresses: false }), [
    "nothing is sent to 10.1.2.3: it is a private address",
  ]);
  assert.deepEqual(of({ url: "https://10.1.2.3/", allowPrivateAddresses: ["10.0.0.0/8", "cms.internal"] }), []);
  const secret = of({ url: "https://anna:hunter2@app.example.com/" }).join("\n");
  assert.match(secret, /^a user name and a password stand in it/);
  assert.doesNotMatch(secret, /hunter2|anna/);
});

test("a bucket that Amazon hardly has, and plain http to a public store, are warnings", () => {
  const of = (members: object) => {
    const { warnings } = load({ mirror: { target: { type: "s3", ...members } } });
    return warnings.filter((line) => line.startsWith("mirror.target")).map((line) => line.split(": ")[0]);
  };
  for (const bucket of ["my-bucket", "my.bucket.eu", "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"]) {
    assert.deepEqual(of({ bucket }), [], bucket);
  }
  for (const bucket of ["My_Bucket", "two..dots", "tail-", `long${"x".repeat(60)}`]) {
    assert.deepEqual(of({ bucket }), ["mirror.target.bucket"], bucket);
  }
  assert.deepEqual(of({ bucket: "My_Bucket", endpoint: "http://ceph.internal:7480" }), []);
  assert.deepEqual(of({ bucket: "b-1", endpoint: "http://s3.example.com" }), ["mirror.target.endpoint"]);
});

test("bodies that go within a day, and attempts that would outlive them, are a warning", () => {
  const of = (retention: object) => load({ retention }).warnings.filter((line) => line.startsWith("retention"));
  assert.deepEqual(of({ bodies: "1d", attempts: "24h" }), []);
  assert.deepEqual(of({}), []);
  assert.deepEqual(of({ bodies: "23h", attempts: "1h" }), [
    "retention.bodies: is less than a day: what is older cannot be sent again",
  ]);
  assert.deepEqual(of({ bodies: "10d" }), [
    "retention.attempts: is longer than retention.bodies, with which attempts go",
  ]);
});
