import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { lookAtMachine } from "../../src/platform/machine.ts";
import { endpoint, openConfigFiles } from "./files.ts";

const { problemsOf } = openConfigFiles();

const PROBLEM = "endpoints[0].url: is this relay's own webhook: each event would come back as a new one, for ever";

function refused(
  url: string,
  { listen = "0.0.0.0:8080", publicUrl = "https://relay.example.com/base", path = "" } = {},
) {
  const problems = problemsOf({
    server: { listen, publicUrl },
    ...(path && { receive: { path } }),
    endpoints: [endpoint({ url })],
  });
  if (problems.length > 0) assert.deepEqual(problems, [PROBLEM]);
  return problems.length > 0;
}

test("the relay's own webhook is no endpoint: by its public address", () => {
  assert.ok(refused("https://relay.example.com/base/webhooks/wochit"));
  assert.ok(refused("https://user:x@RELAY.example.com.:443/base/webhooks/wochit/?a=1#b"));
  assert.ok(refused("http://relay.example.com/base/webhooks/wochit/the-token"));
  assert.ok(refused("https://relay.example.com/base/in", { path: "/in" }));
  for (const url of [
    "https://relay.example.com/webhooks/wochit",
    "https://relay.example.com/base/webhooks/other",
    "https://relay.example.com/base/webhooks/wochit2",
    "https://relay.example.com:8443/base/webhooks/wochit",
    "https://other.example.com/base/webhooks/wochit",
  ]) {
    assert.ok(!refused(url), url);
  }
});

test("the relay's own webhook is no endpoint: by any address at which it listens", () => {
  const own = lookAtMachine().addresses.filter((address) => !address.includes(":"));
  for (const host of ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "0.0.0.0", hostname(), ...own]) {
    assert.ok(refused(`http://${host}:8080/webhooks/wochit`), host);
    assert.ok(refused(`http://${host}:8080/webhooks/wochit`, { listen: "[::]:8080" }), host);
    assert.ok(!refused(`http://${host}:8081/webhooks/wochit`), host);
  }
  assert.ok(refused("http://localhost/webhooks/wochit", { listen: "127.0.0.1:80" }));
  assert.ok(refused("http://192.0.2.7:8080/webhooks/wochit", { listen: "192.0.2.7:8080" }));
  assert.ok(!refused("http://127.0.0.1:8080/webhooks/wochit", { listen: "192.0.2.7:8080" }));
  assert.ok(!refused("http://192.0.2.9:8080/webhooks/wochit"));
});
