import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { SECRET } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { callCli } from "../support/spawn.ts";

const FOLDER = "docs/containers";
const PARSE = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
const noYaml =
  spawnSync("python3", ["-c", "import yaml"]).status !== 0 && "no YAML for Python here: apt install python3-yaml";

/** The documents of a YAML file. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into them as they like
function parse(name: string): any[] {
  const { stdout, stderr } = spawnSync("python3", ["-c", PARSE, join(FOLDER, name)], { encoding: "utf8" });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

/** Whether a config is valid once its secrets lie elsewhere than in a container. */
async function assertValid(folder: string, text: string, secretsAt: string, names: string[]): Promise<void> {
  for (const name of names) {
    assert.ok(text.includes(`"${secretsAt}/${name}"`), `${name} is used`);
    writeFileSync(join(folder, name), SECRET);
  }
  const config = join(folder, "config.json");
  writeFileSync(config, text.replaceAll(secretsAt, folder));
  const { code, stdout, stderr } = await callCli(["check", "--config", config], { env: { STATE_DIRECTORY: folder } });
  assert.equal(code, 0, stdout + stderr);
}

test("compose.yaml: a read-only root, one volume, secrets as files that its config reads", {
  skip: noYaml,
}, async (t) => {
  const [{ services, volumes, secrets }] = parse("compose.yaml");
  const { relay, app } = services;
  assert.deepEqual([relay.read_only, relay.cap_drop], [true, ["ALL"]]);
  assert.deepEqual(Object.keys(volumes), ["data"]);
  const written = relay.volumes.filter((volume: string) => !volume.endsWith(":ro"));
  assert.deepEqual(written, ["data:/data"]);
  assert.deepEqual(relay.secrets, Object.keys(secrets));
  const text = readFileSync(join(FOLDER, "relay.json"), "utf8");
  await assertValid(tempFolder(t), text, "/run/secrets", relay.secrets);
  assert.equal(new URL(JSON.parse(text).endpoints[0].url).hostname, "app");
  assert.deepEqual(app.secrets, ["app_secret"]);
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal(relay.image, `localhost/wochit-relay:${version}`);
});

test("the app of compose takes what is signed, and refuses what is not", async (t) => {
  const secret = join(tempFolder(t), "secret");
  writeFileSync(secret, `${SECRET}\n`);
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  const child = spawn(process.execPath, [...runtime, join(FOLDER, "app.mjs")], {
    env: { ...process.env, SECRET_FILE: secret, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  const heard = (text: string) =>
    new Promise<void>((resolve) => child.stdout.on("data", () => said.includes(text) && resolve()));
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  await heard("listening on ");
  const url = `http://127.0.0.1:${/listening on (\d+)/.exec(said)![1]}/hooks/wochit`;
  const at = new Date();
  const body = '{"type":"video.ready","wochitVideoId":"v1"}';
  const headers = (signed: string) => ({
    "webhook-id": "evt_1",
    "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "webhook-signature": new Webhook(SECRET).sign("evt_1", at, signed),
  });
  const post = async (signed: string) => (await fetch(url, { method: "POST", body, headers: headers(signed) })).status;
  const printed = heard("verified: video.ready v1\n");
  assert.deepEqual([await post(body), await post(`${body} `)], [204, 401]);
  await printed;
  child.kill("SIGKILL");
  await once(child, "exit");
});

test("kubernetes.yaml: one replica, each mount has its volume, and its config and secrets fit", {
  skip: noYaml,
}, async (t) => {
  const documents = parse("kubernetes.yaml");
  const [config, service, set] = ["ConfigMap", "Service", "StatefulSet"].map((kind) =>
    documents.find((document) => document.kind === kind),
  );
  assert.equal(documents.length, 3);
  const { replicas, selector, template, volumeClaimTemplates } = set.spec;
  const [relay, ...others] = template.spec.containers;
  assert.deepEqual([replicas, others], [1, []]);
  for (const labels of [selector.matchLabels, service.spec.selector])
    assert.deepEqual(labels, template.metadata.labels);

  const mounts = Object.fromEntries(
    relay.volumeMounts.map(({ name, mountPath }: Record<string, string>) => [name, mountPath]),
  );
  const named = [
    ...template.spec.volumes,
    ...volumeClaimTemplates.map(({ metadata }: { metadata: object }) => metadata),
  ];
  assert.deepEqual(Object.keys(mounts).sort(), named.map(({ name }) => name).sort());
  assert.deepEqual([mounts.data, mounts.config], ["/data", "/etc/wochit-relay"]);
  const writable = relay.volumeMounts.filter(({ readOnly = false }) => !readOnly);
  assert.deepEqual(
    writable.map(({ name }: { name: string }) => name),
    ["data"],
  );
  assert.ok(relay.args.includes(`${mounts.config}/${Object.keys(config.data)[0]}`));
  await assertValid(tempFolder(t), config.data["config.json"], mounts.secrets, ["app-secret", "admin-token"]);

  const { securityContext } = template.spec;
  const [, uid] = /^USER (\d+):/m.exec(readFileSync("Containerfile", "utf8"))!;
  assert.deepEqual([securityContext.runAsNonRoot, securityContext.runAsUser], [true, Number(uid)]);
  assert.equal(relay.securityContext.readOnlyRootFilesystem, true);
  const paths = ["startupProbe", "livenessProbe", "readinessProbe"].map((probe) => relay[probe].httpGet.path);
  assert.deepEqual(paths, ["/healthz", "/healthz", "/readyz"]);
});
