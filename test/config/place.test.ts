import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePlace } from "../../src/config/store/place.ts";

const PASSWORD = "pa55word";

function hostsOf(url: string) {
  return parsePlace(url).hosts.map(({ host, port }) => `${host}|${port}`);
}

test("an address names user, password, hosts and database", () => {
  assert.deepEqual(parsePlace("postgres://relay:s%40%2F%3Fc@db.example:5433/events"), {
    hosts: [{ host: "db.example", port: 5433 }],
    user: "relay",
    password: "s@/?c",
    database: "events",
    tls: true,
    application: null,
  });
  assert.deepEqual(hostsOf("postgresql://relay@a.example,b.example:6000,[2001:db8::1],[::1]:7/events"), [
    "a.example|5432",
    "b.example|6000",
    "2001:db8::1|5432",
    "::1|7",
  ]);
});

test("the server's certificate is verified, unless nothing leaves the machine or the address says that it need not be", () => {
  const tls = (hosts: string, query = "") => parsePlace(`postgres://u@${hosts}/d${query}`).tls;
  assert.equal(tls("db"), true);
  assert.equal(tls("db", "?sslmode=verify-full"), true);
  assert.equal(tls("db", "?sslmode=require"), true);
  assert.equal(tls("db", "?sslmode=disable"), false);
  assert.equal(tls("localhost"), false);
  assert.equal(tls("127.0.0.1,[::1]"), false);
  assert.equal(tls("127.0.0.1,db"), true);
  assert.equal(tls("localhost", "?sslmode=verify-full"), true);
});

test("what the relay does anyway may be asked for", () => {
  const { application } = parsePlace("postgres://u@db/d?target_session_attrs=read-write&application_name=relay%201");
  assert.equal(application, "relay 1");
});

for (const [url, line] of [
  ["db", /must be postgres:\/\//],
  ["https://u:PW@db/d", /must be postgres:\/\//],
  ["postgres://u:PW@x@db/d", /must be postgres:\/\/.*%40/],
  ["postgres://u:PW#x@db/d", /must be postgres:\/\//],
  ["postgres://u:PW/x@db/d", /must be postgres:\/\//],
  ["postgres://u:PW?x@db/d", /names no user/],
  ["postgres://u:PW?x=1@db/d", /names no user/],
  ["postgres://u:1:PW@db/d", /second :/],
  ["postgres://u:%PW@db/d", /%25/],
  ["postgres://:PW@db/d", /names no user/],
  ["postgres://u:PW@db", /names no database/],
  ["postgres://u:PW@db/", /names no database/],
  ["postgres://u:PW@/d", /as host 1/],
  ["postgres://u:PW@a,,b/d", /as host 2/],
  ["postgres://u:PW@a:b/d", /as host 1/],
  ["postgres://u:PW@%2Fvar%2Frun/d", /as host 1/],
  ["postgres://u:PW@a:0/d", /port of host 1/],
  ["postgres://u:PW@a,b:65536/d", /port of host 2/],
  ["postgres://u:PW@db/d?PW=1", /an option that is no option/],
  ["postgres://u:PW@db/d?connect_timeout=3", /the option connect_timeout, which is not understood: remove it/],
  ["postgres://u:PW@db/d?password=PW", /the option password, which/],
  ["postgres://u:PW@db/d?sslrootcert=PW", /store\.ca/],
  ["postgres://u:PW@db/d?host=b", /host1:5432,host2:5432/],
  ["postgres://u:PW@db/d?target_session_attrs=standby", /another value than read-write/],
  ["postgres://u:PW@db/d?sslmode=prefer", /sslmode/],
  ["postgres://u:PW@db/d?sslmode=PW", /sslmode/],
  ["postgres://u:PW@db/d?sslmode=disable&sslmode=require", /sslmode twice/],
] as const)
  test(`${url} is refused in one line that says why, without the password`, () => {
    assert.throws(
      () => parsePlace(url.replaceAll("PW", PASSWORD)),
      (error: Error & { code: string }) => {
        assert.equal(error.code, "config");
        assert.match(error.message, /^[^\n]+$/);
        assert.match(error.message, line);
        assert.ok(!`${error.message}${error.stack}`.includes(PASSWORD));
        return true;
      },
    );
  });
