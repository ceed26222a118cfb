import assert from "node:assert/strict";
import { test } from "node:test";
import { endpoint, openConfigFiles } from "./files.ts";

const { load, problemsOf } = openConfigFiles();

test("every problem is named with its place, in one go", () => {
  const problems = problemsOf({
    recieve: {},
    alsoWrong: 1,
    server: { listen: "8080", publicUrl: "ftp://x", trustedProxies: ["10.0.0.0/8", "1.2.3.4/99"] },
    receive: { mode: "enforec", maxBody: "5MB", dedupeWindow: 10, allowFrom: ["nobody"] },
    mirror: { key: "{videoId}", allowPrivateAddresses: ["cdn.internal", "not a host"] },
    endpoints: [endpoint({ secret: { env: "NOPE" } }), endpoint({ events: ["vid*"] }), { id: "x y" }, 7],
    log: [],
  });
  const places = problems.map((line) => line.split(": ")[0]);
  assert.deepEqual(
    places.sort(),
    [
      "recieve",
      "alsoWrong",
      "server.listen",
      "server.publicUrl",
      "server.trustedProxies[1]",
      "receive.mode",
      "receive.maxBody",
      "receive.dedupeWindow",
      "receive.allowFrom[0]",
      "mirror.key",
      "mirror.allowPrivateAddresses[1]",
      "endpoints[0].secret",
      "endpoints[1].id",
      "endpoints[1].events[0]",
      "endpoints[2].id",
      "endpoints[2].url",
      "endpoints[2].secret",
      "endpoints[3]",
      "log",
    ].sort(),
  );
});

test("an unknown key names the nearest valid one, or all of them when none is near", () => {
  for (const [config, expected] of [
    [{ recieve: {} }, 'recieve: unknown key "recieve": did you mean "receive"?'],
    [{ Endpoints: [] }, 'Endpoints: unknown key "Endpoints": did you mean "endpoints"?'],
    [{ server: { publicURL: "x" } }, 'server.publicURL: unknown key "publicURL": did you mean "publicUrl"?'],
    [
      { endpoints: [endpoint({ secret: { evn: "X" } })] },
      'endpoints[0].secret.evn: unknown key "evn": did you mean "env"?',
    ],
    [
      { mirror: { target: { type: "local", drir: "x" } } },
      'mirror.target.drir: unknown key "drir": did you mean "dir"?',
    ],
    [{ log: { zzzzzz: 1 } }, 'log.zzzzzz: unknown key "zzzzzz": the known ones are level, format'],
    [{ log: { constructor: 1 } }, 'log.constructor: unknown key "constructor": the known ones are level, format'],
  ] as const) {
    assert.deepEqual(problemsOf(config), [expected]);
  }
  assert.match(problemsOf('{"__proto__": {}}')[0]!, /^__proto__: unknown key/);
});

test("numbers and lists that only look right", () => {
  assert.match(problemsOf({ receive: { maxBody: 0 } })[0]!, /^receive\.maxBody: must be more than 0/);
  assert.match(problemsOf({ receive: { maxBody: 1e300 } })[0]!, /^receive\.maxBody/);
  assert.match(problemsOf({ receive: { dedupeWindow: "99999999999999d" } })[0]!, /shorter/);
  assert.equal(load({ receive: { dedupeWindow: "0s", keepRefused: "0" } }).receive.keepRefused, 0);
  assert.match(problemsOf({ endpoints: [endpoint({ timeout: "0s" })] })[0]!, /longer than 0/);
  assert.match(problemsOf({ endpoints: [endpoint({ headers: [] })] })[0]!, /must be an object, not a list/);
  assert.match(problemsOf({ receive: { path: "/a/../b" } })[0]!, /^receive\.path/);
});

test("each address of a list that is wrong is named, an empty one too", () => {
  const problems = problemsOf({ receive: { allowFrom: ["54.81.68.237/40", "wochit.com", "192.0.2.1", ""] } });
  const places = problems.map((line) => line.split(": ")[0]);
  assert.deepEqual(places, ["receive.allowFrom[0]", "receive.allowFrom[1]", "receive.allowFrom[3]"]);
});
