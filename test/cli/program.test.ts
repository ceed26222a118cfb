import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { commands } from "../../src/cli/commands/table.ts";
import { decodeSecret, decodeVerifyingKey } from "../../src/config/webhook-secret.ts";
import { callCli, callJson, finish, runCli, spawnCli } from "../support/spawn.ts";

const folder = mkdtempSync(join(tmpdir(), "wochit-relay-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const COMMANDS =
  "serve check demo simulate status events deliveries endpoints videos contexts media quarantine secret verify-signature schema";

test("--version prints one line: the version, and what runs it", async () => {
  const { code, stdout, stderr } = await runCli(["--version"]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(
    stdout,
    /^wochit-relay \d+\.\d+\.\d+ \(from source, (Node|Deno) \d+\.\d+\.\d+, SQLite \d+\.\d+\.\d+\)\n$/,
  );
});

test("--version --json is one object; nothing else may follow --version", async () => {
  const { code, stdout, stderr } = await callCli(["--version", "--json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const { sqlite, ...rest } = JSON.parse(stdout);
  assert.match(sqlite, /^\d+\.\d+\.\d+$/);
  const { deno, node } = process.versions;
  const runtime = deno === undefined ? { node } : { deno };
  assert.deepEqual(rest, { version: "0.0.0", commit: "source", ...runtime, lockfile: "source" });
  const wrong = await callCli(["--version", "--jsn"]);
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /unknown option --jsn: did you mean --json\?/);
});

test("--help lists every command; each group and command has its own", async () => {
  const [all, group, command, word] = await Promise.all([
    callCli(["--help"]),
    callCli(["events", "--help"]),
    callCli(["events", "replay", "--help"]),
    callCli(["help", "events", "replay"]),
  ]);
  for (const name of COMMANDS.split(" ")) assert.match(all.stdout, new RegExp(`^ {2}${name}\\b`, "m"));
  assert.match(group.stdout, /events list .*\n.*events show ID .*\n.*events preview ID .*\n.*events replay \[ID\] /);
  assert.match(command.stdout, /^Usage: wochit-relay events replay \[ID\] \[options\]$/m);
  assert.match(command.stdout, /--only-dead/);
  assert.equal(word.stdout, command.stdout);
  for (const { code, stderr } of [all, group, command, word]) assert.deepEqual([code, stderr], [0, ""]);
});

test("wrong usage is one line that names the nearest valid word, exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["evnts"], /unknown command "evnts": did you mean "events"\?/],
    [["replay", "evt_1"], /unknown command "replay": did you mean "events replay"\?/],
    [
      ["list"],
      /unknown command "list": did you mean "events list", "deliveries list", .*"quarantine list", "alerts list"\?/,
    ],
    [["constructor"], /unknown command "constructor": the known ones are init, serve, /],
    [["events"], /events what\? list, show, preview, replay/],
    [["events", "lst"], /unknown command "events lst": did you mean "list"\?/],
    [["check", "--confg", "x"], /unknown option --confg: did you mean --config\?/],
    [["check", "--config"], /--config needs a value/],
    [["check", "--config", "--json"], /--config needs a value/],
    [["check", "--json=yes"], /--json takes no value/],
    [["check", "more"], /unexpected argument "more"/],
    [["events", "show"], /ID is missing/],
    [["events", "list", "--limit", "many"], /--limit must be a whole number from 1 on, not "many"/],
    [["events", "list", "--since", "lately"], /"lately" is no time/],
    [["deliveries", "list", "--state", "lost"], /--state must be one of waiting, pending/],
    [["deliveries", "list", "--state", "ded"], /, not "ded": did you mean "dead"\?/],
  ];
  const results = await Promise.all(cases.map(([args]) => callCli(args)));
  for (const [at, { code, stdout, stderr }] of results.entries()) {
    const [args, expected] = cases[at]!;
    assert.equal(code, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, /^wochit-relay: [^\n]*\n$/);
    assert.match(stderr, expected);
  }
});

test("without a command it serves, and options alone are options of serve", async () => {
  const { code, stderr } = await callCli(["--config", join(folder, "nope.json")]);
  assert.equal(code, 2);
  assert.match(stderr, /^wochit-relay: .*nope\.json: cannot be read: no such file\n$/);
});

/** A program with one command that runs this code. */
function runBody(BODY: string, stdout: number | "pipe" = "pipe"): ChildProcess {
  const main = fileURLToPath(new URL("../support/program.ts", import.meta.url));
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  return spawn(process.execPath, [...runtime, main, "x"], {
    env: { ...process.env, BODY },
    stdio: ["pipe", stdout, "pipe"],
  });
}

test("a reader that goes away early is no error", async () => {
  const child = runBody(`for (let i = 0; i < 200; i++) {
    stdout.write("x".repeat(10_000) + "\\n");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }`);
  child.stdout?.once("data", () => child.stdout?.destroy());
  const { code, stderr } = await finish(child);
  assert.deepEqual([code, stderr], [0, ""]);
});

test("all output has arrived when the program ends", async () => {
  const { code, stdout } = await finish(runBody(`stdout.write("x".repeat(1_000_000)); return 7;`));
  assert.deepEqual([code, stdout.length], [7, 1_000_000]);
});

test("the program knows whether its output goes into a file", async () => {
  const body = "return stdout.isFile ? 7 : 8;";
  assert.equal((await finish(runBody(body))).code, 8);
  const file = openSync(join(folder, "output"), "w");
  assert.equal((await finish(runBody(body, file))).code, 7);
  closeSync(file);
});

test("output that cannot be written is a failure", {
  skip: !existsSync("/dev/full") && "no /dev/full here",
}, async () => {
  const full = openSync("/dev/full", "w");
  const { code, stderr } = await finish(spawnCli(["schema"], { stdout: full }));
  closeSync(full);
  assert.equal(code, 1);
  assert.match(stderr, /^wochit-relay: [^\n]*(ENOSPC)[^\n]*\n$/);
  // Each line of doctor is a write of its own.
  const again = openSync("/dev/full", "w");
  const doctor = await finish(spawnCli(["doctor", "--offline"], { stdout: again, cwd: folder }));
  closeSync(again);
  assert.deepEqual([doctor.code, doctor.stderr.match(/ENOSPC/g)?.length], [1, 1]);
});

test("an uncaught error is one line, never a stack, and exit code 1", async () => {
  const child = runBody(`
    setTimeout(() => { throw new Error("lost https://h/?sig=hush\\n    at here"); }, 1);
    return new Promise(() => {});`);
  const { code, stdout, stderr } = await finish(child);
  assert.deepEqual([code, stdout, stderr], [1, "", "wochit-relay: lost https://h/?…\n"]);
});

test("check prints every problem with its place and exits with 2, and opens nothing", async () => {
  const config = join(folder, "wrong.json");
  writeFileSync(
    config,
    JSON.stringify({ recieve: {}, endpoints: [{ id: "a", url: "http://a", secret: { env: "NO" } }] }),
  );
  const { code, stdout, stderr } = await callCli(["check", "--config", config]);
  assert.equal(code, 2);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    'recieve: unknown key "recieve": did you mean "receive"?',
    "endpoints[0].secret: the environment variable NO is not set",
  ]);
  assert.match(stderr, /^wochit-relay: .*wrong\.json: 2 problems\n$/);
  const json = await callCli(["check", "--json", "--config", config]);
  assert.equal(json.code, 2);
  assert.equal(JSON.parse(json.stdout).problems.length, 2);
});

