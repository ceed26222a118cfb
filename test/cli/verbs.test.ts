import assert from "node:assert/strict";
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

async function run(command: Command, line: string) {
  let written = "";
  const output = {
    write(text: string) {
      written += text;
    },
    drained: async () => true,
    isTTY: false,
    columns: Number.POSITIVE_INFINITY,
  };
  const opened = { loadConfig: async () => ({}), loadConfigToRead: async () => ({}), openStore: async () => ({}) };
  const program = { ...opened, stdout: output, stderr: output, env: {}, ports: realPorts() } as unknown as Program;
  const code = await command.run(program, parse(command, line.split(" ").filter(Boolean)));
  return { code: code ?? 0, written };
}

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
  const command = verbCommand({
    ...{ name: "toys mend", summary: "mends toys", examples: {}, noun: "a toy", done: "mended" },
    filters: toys.filters,
    needs: "state",
    one: async (_, id) => ({ value: { id }, text: `${id} mended` }),
    async *many(_, { state }) {
      yield { id: "toy_1", state, error: null };
      yield { id: "toy_2", state, error: "no glue" };
    },
    describe: ({ id }) => id,
  });
  assert.deepEqual(await run(command, "toy_7"), { code: 0, written: "toy_7 mended\n" });
  assert.deepEqual(await run(command, "toy_7 --json"), { code: 0, written: '{"id":"toy_7"}\n' });
  assert.deepEqual(await run(command, "-s broken"), { code: 1, written: "toy_2: no glue\n1 mended, 1 not\n" });
  await assert.rejects(run(command, "toy_7 --is-lost"), /name a toy, or what all of them have in common, not both/);
  await assert.rejects(run(command, "--made-by ada"), /name a toy, or a --state/);
});
