import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { commands } from "../../src/cli/commands/table.ts";
import { tempFolder } from "../support/folder.ts";
import { callCli } from "../support/spawn.ts";
import { noTerminal, playAtTerminal, selfArgv } from "../support/terminal.ts";

/** What a shell that asks for the end of this line is answered; the words alone. */
async function completed(line: string, options: Parameters<typeof callCli>[1] = {}): Promise<string[]> {
  const { code, stdout, stderr } = await callCli(["--complete", ...line.split(" ")], options);
  assert.deepEqual([code, stderr], [0, ""], line);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((each) => each.split("\t")[0]!);
}

const ENDPOINT = { url: "https://app.example.com/hook", secret: { env: "NO_SUCH_SECRET" } };

/** A folder with a config of two endpoints, whose secrets are not to be had here. */
function folderWithConfig(t: TestContext): string {
  const folder = tempFolder(t);
  const endpoints = [
    { id: "cms", ...ENDPOINT },
    { id: "archive", ...ENDPOINT },
  ];
  writeFileSync(join(folder, "config.json"), JSON.stringify({ endpoints }));
  return folder;
}

test("every command, verb and option is completed, from what help is made of", async () => {
  assert.deepEqual(await completed(""), Object.keys(commands));
  for (const [name, load] of Object.entries(commands)) {
    const { command } = await load();
    const each = "verbs" in command ? Object.values(command.verbs) : [command];
    if ("verbs" in command) assert.deepEqual(await completed(`${name} `), Object.keys(command.verbs));
    for (const one of each) {
      const options = [...Object.keys(one.options), "help"].map((option) => `--${option}`);
      assert.deepEqual(await completed(`${one.name} -`), options);
    }
  }
});

test("values are completed where they are known: words, endpoints of the config, files", async (t) => {
  const cwd = folderWithConfig(t);
  const cases: [string, string[]][] = [
    ["deliveries list --state de", ["delivered", "dead"]],
    ["deliveries list --state=de", ["--state=delivered", "--state=dead"]],
    ["deliveries list --state = de", ["delivered", "dead"]],
    ["deliveries list --state =", ["waiting", "pending", "running", "delivered", "dead", "canceled", "superseded"]],
    ["events list --type video.", ["video.ready", "video.delete"]],
    ["deliveries retry -e ", ["cms", "archive"]],
    ["endpoints pause a", ["archive"]],
    ["endpoints pause --reason a", []],
    [`endpoints pause -c ${join(cwd, "none.json")} a`, []],
    [`endpoints pause --config=${join(cwd, "config.json")} a`, ["archive"]],
    ["simulate a", ["all"]],
    ["completion ", ["bash", "zsh", "fish"]],
    ["--log-level w", ["warn"]],
    ["check --config ", [":files"]],
    ["restore ", [":files"]],
    ["events list --limit 5 --lim", []],
    ["nosuch ", []],
    ["events nosuch ", []],
    ["constructor ", []],
  ];
  for (const [line, words] of cases) assert.deepEqual(await completed(line, { cwd }), words, line);
});

test("completion of an unknown shell is refused with those that there are", async () => {
  const { code, stderr } = await callCli(["completion", "zhs"]);
  assert.deepEqual([code, stderr.includes('no script for "zhs": did you mean "zsh"?')], [2, true]);
});

/** Why a shell's test is skipped; false: it runs. */
function whyNo(shell: string): string | false {
  return spawnSync(shell, ["-c", "exit"]).error === undefined ? noTerminal : `no ${shell} here: apt install ${shell}`;
}

/** The program and the shell's script in a folder, and what a shell there needs of its surroundings. */
async function placeFor(t: TestContext, shell: string) {
  const cwd = folderWithConfig(t);
  const bin = join(cwd, "bin");
  mkdirSync(bin);
  const program = join(bin, "wochit-relay");
  writeFileSync(program, `#!/bin/sh\nexec ${selfArgv().join(" ")} "$@"\n`);
  chmodSync(program, 0o755);
  const { stdout } = await callCli(["completion", shell]);
  writeFileSync(join(cwd, "script"), stdout);
  // A shell moves the cursor on a clever terminal, where its output is to be read.
  return { cwd, columns: 200, env: { PATH: `${bin}:${process.env.PATH}`, HOME: cwd, TERM: "dumb", PS1: "READY " } };
}

// Each line is typed with Tab after every word's beginning. Ctrl-A and "echo" have the shell show what became of it.
const TYPED = "wochit-relay del\tli\t--sta\tcan\t--end\tarch\t--conf\tconfi\t\x01echo \nexit\n";
const BECAME = /^wochit-relay deliveries list --state canceled --endpoint archive --config config\.json\s*$/m;

for (const [name, shell, argv, setUp] of [
  ["bash", "bash", ["--norc", "--noprofile", "-i"], "source ./script"],
  ["zsh", "zsh", ["-f", "-i"], "bindkey -e; autoload -Uz compinit; compinit -u -D; source ./script"],
  [
    "zsh, from a folder of $fpath,",
    "zsh",
    ["-f", "-i"],
    "mv script _wochit-relay; fpath=($PWD $fpath); bindkey -e; autoload -Uz compinit; compinit -u -D",
  ],
] as const) {
  test(`${name} completes a whole line by Tab`, { skip: whyNo(shell) }, async (t) => {
    const path = spawnSync("sh", ["-c", `command -v ${shell}`], { encoding: "utf8" }).stdout.trim();
    const steps: [string, string][] = [
      ["READY ", `${setUp}\necho set''up\n`],
      ["setup\r\n", ""],
      ["READY ", TYPED],
    ];
    const { output } = await playAtTerminal([path, ...argv], steps, await placeFor(t, shell));
    assert.match(output.replaceAll("\r", ""), BECAME);
  });
}

test("fish completes commands, values and files", { skip: whyNo("fish") }, async (t) => {
  const { cwd, env } = await placeFor(t, "fish");
  const complete = (line: string) => {
    const { stdout } = spawnSync("fish", ["--no-config", "-c", `source script; complete -C '${line}'`], {
      ...{ cwd, env, encoding: "utf8" },
    });
    return stdout.trimEnd().split("\n");
  };
  assert.deepEqual(complete("wochit-relay ev"), ["events\twhat the provider sent"]);
  assert.deepEqual(complete("wochit-relay deliveries list --state=de"), ["--state=delivered", "--state=dead"]);
  assert.deepEqual(complete("wochit-relay endpoints pause a"), ["archive\t*"]);
  assert.ok(complete("wochit-relay check --config ").includes("config.json"));
});