test("check takes secrets from systemd's credentials on trust outside of the service, and serve does not", async () => {
  const config = join(folder, "credential.json");
  const secret = { credential: "cms-secret" };
  writeFileSync(config, JSON.stringify({ endpoints: [{ id: "a", url: "https://app.example.com", secret }] }));
  const { code, stdout } = await callCli(["check", "--config", config]);
  assert.equal(code, 0);
  assert.match(stdout, /^warning: .*credentials.*: endpoints\[0\]\.secret \(cms-secret\)$/m);
  assert.match(stdout, /credential\.json: valid\n$/);
  const serve = await callCli(["serve", "--config", config]);
  assert.equal(serve.code, 2);
  assert.match(serve.stderr, /endpoints\[0\]\.secret: the credential cms-secret needs \$CREDENTIALS_DIRECTORY/);
});

test("check finds the config by $WOCHIT_RELAY_CONFIG and in the current folder, and prints its warnings", async () => {
  const cwd = mkdtempSync(join(folder, "cwd-"));
  writeFileSync(join(cwd, "config.json"), JSON.stringify({ admin: { token: "x" } }));
  writeFileSync(join(cwd, "other.json"), JSON.stringify({ log: { level: "loud" } }));
  const [found, named] = await Promise.all([
    callCli(["check"], { cwd }),
    callCli(["check"], { cwd, env: { WOCHIT_RELAY_CONFIG: "other.json" } }),
  ]);
  assert.equal(found.code, 0);
  assert.match(found.stdout, /^warning: admin\.token: .*may be guessed/m);
  assert.match(found.stdout, /config\.json: valid\n$/);
  assert.equal(named.code, 2);
});

