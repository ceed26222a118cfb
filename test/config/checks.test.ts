import assert from "node:assert/strict";
import { test } from "node:test";
import { endpoint, openConfigFiles } from "./files.ts";

const { load, problemsOf } = openConfigFiles();

test("an endpoint's headers cannot take the place of the relay's own", () => {
  for (const name of ["Webhook-Id", "webhook-anything", "Content-Type", "Host", "User-Agent", "Proxy-Connection"]) {
    assert.deepEqual(problemsOf({ endpoints: [endpoint({ headers: { [name]: "x" } })] }).length, 1, name);
  }
  assert.match(problemsOf({ endpoints: [endpoint({ headers: { "x-a": "b\r\nc: d" } })] })[0]!, /headers\["x-a"\]/);
  assert.deepEqual(load({ endpoints: [endpoint({ headers: { "x-a": "b" } })] }).endpoints[0]?.headers, { "x-a": "b" });
});

test("event patterns are exact names, everything, or a prefix; a misspelt notice is found", () => {
  const of = (...events: string[]) => problemsOf({ endpoints: [endpoint({ events })] });
  assert.deepEqual(of("video.ready", "*", "draft.*", "something.new", "relay.*", "relay.media.*"), []);
  assert.equal(of("vid*", "*.ready", ".*", "video.*.x", "two words").length, 5);
  assert.match(of("relay.media.mirored")[0]!, /did you mean "relay\.media\.mirrored"/);
  const { warnings } = load({ endpoints: [endpoint({ events: ["video.deleted"] })] });
  assert.match(warnings.join("\n"), /events\[0\]: "video\.deleted" is not documented: did you mean "video\.delete"/);
});

test("a pattern that takes out is checked as the one without its !", () => {
  const of = (...events: string[]) => problemsOf({ endpoints: [endpoint({ events })] });
  assert.deepEqual(of("*", "!video.ready", "!draft.*", "!something.new", "!relay.*", "!*"), []);
  assert.equal(of("!vid*", "!.*", "!two words", "!", "!!video.ready", "").length, 6);
  assert.match(of("!relay.media.mirored")[0]!, /did you mean "relay\.media\.mirrored"/);
});

test("a filter is a list of values for the context, the video or both; none takes all, and an empty list is refused", () => {
  const of = (filter: unknown) => load({ endpoints: [endpoint({ filter })] }).endpoints[0]?.filter;
  const all = { context: null, videoId: null };
  assert.deepEqual([of(undefined), of(null), of({}), of(all)], [all, all, all, all]);
  assert.deepEqual(of({ context: ["page-*", "x"] }), { context: ["page-*", "x"], videoId: null });
  const problems = (filter: unknown) => problemsOf({ endpoints: [endpoint({ filter })] });
  assert.match(problems({ context: [] })[0]!, /^endpoints\[0\]\.filter\.context: must hold at least one value/);
  assert.match(problems({ videoId: [""] })[0]!, /^endpoints\[0\]\.filter\.videoId\[0\]: must not be empty/);
  assert.match(problems({ context: "page-*" })[0]!, /^endpoints\[0\]\.filter\.context: must be a list/);
  assert.match(problems({ contexts: ["x"] })[0]!, /^endpoints\[0\]\.filter: unknown key.*|contexts/);
  assert.match(problems({ contexts: ["x"] }).join(), /did you mean "context"/);
});

test("only exact types are coalesced; paused is true or false", () => {
  const of = (members: object) => load({ endpoints: [endpoint(members)] }).endpoints[0]!;
  assert.deepEqual([of({}).coalesce, of({}).paused], [[], false]);
  assert.deepEqual(of({ coalesce: ["draft.update"], paused: true }).coalesce, ["draft.update"]);
  const problems = (members: object) => problemsOf({ endpoints: [endpoint(members)] });
  for (const type of ["draft.*", "*", "!draft.update"]) {
    assert.match(problems({ coalesce: [type] })[0]!, /coalesce\[0\]: must be an event type, without ! and \*/, type);
  }
  assert.match(problems({ coalesce: [""] })[0]!, /coalesce\[0\]: must not be empty/);
  assert.match(problems({ paused: "yes" })[0]!, /^endpoints\[0\]\.paused: must be true or false/);
});

test("listen addresses", () => {
  for (const listen of ["0.0.0.0:8080", "[::]:8080", "localhost:0", "[::1]:65535"]) load({ server: { listen } });
  for (const listen of ["8080", ":8080", "::1:8080", "host:65536", "host:", "http://host:80"]) {
    assert.match(problemsOf({ server: { listen } })[0]!, /^server\.listen: must be "host:port"/, listen);
  }
});

