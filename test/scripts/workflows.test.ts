import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";

const FOLDER = ".github/workflows";
const PARSE = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
const skip =
  spawnSync("python3", ["-c", "import yaml"]).status !== 0 && "no YAML for Python here: apt install python3-yaml";

type Step = {
  name?: string;
  uses?: string;
  run?: string;
  env?: Record<string, string>;
  with?: Record<string, unknown>;
};
type Job = { permissions?: Record<string, string>; uses?: string; needs?: string; steps?: Step[] };
type Workflow = { permissions?: Record<string, string>; jobs: Record<string, Job> };

const names = readdirSync(FOLDER);
const textOf = (name: string) => readFileSync(join(FOLDER, name), "utf8");
const parse = (name: string): Workflow =>
  JSON.parse(execFileSync("python3", ["-c", PARSE, join(FOLDER, name)], { encoding: "utf8" }));
const stepsOf = ({ jobs }: Workflow): Step[] => Object.values(jobs).flatMap(({ steps = [] }) => steps);

test("workflows: actions are pinned to a commit, and what is called of ours is there", { skip }, () => {
  assert.deepEqual(names.sort(), ["check.yml", "release.yml"]);
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const name of names) {
    const workflow = parse(name);
    for (const uses of [...Object.values(workflow.jobs), ...stepsOf(workflow)].map(({ uses }) => uses)) {
      if (uses === undefined) continue;
      if (uses.startsWith("./")) assert.ok(existsSync(uses), uses);
      else
        assert.match(textOf(name), new RegExp(`uses: ${uses.replace(/@.*/, "")}@[0-9a-f]{40} # v\\d+\\.\\d+\\.\\d+\n`));
      if (!uses.startsWith("./")) assert.match(uses, /@[0-9a-f]{40}$/);
    }
    const runs = stepsOf(workflow).map(({ run = "" }) => run);
    for (const [, script] of runs.join("\n").matchAll(/npm run (\S+)/g)) assert.ok(scripts[script!], script);
    for (const [, path] of runs.join("\n").matchAll(/^(\.\S+\/\S+)/gm)) assert.ok(existsSync(path!), path);
  }
  assert.ok(stepsOf(parse("check.yml")).some(({ run }) => run === ".ci/run"));
});

test("workflows: a job has the least rights, secrets reach one step by its environment, and no text of others is run", {
  skip,
}, () => {
  const rights = names.flatMap((name) => {
    const { permissions, jobs } = parse(name);
    return Object.entries(jobs).map(([job, own]) => [name, job, own.permissions ?? permissions]);
  });
  assert.deepEqual(rights, [
    ["check.yml", "gate", { contents: "read" }],
    ["release.yml", "ready", { contents: "read" }],
    ["release.yml", "gate", { contents: "read" }],
    ["release.yml", "release", { contents: "write" }],
  ]);
  assert.deepEqual(parse("release.yml").permissions, {});
  for (const name of names) {
    for (const { run = "", uses, with: given } of stepsOf(parse(name))) {
      assert.doesNotMatch(run, /\$\{\{/);
      if (uses?.startsWith("actions/checkout@")) assert.equal(given?.["persist-credentials"], false);
    }
  }
  const { ready, gate, release } = parse("release.yml").jobs;
  assert.deepEqual([ready!.needs, gate!.needs, release!.needs], [undefined, "ready", "gate"]);
  const secretly = (job: Job) => job.steps!.flatMap(({ env = {} }) => Object.keys(env));
  assert.deepEqual([secretly(ready!), secretly(release!)], [["SIGN_KEY"], ["SIGN_KEY", "SIGN_PASSWORD", "GH_TOKEN"]]);
});

/** Runs what a step of release.yml says as a runner does in a container, with the plainest shell. */
function runStep(step: Step, cwd: string, env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync("sh", ["-e", "-c", step.run!], { cwd, encoding: "utf8", env });
  return { status, said: stdout + stderr };
}

test("a tag is refused without a key, without the public key, and where it is of another version", { skip }, (t) => {
  const folder = tempFolder(t);
  const step = parse("release.yml").jobs.ready!.steps!.find(({ run }) => run)!;
  writeFileSync(join(folder, "package.json"), readFileSync("package.json"));
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const env = { PATH: process.env.PATH!, GITHUB_REF_NAME: `v${version}`, SIGN_KEY: "a key" };
  const refused = (more: Record<string, string>) => runStep(step, folder, { ...env, ...more });
  assert.match(refused({}).said, /^::error::minisign\.pub is missing/);
  writeFileSync(join(folder, "minisign.pub"), "a public key");
  assert.deepEqual(refused({}), { status: 0, said: "" });
  for (const [more, why] of [
    [{ SIGN_KEY: "" }, "WOCHIT_RELAY_SIGN_KEY of this repository is missing"],
    [{ GITHUB_REF_NAME: "v9.9.9" }, `package.json says ${version}, and the tag v9.9.9`],
  ] as const) {
    const { status, said } = refused(more);
    assert.equal(status, 1);
    assert.ok(said.startsWith("::error::") && said.includes(why), said);
  }
});

test("the release is signed with the key of the secret, which no program that it runs finds in its environment", {
  skip,
}, (t) => {
  const folder = tempFolder(t);
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const npm = `#!/bin/sh\n{ echo "$@"; cat "$5"; stat -c %a "$5"; cat; umask; env; } > "${folder}/seen"\n`;
  writeFileSync(join(bin, "npm"), npm, { mode: 0o755 });
  const step = parse("release.yml").jobs.release!.steps!.find(({ run }) => run?.includes("npm run release"))!;
  const env = {
    PATH: bin + delimiter + process.env.PATH,
    TMPDIR: folder,
    SIGN_KEY: "untrusted comment: a key\nRWQ-secret",
    SIGN_PASSWORD: "a password",
  };
  assert.equal(runStep(step, folder, env).status, 0);
  const seen = readFileSync(join(folder, "seen"), "utf8");
  const [args, ...lines] = seen.split("\n");
  assert.match(args!, /^run release -- --sign-key \S+$/);
  assert.deepEqual(lines.slice(0, 5), ["untrusted comment: a key", "RWQ-secret", "600", "a password", "0022"]);
  assert.doesNotMatch(lines.slice(5).join("\n"), /RWQ-secret|a password/);
  assert.ok(!existsSync(args!.split(" ").at(-1)!), "the key is removed");
});
