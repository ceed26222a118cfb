import assert from "node:assert/strict";
import { test } from "node:test";
import { hostsIn, isServedHost } from "../../src/admin/hosts.ts";

test("on loopback only names of this machine, and those of the config, are served, whatever the port", () => {
  const served = [
    "localhost",
    "LOCALHOST:8081",
    "127.0.0.1:1",
    "127.9.9.9",
    "[::1]:8081",
    "localhost.",
    "relay.example:9",
  ];
  for (const host of served) assert.equal(isServedHost([host], "127.0.0.1", ["relay.example"]), true, host);
  const foreign = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.1:8081",
    "",
    "a b",
    "x@localhost",
    "localhost#x",
  ];
  for (const host of foreign) assert.equal(isServedHost([host], "127.0.0.1", ["relay.example"]), false, host);
  assert.equal(isServedHost(["localhost", "evil.example"], "127.0.0.1", []), false, "one of two");
  assert.equal(isServedHost([], "127.0.0.1", []), true, "no browser leaves it out");
});

test("beyond loopback the names of the machine are not known, and any is served", () => {
  assert.equal(isServedHost(["evil.example"], "0.0.0.0", []), true);
});

test("the Hosts of a head are found as they came", () => {
  assert.deepEqual(hostsIn(["HOST", "a", "x-host", "host", "Host", "b"]), ["a", "b"]);
});