test("serve with a wrong config says every problem, one line each, and exits with 2", async () => {
  const config = join(folder, "wrong-serve.json");
  writeFileSync(config, JSON.stringify({ recieve: {}, log: { level: "loud" } }));
  const { code, stdout, stderr } = await callCli(["serve", "--config", config]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.equal(stderr.trimEnd().split("\n").length, 2);
});

type SchemaPart = { description?: string; properties?: Record<string, SchemaPart> } & {
  [Name in "anyOf" | "oneOf"]?: SchemaPart[];
} & { items?: SchemaPart; additionalProperties?: SchemaPart | boolean };

/** The options of a JSON Schema and of all its parts, each with its place. */
function optionsOf(part: SchemaPart, path: string): { path: string; description: string | undefined }[] {
  const { properties = {}, anyOf = [], oneOf = [], items, additionalProperties } = part;
  const named = Object.entries(properties).flatMap(([name, option]) => {
    const place = path === "" ? name : `${path}.${name}`;
    return [{ path: place, description: option.description }, ...optionsOf(option, place)];
  });
  const others = [...anyOf, ...oneOf, ...(items ? [items] : [])];
  if (typeof additionalProperties === "object") others.push(additionalProperties);
  return [...named, ...others.flatMap((other) => optionsOf(other, path))];
}

test("schema prints a JSON Schema that knows every option, its default, and no other", async () => {
  const { code, stdout } = await callCli(["schema"]);
  assert.equal(code, 0);
  const schema = JSON.parse(stdout);
  assert.match(schema.$schema, /json-schema\.org/);
  assert.equal(schema.additionalProperties, false);
  assert.equal(schema.properties.receive.properties.dedupeWindow.default, "10m");
  assert.equal(schema.properties.endpoints.items.properties.retry.default.length, 12);
  assert.deepEqual(schema.properties.endpoints.items.required, ["id", "url", "secret"]);
  assert.deepEqual(await callJson(["schema"]), [schema]);
  const options = optionsOf(schema, "");
  assert.deepEqual(
    options.filter(({ description }) => !/^\S.{5,}[^.]$/.test(description ?? "")),
    [],
    "each has words, which an editor shows",
  );
  const words = new Map(options.map(({ path, description }) => [path, description]));
  assert.match(words.get("endpoints.laneHold")!, /holds later ones/);
  assert.match(words.get("mirror.target.prefix")!, /give each relay/);
  assert.match(words.get("mirror.formerTargets.dir")!, /The folder/);
  assert.match(words.get("alerts.to.smtp.credential")!, /systemd/);
  assert.ok(options.length > 100);
});

test("secret generate prints a new secret each time, as the libraries take it", async () => {
  const [one, two] = await Promise.all([callCli(["secret", "generate"]), callCli(["secret", "generate"])]);
  assert.match(one.stdout, /^whsec_[A-Za-z0-9+/]{43}=\n$/);
  assert.notEqual(one.stdout, two.stdout);
  const [{ secret, ...rest }] = await callJson(["secret", "generate"]);
  assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  assert.deepEqual(rest, {});
});

test("secret generate --ed25519 prints the secret, and on a second line the public key for the consumer", async () => {
  const { stdout } = await callCli(["secret", "generate", "--ed25519"]);
  const [, secret = "", publicKey = ""] =
    /^(whsk_[A-Za-z0-9+/]{86}==)\n(whpk_[A-Za-z0-9+/]{43}=)\n$/.exec(stdout) ?? [];
  const key = decodeSecret(secret);
  assert.deepEqual(decodeVerifyingKey(publicKey), {
    kind: "ed25519",
    publicKey: key.kind === "ed25519" && key.publicKey,
  });
  const [pair] = await callJson(["secret", "generate", "--ed25519"]);
  assert.deepEqual(Object.keys(pair), ["secret", "publicKey"]);
  assert.notEqual(pair.secret, secret);
  assert.deepEqual(decodeSecret(`${pair.secret}\n${pair.publicKey}`), decodeSecret(pair.secret));
});

test("every command that operates takes --json, and a list takes --limit", async () => {
  const helps = await Promise.all(
    Object.values(commands).map(async (load) => {
      const { command } = await load();
      return "verbs" in command ? Object.values(command.verbs) : [command];
    }),
  );
  for (const { name, options } of helps.flat()) {
    assert.equal("json" in options, !["serve", "demo", "completion"].includes(name), name);
    // Of the alarms there is one table.
    if (!name.endsWith(" list") || name === "alerts list") continue;
    assert.ok("limit" in options, name);
    assert.equal("since" in options && "until" in options, name !== "endpoints list", name);
  }
});
