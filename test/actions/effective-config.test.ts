import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { effectiveConfig } from "../../src/actions/relay/effective-config.ts";
import { inspectConfig, loadConfig } from "../../src/config/load.ts";
import { SECRET } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";

const TOKEN = "the-value-of-a-long-token";

test("the config that holds is shown with its defaults in the words of the file, and no secret is in it", (t) => {
  const dir = tempFolder(t);
  const given = {
    dataDir: "data",
    server: { publicUrl: "https://user:hush-url@relay.example.com" },
    receive: { token: TOKEN, maxBody: "3MiB", dedupeWindow: "90s" },
    mirror: {
      target: { type: "s3", bucket: "media", accessKeyId: "hush-id", secretAccessKey: "hush-key" },
      formerTargets: [{ type: "local", dir: "old" }],
    },
    endpoints: [
      {
        id: "cms",
        url: "https://me:hush-user@cms.example.com/?token=hush-query",
        secret: [SECRET, SECRET],
        headers: { "x-key": "hush-header" },
        retry: ["1500ms", "2h"],
      },
    ],
    admin: { token: TOKEN, tokens: [{ name: "monitor", token: `${TOKEN}-too` }] },
  };
  const path = join(dir, "config.json");
  writeFileSync(path, JSON.stringify(given));
  const shown = effectiveConfig(loadConfig(path, { env: {}, cwd: dir }));
  const text = JSON.stringify(shown);
  assert.doesNotMatch(text, /hush|whsec_|the-value/);
  assert.equal(shown.file, path);
  // biome-ignore lint/suspicious/noExplicitAny: it is looked into
  const { receive, mirror, endpoints, admin, retention, dataDir } = shown.config as any;
  assert.equal(dataDir, join(dir, "data"));
  assert.deepEqual([receive.token, receive.maxBody, receive.dedupeWindow], [["(set)"], "3MiB", "90s"]);
  const { bucket, accessKeyId, sessionToken } = mirror.target;
  assert.deepEqual([bucket, accessKeyId, sessionToken], ["media", "(set)", "(set)"]);
  assert.deepEqual(mirror.formerTargets, [{ type: "local", dir: join(dir, "old") }]);
  assert.deepEqual([mirror.maxSize, mirror.deleteAfter, mirror.concurrency], ["20GiB", "7d", 4]);
  const { secret, headers, retry, laneHold, url, filter } = endpoints[0];
  assert.deepEqual([secret, headers], [["(set)", "(set)"], { "x-key": "(set)" }]);
  assert.deepEqual([retry, laneHold, filter], [["1500ms", "2h"], "6h", { context: null, videoId: null }]);
  assert.match(url, /^https:\/\/\(set\)@cms\.example\.com\/\?\(set\)$/);
  assert.deepEqual(admin.tokens, [{ name: "monitor", token: "(set)", can: "read" }]);
  assert.equal(admin.token, "(set)");
  assert.equal(retention.bodies, "90d");
});

test("what is shown of the example is the example, but for its secrets and paths", () => {
  const path = resolve("config.example.json");
  const names = ["RELAY_TOKEN", "CMS_GATEWAY_KEY", "ADMIN_TOKEN", "PROMETHEUS_TOKEN"];
  const secrets = ["CMS_SECRET", "CMS_OLD_SECRET", "ARCHIVE_SECRET"];
  const env = Object.fromEntries([
    ...names.map((name) => [name, `${TOKEN}-${name}`]),
    ...secrets.map((name) => [name, SECRET]),
  ]);
  const urls = {
    CHAT_URL: "https://chat.example.com/hook",
    HEARTBEAT_URL: "https://watch.example.com/beat",
    SMTP_URL: "smtps://mail-hush.example",
  };
  const { config } = inspectConfig(path, { env: { ...env, ...urls }, cwd: "/" });
  const shown = effectiveConfig(config!).config;
  const compare = (given: unknown, is: unknown, at: string): void => {
    if (/\.(secret|token|headers|dir)$|^\.dataDir$|^\.alerts\..*\.(url|smtp)$/.test(at)) return;
    if (typeof given !== "object" || given === null) return assert.deepEqual(is, given, at);
    for (const [name, member] of Object.entries(given)) {
      compare(member, (is as Record<string, unknown>)[name], `${at}.${name}`);
    }
  };
  compare(JSON.parse(readFileSync(path, "utf8")), shown, "");
  assert.doesNotMatch(JSON.stringify(shown), /chat\.example|watch\.example|hush/);
});
