import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { endpoint, openConfigFiles } from "./files.ts";

const { folder, load } = openConfigFiles();

test("options of later versions are accepted with a warning", () => {
  const { warnings } = load({
    server: { publicUrl: "https://r.example.com" },
    admin: {},
    retention: { bodies: "1d" },
    backup: { every: "1h" },
    endpoints: [endpoint()],
  });
  assert.deepEqual(warnings.map((line) => line.split(":")[0]).sort(), ["admin", "retention"]);
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
