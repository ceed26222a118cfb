import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { list } from "../../src/actions/list.ts";
import { parse } from "../../src/cli/args.ts";
import type { Command } from "../../src/cli/command.ts";
import { commandHelp } from "../../src/cli/output/help.ts";
import type { Program } from "../../src/cli/program.ts";
import { listCommand, verbCommand } from "../../src/cli/verbs.ts";
import { realPorts } from "../support/real-ports.ts";

/** A list that no store has: what it is asked for is its only row. */
const toys = list({
  filters: {
    state: { words: ["new", "broken"], help: "only in this state" },
    madeBy: { value: "ID", help: "only of this maker" },
    ownerId: { value: "ID", option: "owner", help: "only of this owner" },
    isLost: { isFlag: true, help: "only those that are lost" },
  },
  async *rows(_, { limit, state, madeBy, ownerId, isLost }) {
    yield { id: "toy_1", limit, state, madeBy, ownerId, isLost };
  },
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "MAKER", value: ({ madeBy }) => madeBy },
  ],
});

async function run(command: Command, line: string, answer: string | null = null) {
  let written = "";
  const output = {
    write(text: string) {
      written += text;
    },
    drained: async () => true,
    isTTY: false,
    columns: Number.POSITIVE_INFINITY,
  };
  const loadConfig = async () => ({ dataDir: tmpdir() });
  const configs = { loadConfig, loadConfigToRead: loadConfig, loadConfigToChange: loadConfig };
  const opened = { ...configs, openStore: async () => ({}), ask: async () => answer };
  const program = { ...opened, stdout: output, stderr: output, env: {}, ports: realPorts() } as unknown as Program;
  const code = await command.run(program, parse(command, line.split(" ").filter(Boolean)));
  return { code: code ?? 0, written: written.replace(/^wochit-relay: no relay runs .*\n/m, "") };
}

test("a list that can be long says with --count how long it is, also beyond what is counted", async () => {
  const asked: unknown[] = [];
  const long = list({
    ...toys,
    async total(_, wish) {
      asked.push(wish);
      return { count: 10_000, isMore: wish.state === undefined };
    },
  });
  const words = { name: "toys list", summary: "the toys", examples: { "toys list": "all" } };
  const command = listCommand(long, words);
  assert.equal((await run(command, "--count")).written, "10000+\n");
  assert.equal((await run(command, "--count --state new --limit 3")).written, "10000\n");
  assert.equal((await run(command, "--count --json --state new")).written, '{"count":10000,"isMore":false}\n');
  assert.equal((asked[1] as { state: string }).state, "new");
  assert.throws(() => parse(listCommand(toys, words), ["--count"]), /--count/);
});

test("a declared list is a command: its filters are options, its rows a table or JSON lines", async () => {
  const command = listCommand(toys, { name: "toys list", summary: "the toys", examples: { "toys list": "all" } });
  const help = commandHelp(command);
  assert.match(help, /^ {2}-s, --state STATE +only in this state: new, broken$/m);
  assert.match(help, /^ {6}--made-by ID +only of this maker$/m);
  assert.match(help, /^ {6}--owner ID +/m);
  assert.match(help, /^ {6}--is-lost +only those that are lost$/m);
  assert.equal((await run(command, "--made-by ada")).written, "ID     MAKER\ntoy_1  ada\n");
  const { written } = await run(command, "--state broken --owner eve --is-lost --limit 7 --json");
  assert.deepEqual(JSON.parse(written), { id: "toy_1", limit: 7, state: "broken", ownerId: "eve", isLost: true });
  assert.throws(() => parse(command, ["--mde-by", "x"]), /did you mean --made-by\?/);
  await assert.rejects(run(command, "--state old"), /--state must be one of new, broken, not "old"/);
});

test("a verb is done to one, or to all that its filters match, and never to both", async () => {
  const done: string[] = [];
  const command = verbCommand({
    ...{ name: "toys mend", summary: "mends toys", examples: {}, noun: "medium", done: "mended" },
    filters: toys.filters,
    one: async (_, id) => ({ value: { id }, text: `${id} mended` }),
    find: async (_, { state }) => (state === "broken" ? ["toy_1", "toy_2"] : []),
    each: async (_, id) => {
      if (id === "toy_2") throw new Error("no glue");
      done.push(id);
    },
  });
  assert.deepEqual(await run(command, "toy_7 --json"), { code: 0, written: '{"id":"toy_7"}\n' });
  assert.deepEqual(await run(command, "-s broken --dry-run"), { code: 0, written: "2 media would be mended\n" });
  assert.deepEqual(done, []);
  assert.deepEqual(await run(command, "-s broken", "n"), { code: 1, written: "nothing was done\n" });
  assert.deepEqual(done, []);
  const mended = { code: 1, written: "toy_2: no glue\n1 mended, 1 not\n" };
  assert.deepEqual(await run(command, "-s broken", "y"), mended);
  assert.deepEqual(await run(command, "-s broken --yes", "n"), mended);
  assert.deepEqual(await run(command, "-s broken"), mended, "without a terminal nothing is asked");
  assert.equal(done.length, 3);
  assert.deepEqual(await run(command, "-s new"), { code: 0, written: "0 mended\n" });
  await assert.rejects(run(command, "toy_7 --is-lost"), /name one, or what all of them have in common, not both/);
  await assert.rejects(run(command, ""), /name one, or by a filter what all of them have in common/);
});
