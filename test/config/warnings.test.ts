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