test("the admin listener is refused beyond loopback without a token", () => {
  assert.match(problemsOf({ admin: { listen: "0.0.0.0:8081" } })[0]!, /^admin\.token: is needed/);
  assert.match(problemsOf({ admin: { listen: "[::]:8081" } })[0]!, /^admin\.token: is needed/);
  load({ admin: { listen: "0.0.0.0:8081", token: "t" } });
  load({ admin: { listen: "0.0.0.0:8081", tokens: [{ name: "a", token: "x".repeat(24) }] } });
  for (const listen of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"]) load({ admin: { listen } });
  assert.equal(load({ admin: null }).admin, null);
});

test("tokens of the admin listener have names of their own, are long, and fit a header", () => {
  const long = "x".repeat(24);
  const of = (...tokens: object[]) => problemsOf({ admin: { tokens } });
  assert.match(
    of({ name: "a", token: long }, { name: "a", token: long })[0]!,
    /^admin\.tokens\[1\]\.name: .*admin\.tokens\[0\]/,
  );
  assert.match(of({ name: "admin", token: long })[0]!, /^admin\.tokens\[0\]\.name: is taken/);
  assert.match(of({ name: "a", token: long.slice(1) })[0]!, /^admin\.tokens\[0\]\.token: must have at least 24/);
  assert.match(of({ name: "a", token: `${long} ` })[0]!, /^admin\.tokens\[0\]\.token: must be fit for a header/);
  assert.match(of({ name: "a", token: long, can: "all" })[0]!, /^admin\.tokens\[0\]\.can: must be/);
  assert.deepEqual(of({ name: "a", token: long }, { name: "b", token: long, can: "operate" }), [
    "admin.tokens[1].token: is the same as admin.tokens[0].token: each name has a token of its own",
  ]);
  assert.deepEqual(problemsOf({ admin: { token: long, tokens: [{ name: "a", token: long }] } }), [
    "admin.tokens[0].token: is the same as admin.token: each name has a token of its own",
  ]);
  const [token] = load({ admin: { tokens: [{ name: "a", token: long }] } }).admin!.tokens;
  assert.deepEqual(token, { name: "a", token: long, can: "read" });
});

test("copies never lie where an id from the network could reach the relay's own files", () => {
  for (const dir of [".", "data", "data/spool", "data/spool/x", "/"]) {
    assert.match(
      problemsOf({ dataDir: "data", mirror: { target: { type: "local", dir } } })[0] ?? "",
      /^mirror\.target\.dir/,
      dir,
    );
  }
  for (const dir of ["data/media", "media", "/srv/media"]) load({ mirror: { target: { type: "local", dir } } });
});

test("the archive is in a folder, beside the config file, or in a target that is not public", () => {
  const of = (archive: unknown, mirror = {}) => problemsOf({ retention: { archive }, mirror });
  const isPublic = { publicBaseUrl: "https://cdn.example.com" };
  assert.deepEqual([of(null), of("target"), of({ dir: "a" }, isPublic)], [[], [], []]);
  assert.match(of("target", isPublic)[0]!, /^retention\.archive: must be \{"dir": "…"\}: .*public/);
  assert.match(of("s3")[0]!, /^retention\.archive: must be "target", \{"dir": "…"\}, or null/);
  assert.equal(of({ dir: "a", every: "1h" }).length, 1);
});

test("backups go into a folder, or into a target that is not public", () => {
  const of = (backup: object, mirror = {}) => problemsOf({ backup, mirror });
  assert.deepEqual(of({ to: "dir", dir: "b" }, { publicBaseUrl: "https://cdn.example.com" }), []);
  assert.deepEqual(of({ to: "target" }), []);
  assert.match(of({ to: "target" }, { publicBaseUrl: "https://cdn.example.com" })[0]!, /^backup\.to: .*public/);
  assert.match(of({ to: "target", dir: "b" })[0]!, /^backup\.dir: is only for "to": "dir"/);
  assert.match(of({ every: "0s" })[0]!, /^backup\.every: must be longer than 0/);
});

test("an allowed private address that cannot be used as a name is refused, before a relay starts with it", () => {
  const of = (...names: string[]) => problemsOf({ mirror: { allowPrivateAddresses: names } });
  assert.deepEqual(of("10.0.0.0/8", "127.0.0.1", "cdn.internal", "localhost", "my_host.internal"), []);
  for (const name of ["not a host", "0x7f"]) {
    assert.deepEqual(of(name), [`mirror.allowPrivateAddresses[0]: "${name}" is neither a CIDR nor a host name`]);
  }
});

test("the archive has a folder of its own, in none that the relay uses for something else", () => {
  const of = (dir: string, more: object = {}) =>
    problemsOf({ dataDir: "data", retention: { archive: { dir } }, ...more })[0] ?? "";
  for (const dir of ["data", "data/.archive", "data/.archive/x", "data/spool", "data/media/", "data/backups/x"])
    assert.match(of(dir), /^retention\.archive\.dir: must be a folder of its own: it is, or lies in, .*data/, dir);
  assert.match(of("copies/x", { mirror: { target: { type: "local", dir: "copies" } } }), /a folder of copies$/);
  assert.match(of("saved", { backup: { dir: "saved" } }), /the folder of backups$/);
  for (const dir of ["archive", "data/archive", "data/.archives", "."]) assert.equal(of(dir), "", dir);
});
